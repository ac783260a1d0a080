//! Request policy: whatever a client sends, what is taken in has one host, a target in normal form, and nothing of this hop or of
//! anybody's claims; and what goes onward reads back as the one message that it is.
#![no_main]

use std::net::SocketAddr;
use std::sync::LazyLock;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Version};
use http_body::Body;
use http_body_util::{Empty, Full};
use libfuzzer_sys::fuzz_target;
use sluice_fuzz::place::{RESERVED, entrance};
use sluice_fuzz::{PLANTED, cut, head, wire};
use sluice_gateway::config::model::Limits;
use sluice_gateway::message::{RequestHead, Scheme, target};
use sluice_gateway::proxy::headers::{Arrival, Intake, Onward, onward, request};
use sluice_gateway::state::Entrance;

static ENTRANCES: LazyLock<[Entrance; 3]> =
    LazyLock::new(|| ["drop", "refuse", "keep"].map(|rule| entrance(rule, true)));

/// Options, then the text of a head.
///
/// The first byte, from its lowest bit: HTTP/2; its `host` stays a field; a trusted peer; over TLS; two bits for underscores.
/// The second: two bits for the endpoint's protocol and scheme; a prefix to cut; without a body.
fn check(mut data: &[u8]) -> Option<()> {
    let [came, goes] = cut::options(&mut data);
    let text = data;
    let mut parts = head::request(text, came & 1 != 0, came & 2 != 0)?;
    let (raw, version, sent) = (parts.uri.clone(), parts.version, head::lines(&parts.headers));
    let peer: SocketAddr =
        if came & 4 != 0 { "10.1.2.3:4" } else { "[::ffff:192.0.2.1]:5" }.parse().expect("an address");
    let entrance = &ENTRANCES[usize::from(came >> 4) % 3];
    let local = entrance.address;
    let arrival = Arrival { peer, local, tls: came & 8 != 0, server_name: None, client: &[], entrance, interims: None };
    let limits = Limits::BY_DEFAULT;
    let (lines, trusted) = (parts.headers.len(), came & 4 != 0);
    let mut intake = request(&mut parts, &arrival, &limits).ok()?;
    if PLANTED && text.windows(4).any(|four| four == b"/%2E") {
        // As if escapes were decoded after dot segments are removed.
        let path = intake.head.target.as_str().to_owned() + "/%2E";
        intake.head.target = PathAndQuery::try_from(path).ok()?;
    }
    assert!(
        lines <= limits.headers && raw.path_and_query().is_none_or(|raw| raw.as_str().len() <= limits.request_line)
    );
    check_authority(&intake.head, &sent, &raw, version);
    check_target(&intake.head, &raw);
    check_fields(&intake.head, trusted, came);
    let with = Onward {
        peer: arrival.peer_address(),
        strip_prefix: (goes & 4 != 0).then_some("/api"),
        upgrade: intake.upgrade.as_ref().map(|upgrade| &upgrade.protocol),
        trailers: intake.trailers,
        expects: intake.expects_continue && goes & 3 < 2,
        h2: [None, None, Some(Scheme::Http), Some(Scheme::Https)][usize::from(goes & 3)],
    };
    let length: Option<u64> =
        intake.head.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    match (goes & 8 != 0, length) {
        (true, None | Some(0)) => check_onward(&intake, with, Empty::new(), false),
        (_, Some(length @ 1..100)) => {
            check_onward(&intake, with, Full::new(Bytes::from(vec![b'x'; length as usize])), true)
        }
        _ => check_onward(&intake, with, wire::Endless, true),
    }
    Some(())
}

/// One host, well formed and in lower case: the one that the request was for.
fn check_authority(head: &RequestHead, sent: &[(String, Vec<u8>)], raw: &http::Uri, version: Version) {
    let authority = head.authority.as_str();
    let hosts = head::values(sent, "host");
    let asked = raw.authority().map(|authority| authority.as_str().as_bytes()).or(hosts.first().copied());
    assert_eq!(asked.is_none(), hosts.is_empty() && raw.authority().is_none());
    match asked {
        Some(asked) => assert_eq!(authority.as_bytes(), asked.to_ascii_lowercase()),
        None => assert!(version == Version::HTTP_10 && authority == "192.0.2.7:8080", "{authority}"),
    }
    assert!(hosts.len() <= 1 && (version != Version::HTTP_11 || hosts.len() == 1));
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (authority, None),
    };
    assert!(
        port.is_none_or(|port| port.len() <= 5 && !port.starts_with('+') && port.parse::<u16>().is_ok()),
        "{authority}"
    );
    let is_address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .is_some_and(|name| name.parse::<std::net::Ipv6Addr>().is_ok());
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'));
    let is_name = name.len() <= 256 && name.strip_suffix('.').unwrap_or(name).split('.').all(is_label);
    assert!(is_address || is_name, "{authority}");
}

/// The normal form, and the same as by the rules of RFC 3986 one after the other.
fn check_target(head: &RequestHead, raw: &http::Uri) {
    let text = head.target.as_str();
    if text == "*" {
        return assert_eq!(head.method, Method::OPTIONS);
    }
    assert_eq!(target::normal(&head.target).as_ref(), Ok(&head.target), "not its own normal form");
    assert!(!text.contains('#') && !head.target.path().contains("%00"), "{text}");
    assert_eq!(head.target.query(), raw.query());
    assert_eq!(head.target.path(), normal_form(raw.path()), "{raw}");
    assert!(!head.target.path().split('/').any(|segment| segment == "." || segment == ".."), "{text}");
}

/// RFC 3986 §6.2.2.2 and §2.1, then §5.2.4 to the letter.
fn normal_form(path: &str) -> String {
    let mut escaped = String::new();
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let is_escape = byte == b'%';
        let byte = if is_escape {
            let digits = [bytes.next(), bytes.next()].map(|digit| digit.expect("two digits") as char);
            u8::from_str_radix(&String::from_iter(digits), 16).expect("hexadecimal")
        } else {
            byte
        };
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match unreserved || !is_escape && b"!$&'()*+,;=:@/".contains(&byte) {
            true => escaped.push(byte as char),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    let (mut input, mut output) = (if escaped.is_empty() { "/".into() } else { escaped }, String::new());
    while !input.is_empty() {
        if let Some(rest) = input.strip_prefix("/./") {
            input = format!("/{rest}");
        } else if input == "/." {
            input = "/".into();
        } else if let Some(rest) = input.strip_prefix("/../").or((input == "/..").then_some("")) {
            input = format!("/{rest}");
            output.truncate(output.rfind('/').unwrap_or(0));
        } else {
            let end = input[1..].find('/').map_or(input.len(), |end| end + 1);
            output.push_str(&input[..end]);
            input.drain(..end);
        }
    }
    output
}

/// Nothing of the client's hop, and nobody's claims but a trusted proxy's.
fn check_fields(head: &RequestHead, trusted: bool, came: u8) {
    for name in head.headers.keys().map(|name| name.as_str()) {
        let of_hop =
            ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "http2-settings"];
        let of_gateway = ["host", "expect", "proxy-authorization", "proxy-authenticate", "proxy", RESERVED];
        assert!(!of_hop.contains(&name) && !of_gateway.contains(&name), "{name}");
        let claims = name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-");
        assert!(trusted || !claims, "{name} of a stranger");
        let keeps = usize::from(came >> 4) % 3 == 2;
        assert!(
            !name.contains('_') || keeps && !["x_client_cert", "x_forwarded_for", "content_length"].contains(&name),
            "{name}"
        );
    }
    assert!(head.headers.get_all("cookie").iter().count() <= 1);
    let lengths: Vec<_> = head.headers.get_all("content-length").iter().collect();
    assert!(lengths.len() <= 1 && lengths.iter().all(|length| length.as_bytes().iter().all(u8::is_ascii_digit)));
    assert!(trusted || head.client.to_string() == "192.0.2.1");
}

fn check_onward<B>(intake: &Intake, with: Onward<'_>, body: B, has_body: bool)
where
    B: Body<Data = Bytes, Error = std::convert::Infallible> + 'static,
{
    let onward = onward(&intake.head, with, body);
    let fields = head::lines(onward.headers());
    assert_eq!(head::values(&fields, "via").len(), 1);
    assert_eq!(head::values(&fields, "x-forwarded-for").len(), 1);
    if with.h2.is_some() {
        check_h2(&onward, &fields);
        return;
    }
    let (method, uri, headers) = (onward.method().to_string(), onward.uri().to_string(), onward.headers().clone());
    let bytes = wire::sent(onward);
    let read = wire::read_request(&bytes);
    assert_eq!(read.line, [method.as_str(), uri.as_str()]);
    assert_eq!(head::values(&read.fields, "host"), [intake.head.authority.as_str().as_bytes()]);
    let framings =
        head::values(&read.fields, "content-length").len() + head::values(&read.fields, "transfer-encoding").len();
    assert!(framings <= 1 && (framings == 1 || !has_body), "{}", bytes.escape_ascii());
    let expected: &[&[u8]] = if with.expects { &[b"100-continue"] } else { &[] };
    assert_eq!(head::values(&read.fields, "expect"), expected);
    assert_same(&headers, &read.fields);
}

/// hyper adds nothing but the framing.
fn assert_same(headers: &HeaderMap, read: &[(String, Vec<u8>)]) {
    let frames = |(name, _): &&(String, Vec<u8>)| name != "content-length" && name != "transfer-encoding";
    let written: Vec<_> = head::lines(headers).iter().filter(frames).cloned().collect();
    assert_eq!(written, read.iter().filter(frames).cloned().collect::<Vec<_>>());
}

/// RFC 9113 §8.2.2, §8.3.1.
fn check_h2<B>(onward: &Request<B>, fields: &[(String, Vec<u8>)]) {
    let uri = onward.uri();
    assert!(uri.scheme().is_some() && uri.authority().is_some() && uri.path_and_query().is_some());
    for (name, value) in fields {
        let of_hop = ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "host"];
        assert!(!of_hop.contains(&name.as_str()), "{name}");
        assert!(name != "te" || value == b"trailers");
    }
}

fuzz_target!(|data: &[u8]| {
    let _ = check(data);
});
