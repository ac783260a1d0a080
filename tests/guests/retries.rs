//! Throws away every answer of 500 and above, and asks for another endpoint.

use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::{Issues, NoConfig, Plugin, Request, Response, ResponseHead, Setup};

struct Guest;
sluice_plugin::export!(Guest: Response);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self)
    }
}

impl Response for Guest {
    fn respond(&mut self, _: &Request, head: &ResponseHead, _: Exchange) -> Action {
        if head.status() >= 500 { Action::Retry } else { Action::Done }
    }
}
