//! Writes header values with CR and LF, and names and fields that are not a plugin's to write. What the host said to
//! each stands in `x-said`. With `{ "prepare": true }` it tries in `configure` already.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_guests::is_asked;
use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::routing::{self, Routing};
use sluice_plugin::{Edit, EditError, Issues, Plugin, Request, Response, ResponseHead, Setup};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Config {
    prepare: bool,
}

struct Guest;
sluice_plugin::export!(Guest: Routing, Response);

const SPLIT: &str = "one\r\nx-smuggled: yes";

impl Plugin for Guest {
    type Config = Config;

    fn new(config: Config, setup: &Setup) -> Result<Self, Issues> {
        if config.prepare {
            setup.prepare(&[Edit::Set(("x-split".into(), SPLIT.into()))]);
        }
        Ok(Self)
    }
}

impl Routing for Guest {
    fn route(&mut self, _: routing::Input, request: &Request) -> routing::Decision {
        if is_asked(request, "routing") {
            let said = [
                request.set_header("x-split", SPLIT),
                request.append_header("x split", "one"),
                request.set_path_and_query("/a\r\nb"),
                request.set_header("content-length", "3"),
                request.set_header(":path", "/other"),
            ];
            request.set_header("x-said", &list(&said)).expect("a legal field");
        }
        routing::Decision::pass()
    }
}

impl Response for Guest {
    fn respond(&mut self, request: &Request, head: &ResponseHead, _: Exchange) -> Action {
        if is_asked(request, "response") {
            let said = [
                head.set_header("x-split", SPLIT),
                head.append_header("x-split\r\n", "one"),
                head.set_header("x-nul", "a\0b"),
                head.set_header("transfer-encoding", "chunked"),
                head.set_status(204),
                head.set_status(1000),
                request.set_header("x-late", "one"),
            ];
            head.set_header("x-said", &list(&said)).expect("a legal field");
        }
        Action::Done
    }
}

fn list(said: &[Result<(), EditError>]) -> String {
    let word = |said: &Result<(), EditError>| match said {
        Ok(()) => "done",
        Err(EditError::ReadOnly) => "read-only",
        Err(EditError::Forbidden) => "forbidden",
        Err(EditError::Invalid) => "invalid",
        Err(EditError::TooLarge) => "too-large",
    };
    said.iter().map(word).collect::<Vec<_>>().join(" ")
}
