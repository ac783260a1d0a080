//! Counts its own calls in its own memory. Answers tell the count (`x-calls`) and the worker (`x-worker`) of the
//! instance that chose, so that a test can see whether each worker has one instance, and only one.

use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{Issues, Members, NoConfig, Plugin, Request, Response, ResponseHead, Selection, Setup};

struct Guest {
    worker: u32,
    calls: u64,
}

sluice_plugin::export!(Guest: Selection, Response);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, setup: &Setup) -> Result<Self, Issues> {
        Ok(Self { worker: setup.worker(), calls: 0 })
    }
}

impl Selection for Guest {
    fn set_endpoints(&mut self, _: &Members) {}

    fn select(&mut self, _: Input, _: Option<&Request>) -> Decision {
        self.calls += 1;
        Decision::pass().tagged(self.calls)
    }
}

impl Response for Guest {
    fn respond(&mut self, _: &Request, head: &ResponseHead, exchange: Exchange) -> Action {
        head.set_header("x-calls", &exchange.tag.to_string()).expect("a legal field");
        head.set_header("x-worker", &self.worker.to_string()).expect("a legal field");
        Action::Done
    }
}
