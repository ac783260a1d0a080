//! Gives answers that name nobody: an upstream or endpoint past the end, a status that is none.

use sluice_guests::is_asked;
use sluice_plugin::routing::{self, Routing};
use sluice_plugin::selection::{self, Selection};
use sluice_plugin::{Issues, Members, NoConfig, Plugin, Request, Setup};

struct Guest {
    count: u32,
}

sluice_plugin::export!(Guest: Routing, Selection);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, setup: &Setup) -> Result<Self, Issues> {
        setup.see_request();
        Ok(Self { count: 0 })
    }
}

impl Routing for Guest {
    fn route(&mut self, _: routing::Input, request: &Request) -> routing::Decision {
        if is_asked(request, "routing") {
            // Edits that come with an invalid answer must not be made.
            request.set_header("x-edited", "yes").expect("a legal field");
            return routing::Decision::upstream(u32::MAX);
        }
        if is_asked(request, "reply") {
            return routing::Decision::reply(99);
        }
        routing::Decision::pass()
    }
}

impl Selection for Guest {
    fn set_endpoints(&mut self, members: &Members) {
        self.count = members.count();
    }

    fn select(&mut self, _: selection::Input, request: Option<&Request>) -> selection::Decision {
        match request {
            Some(request) if is_asked(request, "selection") => selection::Decision::endpoint(self.count),
            Some(request) if is_asked(request, "reject") => selection::Decision::reject(200),
            _ => selection::Decision::pass(),
        }
    }
}
