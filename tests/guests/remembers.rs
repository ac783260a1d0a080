//! Looks at what is kept when it is made, and never again. Answers tell how many instances were made before theirs (`x-before`).

use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::{Cell, Issues, NoConfig, Plugin, Request, Response, ResponseHead, Setup};

struct Guest {
    before: i64,
}

sluice_plugin::export!(Guest: Response);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self { before: Cell::open("instances", 0).fetch_add(1) })
    }
}

impl Response for Guest {
    fn respond(&mut self, _: &Request, head: &ResponseHead, _: Exchange) -> Action {
        head.set_header("x-before", &self.before.to_string()).expect("a legal field");
        Action::Done
    }
}
