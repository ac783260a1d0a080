//! What plugins write: a guest makes the edits that the input says, through the calls that an exchange makes. A slow model says what
//! must become of each; and what then goes over the wire reads back as the one message that it is.
#![no_main]

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{Empty, Full};
use libfuzzer_sys::fuzz_target;
use sluice_fuzz::script::{self, Edit};
use sluice_fuzz::{PLANTED, head, place, wire};
use sluice_gateway::config::model::{PluginLimits, WhenAllBad};
use sluice_gateway::endpoint::{Rules, Set};
use sluice_gateway::message::RequestHead;
use sluice_gateway::plugin::{Ended, Failure, Moment, Named, Reply, ResponseHead, Routed, Slot, Use, UseSettings};
use sluice_gateway::proxy::Cause;
use sluice_gateway::proxy::headers::{Onward, onward};

static GUEST: &[u8] = include_bytes!(env!("SLUICE_FUZZ_GUEST"));

thread_local! {
    static SLOT: Arc<Slot> = slot();
    static NOW: Cell<u64> = const { Cell::new(1 << 50) };
    static RECEIVER: RefCell<Option<tokio::sync::mpsc::Receiver<sluice_gateway::plugin::Notice>>> = const { RefCell::new(None) };
}

/// Bytes of names and values in one call.
const OUTPUT: usize = 16 * 1024;

fn slot() -> Arc<Slot> {
    // Time is not what this is about, and an instrumented host takes it.
    let deadline = Duration::from_secs(20);
    let limits =
        PluginLimits { memory: 64 << 20, deadline, worker_share_per_mille: 1_000, host_call: 1 << 20, output: OUTPUT };
    let plugin = place::host().load("obeys", GUEST, &limits, &place::keys()).unwrap_or_else(|error| panic!("{error}"));
    std::fs::remove_dir_all(place::compiled()).ok();
    let rules = Rules { when_all_bad: WhenAllBad::UseAll, slow_start: None };
    let named = Named { name: "u".into(), set: Set::new(Vec::new(), rules) };
    let settings = UseSettings {
        name: "obeys".into(),
        plugin: "obeys".into(),
        config: "{}".into(),
        on_error: None,
        limits,
        upstream: None,
        upstreams: vec![named.clone(), named],
        zone: "".into(),
        seed: 0,
        slots: 1,
    };
    let owner = Use::new(settings, &place::keys()).unwrap_or_else(|error| panic!("{error}"));
    let (notices, receiver) = tokio::sync::mpsc::channel(1);
    RECEIVER.set(Some(receiver));
    let slot = Slot::new(owner, plugin, 0, notices);
    slot.fill().unwrap_or_else(|error| panic!("{error}"));
    slot
}

/// A second later each time: a use that has failed is left out for a while.
fn moment() -> Moment<'static> {
    NOW.set(NOW.get() + 100_000_000);
    Moment::new(7, NOW.get())
}

const FIELDS: [(&str, &str); 4] = [("accept", "a"), ("x-a", "1"), ("x-a", "2"), ("cookie", "a=b")];

fn request(script: &[u8]) -> RequestHead {
    let mut headers = HeaderMap::new();
    for (name, value) in FIELDS {
        headers.append(name, HeaderValue::from_static(value));
    }
    let script: String = script.iter().map(|byte| format!("{byte:02x}")).collect();
    headers.insert("x-script", HeaderValue::try_from(script).expect("digits"));
    head::for_plugins(headers)
}

/// Whether it is the response hook, then a script.
fn check(data: &[u8]) {
    let Some((hook, script)) = data.split_first() else { return };
    let Some((answer, edits)) = script::read(script) else { return };
    SLOT.with(|slot| {
        if hook & 1 == 0 {
            check_routing(slot, script, answer, &edits)
        } else {
            check_response(slot, script, &edits)
        }
        slot.fill().unwrap_or_else(|error| panic!("{error}"));
    });
}

fn check_routing(slot: &Slot, script: &[u8], [decision, high, low]: [u8; 3], edits: &[Edit]) {
    let before = request(script);
    let mut head = Arc::new(request(script));
    let number = u16::from_be_bytes([high, low]);
    let found = slot.route(&mut head, moment());
    let is_valid = match decision % 3 {
        0 => true,
        1 => number < 2,
        _ => (200..=599).contains(&number),
    };
    let routed = match found {
        Ok(routed) if is_valid => routed,
        Err(Failure::Invalid(_)) if !is_valid => {
            assert_eq!((head::lines(&head.headers), &head.target), (head::lines(&before.headers), &before.target));
            return;
        }
        found => panic!("{decision} {number}: {found:?}"),
    };
    let mut model = script::Model::of(&before.headers, before.target.as_str(), 200, OUTPUT);
    model.apply(edits, false);
    if PLANTED {
        // As if a removal were forgotten behind a field of a reply.
        model.forget_removal(edits);
    }
    assert_eq!(head::lines(&head.headers), model.fields);
    assert_eq!(head.target.as_str(), model.target);
    let with =
        Onward { peer: before.client, strip_prefix: None, upgrade: None, trailers: false, expects: false, h2: None };
    let onward = onward(&head, with, Empty::<Bytes>::new());
    let written = head::lines(onward.headers());
    let read = wire::read_request(&wire::sent(onward));
    assert_eq!(read.line, ["GET", &model.target]);
    assert_eq!(read.fields, written);
    assert!(
        head::values(&written, "content-length").is_empty() && head::values(&written, "transfer-encoding").is_empty()
    );
    assert_eq!(head::values(&written, "host"), [b"shop.example.com"]);
    if let Routed::Reply(status, reply) = routed {
        assert_eq!((status.as_u16(), head::lines(&reply.headers)), (number, model.reply.clone()));
        assert_eq!(reply.body, model.body);
        check_reply(status, reply);
    }
}

/// What the client gets of it.
fn check_reply(status: StatusCode, reply: Reply) {
    let (fields, body) = (head::lines(&reply.headers), reply.body.clone());
    let (status, headers, content) = Cause::Replied("obeys".into(), status, Box::new(reply)).answer();
    for method in [Method::GET, Method::HEAD] {
        let mut response = http::Response::new(Full::new(content.clone()));
        *response.status_mut() = status;
        *response.headers_mut() = headers.clone();
        let bytes = wire::answered(&method, response);
        let read = wire::read_response(&bytes);
        assert_eq!(read.line, [status.as_str()]);
        check_written(&fields, &read.fields, &bytes);
        let has_no_body = method == Method::HEAD || [204, 205, 304].contains(&status.as_u16());
        assert_eq!(read.rest, if has_no_body { &b""[..] } else { &body }, "{}", bytes.escape_ascii());
        let lengths = head::values(&read.fields, "content-length");
        assert!(head::values(&read.fields, "transfer-encoding").is_empty());
        match status.as_u16() {
            204 => assert!(lengths.is_empty()),
            205 => assert!(lengths.is_empty() || lengths == [b"0"], "{}", bytes.escape_ascii()),
            304 => assert!(lengths.len() <= 1),
            _ => assert_eq!(lengths, [body.len().to_string().as_bytes()]),
        }
    }
}

fn check_response(slot: &Slot, script: &[u8], edits: &[Edit]) {
    let mut headers = HeaderMap::new();
    for (name, value) in [("content-type", "a"), ("set-cookie", "a=1"), ("set-cookie", "b=2")] {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let status = StatusCode::from_u16(if script.len() % 5 == 4 { 304 } else { 200 }).expect("a status");
    let mut model = script::Model::of(&headers, "", status.as_u16(), OUTPUT);
    let mut head = ResponseHead { status, headers, endpoint: None };
    let ended = Ended { tag: 0, attempts: 1, upstream: Duration::from_millis(1) };
    let again = slot.respond(&Arc::new(request(script)), &mut head, &ended, moment());
    assert_eq!(again, Ok(false));
    model.apply(edits, true);
    assert_eq!((head.status.as_u16(), head::lines(&head.headers)), (model.status, model.fields.clone()));
    let mut response = http::Response::new(Empty::<Bytes>::new());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    let bytes = wire::answered(&Method::GET, response);
    let read = wire::read_response(&bytes);
    assert_eq!(read.line, [model.status.to_string()]);
    assert!(read.rest.is_empty() && head::values(&read.fields, "transfer-encoding").is_empty());
    check_written(&model.fields, &read.fields, &bytes);
}

/// hyper adds `date`, `connection`, and the length.
fn check_written(written: &[(String, Vec<u8>)], read: &[(String, Vec<u8>)], bytes: &[u8]) {
    let own = |name: &str| name == "connection" || name == "content-length";
    let has_date = written.iter().any(|(name, _)| name == "date");
    let read: Vec<_> = read.iter().filter(|(name, _)| !own(name) && (has_date || name != "date")).cloned().collect();
    assert_eq!(read, written, "{}", bytes.escape_ascii());
}

fuzz_target!(
    init: place::compile_if_asked(),
    |data: &[u8]| check(data)
);
