//! Writes a header field and a log line of configured lengths on every response.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::{Issues, Plugin, Request, Response, ResponseHead, Setup};

#[derive(Deserialize, JsonSchema)]
struct Config {
    header: usize,
    line: usize,
}

struct Guest(Config);
sluice_plugin::export!(Guest: Response);

impl Plugin for Guest {
    type Config = Config;

    fn new(config: Config, _: &Setup) -> Result<Self, Issues> {
        Ok(Self(config))
    }
}

impl Response for Guest {
    fn respond(&mut self, _: &Request, head: &ResponseHead, _: Exchange) -> Action {
        let written = head.set_header("x-long", &"x".repeat(self.0.header));
        sluice_plugin::info!("{}", "l".repeat(self.0.line));
        head.set_header("x-written", if written.is_ok() { "yes" } else { "no" }).expect("a legal field");
        Action::Done
    }
}
