//! Does what the request says: `x-script` holds edits and an answer, in hexadecimal. For `tests/fuzz`, whose `plugin_answers` knows
//! what has to become of each edit.

mod script;

use script::Edit;
use sluice_plugin::{Issues, NoConfig, Plugin, Request, Response, ResponseHead, Routing, Setup, response, routing};

struct Guest;
sluice_plugin::export!(Guest: Routing, Response);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self)
    }
}

/// In hexadecimal, in a field of the request.
fn told(request: &Request) -> Option<([u8; 3], Vec<Edit>)> {
    let text = request.header("x-script")?;
    let digits = text.as_bytes().chunks_exact(2);
    let bytes: Vec<u8> =
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect::<Option<_>>()?;
    script::read(&bytes)
}

impl Routing for Guest {
    fn route(&mut self, _: routing::Input, request: &Request) -> routing::Decision {
        let Some(([decision, high, low], edits)) = told(request) else { return routing::Decision::pass() };
        for Edit { kind, name, value, times } in edits {
            for _ in 0..times {
                // Whether it may is for the host to say.
                let _ = match kind {
                    0 => request.set_header(&name, &value),
                    1 => request.append_header(&name, &value),
                    2 => request.remove_header(&name),
                    3 => request.set_path_and_query(&value),
                    4 => request.set_reply_header(&name, &value),
                    5 => request.set_reply_body(value.as_bytes()),
                    _ => Ok(()),
                };
            }
        }
        let number = u16::from_be_bytes([high, low]);
        match decision % 3 {
            0 => routing::Decision::pass(),
            1 => routing::Decision::upstream(number.into()),
            _ => routing::Decision::reply(number),
        }
    }
}

impl Response for Guest {
    fn respond(&mut self, request: &Request, head: &ResponseHead, _: response::Exchange) -> response::Action {
        let Some((_, edits)) = told(request) else { return response::Action::Done };
        for Edit { kind, name, value, times } in edits {
            for _ in 0..times {
                let _ = match kind {
                    0 => head.set_header(&name, &value),
                    1 => head.append_header(&name, &value),
                    2 => head.remove_header(&name),
                    6 => head.set_status(
                        value.chars().fold(0, |status: u16, digit| status.wrapping_mul(256) | digit as u16),
                    ),
                    _ => Ok(()),
                };
            }
        }
        response::Action::Done
    }
}
