//! Refuses its configuration, with two mistakes at once, the second one forging a log line.

use sluice_plugin::routing::{Decision, Input};
use sluice_plugin::selection;
use sluice_plugin::{Issues, Members, NoConfig, Plugin, Request, Routing, Selection, Setup};

struct Guest;
sluice_plugin::export!(Guest: Routing, Selection);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        let mut issues = Issues::new();
        issues.add("/left", "expected something else");
        issues.add("/right", "two\nlines");
        issues.result()?;
        Ok(Self)
    }
}

impl Routing for Guest {
    fn route(&mut self, _: Input, _: &Request) -> Decision {
        Decision::pass()
    }
}

impl Selection for Guest {
    fn set_endpoints(&mut self, _: &Members) {}

    fn select(&mut self, _: selection::Input, _: Option<&Request>) -> selection::Decision {
        selection::Decision::pass()
    }
}
