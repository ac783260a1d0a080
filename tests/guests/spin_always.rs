//! Never comes back, whoever asks.

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
        let mut turns = 0_u64;
        loop {
            turns = std::hint::black_box(turns.wrapping_add(1));
        }
    }
}
