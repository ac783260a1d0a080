//! Never comes back from `configure`.

use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::{Issues, NoConfig, Plugin, Request, Response, ResponseHead, Setup};

struct Guest;
sluice_plugin::export!(Guest: Response);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        let mut turns = 0_u64;
        loop {
            turns = std::hint::black_box(turns.wrapping_add(1));
        }
    }
}

impl Response for Guest {
    fn respond(&mut self, _: &Request, _: &ResponseHead, _: Exchange) -> Action {
        Action::Done
    }
}
