//! Answers with the host's figures of each endpoint as they were when it chose: `x-in-flight: 0 3 0`. Up to four
//! endpoints.

use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{
    Issues, Members, NoConfig, Plugin, Request, RespondWhen, Response, ResponseHead, Selection, Setup,
};
use sluice_plugin::{Tag, endpoints};

struct Guest {
    count: u32,
}

sluice_plugin::export!(Guest: Selection, Response);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, setup: &Setup) -> Result<Self, Issues> {
        setup.respond(RespondWhen::Always);
        Ok(Self { count: 0 })
    }
}

impl Selection for Guest {
    fn set_endpoints(&mut self, members: &Members) {
        self.count = members.count();
    }

    fn select(&mut self, _: Input, _: Option<&Request>) -> Decision {
        let figures = endpoints::in_flight_all().into_iter().take(4);
        Decision::pass().tagged(figures.enumerate().map(|(n, figure)| Tag::from(figure.min(0xffff)) << (16 * n)).sum())
    }
}

impl Response for Guest {
    fn respond(&mut self, _: &Request, head: &ResponseHead, exchange: Exchange) -> Action {
        let figures = (0..self.count.min(4)).map(|n| (exchange.tag >> (16 * n) & 0xffff).to_string());
        head.set_header("x-in-flight", &figures.collect::<Vec<_>>().join(" ")).expect("a legal field");
        Action::Done
    }
}
