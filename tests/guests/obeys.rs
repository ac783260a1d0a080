//! Does what the request says: `x-script` holds edits and an answer, in hexadecimal. For `tests/fuzz`, whose `plugin_answers` has the
//! same reader, and knows what has to become of each edit.

use sluice_plugin::{Issues, NoConfig, Plugin, Request, Response, ResponseHead, Routing, Setup, response, routing};

struct Guest;
sluice_plugin::export!(Guest: Routing, Response);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self)
    }
}

/// One edit: what kind, of which name and value, and how often.
struct Edit {
    kind: u8,
    name: String,
    value: String,
    times: usize,
}

/// Three bytes of the answer, then edits: a byte of their kind (with bits for a long value, a character above U+00FF, many times),
/// two of lengths, and name and value, each byte a character.
fn script(request: &Request) -> Option<([u8; 3], Vec<Edit>)> {
    let text = request.header("x-script")?;
    let digits = text.as_bytes().chunks_exact(2);
    let bytes: Vec<u8> =
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect::<Option<_>>()?;
    let (answer, mut rest) = bytes.split_first_chunk::<3>()?;
    let mut edits = Vec::new();
    while let [kind, name, value, more @ ..] = rest {
        let (name, more) = more.split_at(more.len().min(usize::from(*name)));
        let (value, more) = more.split_at(more.len().min(usize::from(*value)));
        let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
        let mut value = text(value);
        if kind & 0x80 != 0 {
            value = value.repeat(200);
        }
        if kind & 0x20 != 0 {
            value.push('\u{100}');
        }
        edits.push(Edit { kind: kind & 7, name: text(name), value, times: if kind & 0x40 != 0 { 70 } else { 1 } });
        rest = more;
    }
    Some((*answer, edits))
}

impl Routing for Guest {
    fn route(&mut self, _: routing::Input, request: &Request) -> routing::Decision {
        let Some(([decision, high, low], edits)) = script(request) else { return routing::Decision::pass() };
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
        let Some((_, edits)) = script(request) else { return response::Action::Done };
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
