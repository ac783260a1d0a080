//! Response policy: where an answer ends by RFC 9112 §6.3, read off its fields one rule after the other; and what goes to the client
//! ends there for it too.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use http_body_util::{Empty, Full};
use libfuzzer_sys::fuzz_target;
use sluice_fuzz::place::entrance;
use sluice_fuzz::{PLANTED, cut, head, wire};
use sluice_gateway::config::model::Limits;
use sluice_gateway::proxy::headers::{Arrival, Asked, Content, Upgrade, request, response};
use sluice_gateway::state::Entrance;

static ENTRANCE: LazyLock<Entrance> = LazyLock::new(|| entrance("drop", false));
/// None, by `Upgrade`, by extended CONNECT without and with a key.
static UPGRADES: LazyLock<[Option<Upgrade>; 4]> =
    LazyLock::new(|| [None, asked("GET", "websocket"), asked("CONNECT", "other"), asked("CONNECT", "websocket")]);

/// What a client asks for that wants another protocol.
fn asked(method: &str, protocol: &'static str) -> Option<Upgrade> {
    let text = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n\r\n");
    let is_connect = method == "CONNECT";
    let mut parts = head::request(text.as_bytes(), is_connect, false)?;
    if is_connect {
        parts.method = Method::CONNECT;
        parts.extensions.insert(hyper::ext::Protocol::from_static(protocol));
    }
    let local = ENTRANCE.address;
    let arrival =
        Arrival { peer: local, local, tls: true, server_name: None, client: &[], entrance: &ENTRANCE, interims: None };
    request(&mut parts, &arrival, &Limits::BY_DEFAULT).expect("a request").upgrade
}

/// Options, then the text of an answer's head.
///
/// The first byte, from its lowest bit: HEAD, `Via`, two bits for the change of protocol that was asked for.
fn check(mut data: &[u8]) -> Option<()> {
    let [options] = cut::options(&mut data);
    let mut parts = head::response(data)?;
    let method = if options & 1 != 0 { Method::HEAD } else { Method::GET };
    let upgrade = &UPGRADES[usize::from(options >> 2 & 3)];
    let asked = Asked { method: &method, upgrade: upgrade.as_ref() };
    let (status, fields) = (parts.status, head::lines(&parts.headers));
    let found = response(&mut parts, asked, options & 2 != 0);
    let mut ends = end(status, &fields, &method, usize::from(options >> 2 & 3));
    if PLANTED && head::values(&fields, "content-length") == [&b"7, 7"[..]] {
        // As if lengths that are the same twice were refused.
        ends = None;
    }
    match (found, ends) {
        (Ok(Content::Streams), Some(End::Chunked | End::Length(_) | End::Close)) => {}
        (Ok(Content::None), Some(End::AtOnce)) => {}
        (Ok(Content::Tunnel), Some(End::Never)) => {}
        (Err(_), None) => return Some(()),
        (found, expected) => panic!("{found:?}, but {expected:?}"),
    }
    assert_eq!(parts.version, Version::HTTP_11);
    check_fields(&parts, &fields, options & 2 != 0);
    if let Some(ends @ (End::Length(_) | End::Chunked | End::Close | End::AtOnce)) = ends {
        check_wire(parts, &method, ends);
    }
    Some(())
}

/// Where an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    AtOnce,
    Length(u64),
    Chunked,
    Close,
    /// Another protocol begins.
    Never,
}

/// RFC 9112 §6.3 in its own order; none where it cannot be told, or should not be there.
fn end(status: StatusCode, fields: &[(String, Vec<u8>)], method: &Method, upgrade: usize) -> Option<End> {
    let code = status.as_u16();
    if code == 101 {
        let protocols = head::values(fields, "upgrade");
        let wanted = ["", "websocket", "other", "no answer has the right key"][upgrade];
        let name = |protocol: &[u8]| {
            protocol.split(|byte| *byte == b'/').next().unwrap_or_default().trim_ascii().to_ascii_lowercase()
        };
        let fits = upgrade > 0 && protocols.len() == 1 && name(protocols[0]) == wanted.as_bytes();
        return fits.then_some(End::Never);
    }
    if code < 200 || code > 599 || upgrade > 1 && code < 300 {
        return None;
    }
    if [204, 205, 304].contains(&code) {
        return Some(End::AtOnce);
    }
    let codings = head::values(fields, "transfer-encoding");
    let lengths = head::values(fields, "content-length").join(&b","[..]);
    let lengths: Vec<&[u8]> = match head::values(fields, "content-length").is_empty() {
        true => Vec::new(),
        false => lengths.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect(),
    };
    let is_chunked = codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"chunked");
    let number = |text: &&[u8]| (1..=19).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let is_sized = lengths.iter().all(number) && lengths.windows(2).all(|two| two[0] == two[1]);
    if !codings.is_empty() && !is_chunked || !is_sized {
        return None;
    }
    match (method == Method::HEAD, is_chunked, lengths.first()) {
        (true, ..) => Some(End::AtOnce),
        (_, true, Some(_)) => None,
        (_, true, None) => Some(End::Chunked),
        (_, _, Some(length)) => Some(End::Length(std::str::from_utf8(length).ok()?.parse().ok()?)),
        (_, _, None) => Some(End::Close),
    }
}

/// Nothing of the endpoint's connection, and of the rest every line.
fn check_fields(parts: &http::response::Parts, sent: &[(String, Vec<u8>)], via: bool) {
    let found = head::lines(&parts.headers);
    let words = head::values(sent, "connection").join(&b","[..]).to_ascii_lowercase();
    let nominated: Vec<&[u8]> = words.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
    for (name, value) in &found {
        let of_change =
            ["upgrade", "connection"].contains(&name.as_str()) && parts.status == StatusCode::SWITCHING_PROTOCOLS;
        let of_hop = [
            "connection",
            "keep-alive",
            "te",
            "transfer-encoding",
            "upgrade",
            "proxy-connection",
            "proxy-authenticate",
        ];
        assert!(of_change || !of_hop.contains(&name.as_str()), "{name}");
        let is_own = of_change || name == "via" || name == "content-length";
        assert!(
            is_own || sent.iter().any(|line| line == &(name.clone(), value.clone())),
            "{name}: {}",
            value.escape_ascii()
        );
    }
    for name in ["set-cookie", "x-a", "etag", "trailer", "content-type"] {
        let is_gone =
            nominated.contains(&name.as_bytes()) && !["set-cookie", "trailer", "content-type"].contains(&name);
        let expected = if is_gone { Vec::new() } else { head::values(sent, name) };
        assert_eq!(head::values(&found, name), expected, "{name}");
    }
    let (before, after) = (head::values(sent, "via").len(), head::values(&found, "via").len());
    assert_eq!(after, before + usize::from(via));
}

/// hyper sends it so that its end is where the endpoint's was.
fn check_wire(parts: http::response::Parts, method: &Method, ends: End) {
    let body = Bytes::from_static(b"body");
    let response = http::Response::from_parts(parts, ());
    let status = response.status();
    let bytes = match ends {
        End::Length(4) => wire::answered(method, response.map(|()| Full::new(body))),
        End::Length(0) | End::AtOnce => wire::answered(method, response.map(|()| Empty::<Bytes>::new())),
        // hyper is told of more than comes.
        End::Length(_) => return,
        End::Chunked | End::Close => wire::answered(method, response.map(|()| wire::Piece::new(body))),
        End::Never => return,
    };
    let read = wire::read_response(&bytes);
    assert_eq!(read.line, [status.as_str()]);
    let sized = head::values(&read.fields, "content-length");
    let chunked = head::values(&read.fields, "transfer-encoding");
    assert!(sized.len() + chunked.len() <= 1, "{}", bytes.escape_ascii());
    let text = bytes.escape_ascii();
    // `04` is a length as well.
    let length = sized.first().map(|length| std::str::from_utf8(length).ok().and_then(|length| length.parse().ok()));
    match ends {
        End::AtOnce => assert!(read.rest.is_empty(), "{text}"),
        End::Length(0) => assert!(read.rest.is_empty() && length == Some(Some(0_u64)), "{text}"),
        End::Length(_) => assert!(read.rest == b"body" && length == Some(Some(4)), "{text}"),
        _ => assert!(read.rest == b"4\r\nbody\r\n0\r\n\r\n" && chunked == [b"chunked"], "{text}"),
    }
    if [204, 205, 304].contains(&status.as_u16()) && *method == Method::GET {
        // RFC 9110 §8.6, §15.3.6.
        assert!(
            chunked.is_empty() && (sized.is_empty() || length == Some(Some(0)) && status.as_u16() == 205),
            "{text}"
        );
    }
}

fuzz_target!(|data: &[u8]| {
    let _ = check(data);
});
