//! Has no opinion in any hook, and does as little in it as its configuration says: what a bench subtracts from plugins that
//! do something. Its timer turns as often as it is told to, and its hand-over has as many bytes.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::{
    Issues, Members, Plugin, Request, Response, ResponseHead, Routing, Selection, Setup, State, TimeUs, Timer, mix,
    routing, selection,
};
use std::hint::black_box;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Config {
    /// Wants the request in `select`.
    see_request: bool,
    /// Fields of the request that `select` reads.
    reads: Vec<String>,
    /// Turns of a loop in each tick.
    turns: u64,
    /// Bytes that one instance hands to the next.
    state: usize,
}

struct Guest {
    config: Config,
    learnt: Vec<u8>,
}

sluice_plugin::export!(Guest: Routing, Selection, Response, Timer, State);

impl Plugin for Guest {
    type Config = Config;

    fn new(config: Config, setup: &Setup) -> Result<Self, Issues> {
        if config.see_request {
            setup.see_request();
        }
        Ok(Self { learnt: vec![7; config.state], config })
    }
}

impl Routing for Guest {
    fn route(&mut self, _: routing::Input, _: &Request) -> routing::Decision {
        routing::Decision::pass()
    }
}

impl Selection for Guest {
    fn set_endpoints(&mut self, _: &Members) {}

    fn select(&mut self, _: selection::Input, request: Option<&Request>) -> selection::Decision {
        let read = |request: &Request| self.config.reads.iter().filter_map(|name| request.header(name)).count();
        selection::Decision::pass().tagged(request.map_or(0, read) as u64)
    }
}

impl Response for Guest {
    fn respond(&mut self, _: &Request, _: &ResponseHead, _: Exchange) -> Action {
        Action::Done
    }
}

impl Timer for Guest {
    fn tick(&mut self, now: TimeUs) {
        black_box((0..self.config.turns).fold(now, |value, _| mix(value)));
    }
}

impl State for Guest {
    fn save(&mut self) -> Vec<u8> {
        self.learnt.clone()
    }

    fn restore(&mut self, _: &str, saved: Vec<u8>) -> Result<(), String> {
        self.learnt = saved;
        Ok(())
    }
}
