//! Answers itself: the routing hook with the status in `x-reply`, a field and a body; the selection hook with the
//! status in `x-reject`.

use sluice_plugin::routing::{self, Routing};
use sluice_plugin::selection::{self, Selection};
use sluice_plugin::{Issues, Members, NoConfig, Plugin, Request, Setup};

struct Guest;
sluice_plugin::export!(Guest: Routing, Selection);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, setup: &Setup) -> Result<Self, Issues> {
        setup.see_request();
        Ok(Self)
    }
}

impl Routing for Guest {
    fn route(&mut self, _: routing::Input, request: &Request) -> routing::Decision {
        let Some(status) = request.header("x-reply").and_then(|status| status.parse().ok()) else {
            return routing::Decision::pass();
        };
        request.set_reply_header("content-type", "text/x-guest").expect("a legal field");
        request.set_reply_body(b"from the guest").expect("a short body");
        routing::Decision::reply(status)
    }
}

impl Selection for Guest {
    fn set_endpoints(&mut self, _: &Members) {}

    fn select(&mut self, _: selection::Input, request: Option<&Request>) -> selection::Decision {
        let status = request.and_then(|request| request.header("x-reject"));
        status.and_then(|status| status.parse().ok()).map_or(selection::Decision::pass(), selection::Decision::reject)
    }
}
