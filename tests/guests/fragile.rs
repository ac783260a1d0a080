//! A policy that does its work on every request (`x-policy`) but for those that make it trap.

use sluice_guests::is_asked;
use sluice_plugin::{Issues, NoConfig, Plugin, Request, Routing, Setup, routing};

struct Guest;
sluice_plugin::export!(Guest: Routing);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self)
    }
}

impl Routing for Guest {
    fn route(&mut self, _: routing::Input, request: &Request) -> routing::Decision {
        if is_asked(request, "routing") {
            core::arch::wasm32::unreachable();
        }
        request.set_header("x-policy", "kept").expect("a legal field");
        routing::Decision::pass()
    }
}
