//! Gives the host far more than it takes: a long value, many edits, a long log line, a long reply.

use sluice_guests::is_asked;
use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::routing::{self, Routing};
use sluice_plugin::{Issues, NoConfig, Plugin, Request, Response, ResponseHead, Setup};

struct Guest;
sluice_plugin::export!(Guest: Routing, Response);

const LONG: usize = 8 * 1024 * 1024;

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self)
    }
}

impl Routing for Guest {
    fn route(&mut self, _: routing::Input, request: &Request) -> routing::Decision {
        if is_asked(request, "routing") {
            let _ = request.set_reply_body(&vec![b'x'; LONG]);
            return routing::Decision::reply(200);
        }
        routing::Decision::pass()
    }
}

impl Response for Guest {
    fn respond(&mut self, request: &Request, head: &ResponseHead, _: Exchange) -> Action {
        if is_asked(request, "response") {
            let _ = head.set_header("x-long", &"x".repeat(LONG));
        }
        if is_asked(request, "many") {
            let taken = (0..1000).filter(|number| head.append_header("x-many", &number.to_string()).is_ok()).count();
            sluice_plugin::info!("{taken} edits were taken");
        }
        if is_asked(request, "log") {
            sluice_plugin::info!("{}", "long ".repeat(10_000));
        }
        Action::Done
    }
}
