//! Traps whoever asks, and so does not pass a trial.

use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{Issues, Members, NoConfig, Plugin, Request, Selection, Setup};

struct Guest;
sluice_plugin::export!(Guest: Selection);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self)
    }
}

impl Selection for Guest {
    fn set_endpoints(&mut self, _: &Members) {}

    fn select(&mut self, _: Input, _: Option<&Request>) -> Decision {
        core::arch::wasm32::unreachable()
    }
}
