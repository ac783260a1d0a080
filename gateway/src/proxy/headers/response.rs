//! The response on its way from an endpoint to the client: checked so that no two parties can disagree where it ends, and
//! freed of what concerns only the endpoint's connection. Plugins edit it afterwards; `Date` is added by hyper where it is
//! missing.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::response::Parts;
use http::{Method, StatusCode, Version};

use super::{Upgrade, connection, via};

/// What the client asked, as far as it decides how the answer ends.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The method that the endpoint got.
    pub method: &'a Method,
    /// The change of protocol that was asked for.
    pub upgrade: Option<&'a Upgrade>,
}

/// Whether the client gets a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// What the endpoint sends.
    Streams,
    /// None, whatever the endpoint sends.
    None,
    /// The protocol has changed.
    Tunnel,
}

/// Why an endpoint's answer cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseFault {
    /// 600 or more (RFC 9110 §15 ends at 599).
    #[error("a status outside of 100 to 599")]
    Status,
    /// 101 to a request that asked for no change or another one, or another 1xx as if it were final.
    #[error("a change of protocol that nobody asked for")]
    Upgrade,
    /// Success to extended CONNECT would change the protocol.
    #[error("success without the change of protocol that was asked for")]
    NoUpgrade,
    /// More than are passed on of one exchange.
    #[error("one interim answer after the other")]
    Interims,
    /// RFC 9112 §6.1: an attempt to smuggle, or a broken server.
    #[error("both a content length and a transfer coding")]
    BothLengths,
    /// Not one number.
    #[error("a malformed content length")]
    ContentLength,
    /// Something other than `chunked` once.
    #[error("an unknown transfer coding")]
    TransferCoding,
}

/// Checks and cleans a response. `add_via`: the client shall see that it came through this gateway.
///
/// Fields keep their lines: several `Set-Cookie` stay several. Trailers need nothing here: hyper sends them to HTTP/1.1
/// clients that said `TE: trailers` if the `Trailer` field announces them, and always over HTTP/2.
pub fn response(parts: &mut Parts, asked: Asked<'_>, add_via: bool) -> Result<Content, ResponseFault> {
    let received = parts.version;
    let content = check_framing(parts, asked)?;
    let changed = asked.upgrade.filter(|_| content == Content::Tunnel);
    let protocol = changed.and_then(|_| parts.headers.get(UPGRADE).cloned());
    connection::strip(&mut parts.headers, |_| false);
    if changed.is_some_and(Upgrade::is_connect) {
        // RFC 8441 §5: what stands for 101 there. The key was the gateway's own, and so is the answer to it.
        parts.status = StatusCode::OK;
        parts.headers.remove(SEC_WEBSOCKET_ACCEPT);
    } else if let Some(protocol) = protocol {
        parts.headers.insert(UPGRADE, protocol);
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if add_via {
        parts.headers.append(VIA, via(received));
    }
    // hyper would answer an HTTP/1.1 client in the endpoint's older version otherwise.
    parts.version = Version::HTTP_11;
    Ok(content)
}

/// How the body ends, by RFC 9112 §6.3.
fn check_framing(parts: &mut Parts, asked: Asked<'_>) -> Result<Content, ResponseFault> {
    match parts.status.as_u16() {
        600.. => return Err(ResponseFault::Status),
        101 if asked.upgrade.is_some_and(|upgrade| upgrade.fits(&parts.headers)) => {
            parts.headers.remove(CONTENT_LENGTH);
            return Ok(Content::Tunnel);
        }
        100..=199 => return Err(ResponseFault::Upgrade),
        200..=299 if asked.upgrade.is_some_and(Upgrade::is_connect) => return Err(ResponseFault::NoUpgrade),
        _ => {}
    }
    // These have no body, and the first no length either (RFC 9110 §8.6). A length with 304 is that of another answer:
    // allowed, useless, and not to be had from hyper's server. 205 has a length of zero (§15.3.6).
    if matches!(parts.status.as_u16(), 204 | 205 | 304) {
        parts.headers.remove(CONTENT_LENGTH);
        return Ok(Content::None);
    }
    let chunked = check_coding(&parts.headers)?;
    let sized = check_length(&mut parts.headers)?;
    if *asked.method == Method::HEAD {
        // The length is that of GET and stays; a coding with a length beside it frames nothing here.
        return Ok(Content::None);
    }
    if chunked && sized { Err(ResponseFault::BothLengths) } else { Ok(Content::Streams) }
}

fn check_coding(headers: &HeaderMap) -> Result<bool, ResponseFault> {
    let mut fields = headers.get_all(TRANSFER_ENCODING).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err(ResponseFault::TransferCoding),
    }
}

/// One number; several that are equal become one (RFC 9110 §8.6).
fn check_length(headers: &mut HeaderMap) -> Result<bool, ResponseFault> {
    let mut length: Option<&[u8]> = None;
    let mut count = 0;
    for word in connection::words(headers, &CONTENT_LENGTH) {
        let is_number = (1..=19).contains(&word.len()) && word.iter().all(u8::is_ascii_digit);
        if !is_number || length.is_some_and(|length| length != word) {
            return Err(ResponseFault::ContentLength);
        }
        length = Some(word);
        count += 1;
    }
    if count > 1 {
        let only =
            length.and_then(|length| HeaderValue::from_bytes(length).ok()).ok_or(ResponseFault::ContentLength)?;
        headers.insert(CONTENT_LENGTH, only);
    }
    Ok(count > 0)
}

#[cfg(test)]
mod tests {
    use http::header::HeaderName;
    use http::{Response, header};

    use super::*;
    use crate::proxy::headers::upgrade::AskedBy;

    const GET: Asked<'_> = Asked { method: &Method::GET, upgrade: None };
    const HEAD: Asked<'_> = Asked { method: &Method::HEAD, upgrade: None };

    fn upgrade(asked: AskedBy) -> Upgrade {
        Upgrade { protocol: HeaderValue::from_static("websocket"), asked }
    }

    fn parts(status: u16, fields: &[&str]) -> Parts {
        let mut response = Response::builder().status(status).version(Version::HTTP_10).body(()).expect("a response");
        for field in fields {
            let (name, value) = field.split_once(": ").expect("name: value");
            let name = HeaderName::try_from(name).expect("a name");
            response.headers_mut().append(name, value.parse().expect("a value"));
        }
        response.into_parts().0
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().expect("text"));
        headers.iter().map(line).collect()
    }

    #[test]
    fn a_response_ends_where_everybody_thinks() {
        use Content::{None, Streams, Tunnel};
        let change = Asked { upgrade: Some(&upgrade(AskedBy::Upgrade)), ..GET };
        let connect = Asked { upgrade: Some(&upgrade(AskedBy::Connect { accept: Some("yes".into()) })), ..GET };
        type Case<'a> = (Asked<'a>, u16, &'a [&'a str], Content, &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            (GET, 200, &[], Streams, &[]),
            (GET, 200, &["content-length: 5"], Streams, &["content-length: 5"]),
            (GET, 200, &["content-length: 5, 5", "content-length: 5"], Streams, &["content-length: 5"]),
            (GET, 200, &["transfer-encoding: Chunked"], Streams, &[]),
            (HEAD, 200, &["content-length: 5"], None, &["content-length: 5"]),
            (HEAD, 200, &["transfer-encoding: chunked"], None, &[]),
            (GET, 204, &["content-length: 0", "transfer-encoding: chunked"], None, &[]),
            (GET, 205, &["content-length: 5"], None, &[]),
            (GET, 304, &["content-length: 5", "etag: a"], None, &["etag: a"]),
            (GET, 599, &[], Streams, &[]),
            (
                change,
                101,
                &["connection: upgrade, x-a", "upgrade: websocket", "x-a: b", "content-length: 0"],
                Tunnel,
                &["upgrade: websocket", "connection: upgrade"],
            ),
            (change, 200, &["connection: upgrade", "upgrade: websocket"], Streams, &[]),
            (
                connect,
                101,
                &["connection: upgrade", "upgrade: websocket", "sec-websocket-accept: yes", "x-a: b"],
                Tunnel,
                &["x-a: b"],
            ),
            (connect, 403, &["content-length: 5"], Streams, &["content-length: 5"]),
        ];
        for (asked, status, fields, content, expected) in cases {
            let mut parts = parts(*status, fields);
            assert_eq!(response(&mut parts, *asked, false), Ok(*content), "{status} {fields:?}");
            assert_eq!(lines(&parts.headers), *expected, "{status} {fields:?}");
            assert_eq!(parts.version, Version::HTTP_11);
            assert_eq!(
                parts.status == *status,
                !(*content == Tunnel && asked.upgrade.is_some_and(Upgrade::is_connect))
            );
        }
        let refused = |asked, status, fields| response(&mut parts(status, fields), asked, false).err();
        assert_eq!(refused(change, 101, &["upgrade: other"]), Some(ResponseFault::Upgrade));
        assert_eq!(refused(connect, 101, &["upgrade: websocket"]), Some(ResponseFault::Upgrade));
        assert_eq!(refused(connect, 200, &["upgrade: websocket"]), Some(ResponseFault::NoUpgrade));
    }

    #[test]
    fn an_answer_that_can_be_read_in_two_ways_is_refused() {
        let cases: &[(u16, &[&str], ResponseFault)] = &[
            (600, &[], ResponseFault::Status),
            (999, &[], ResponseFault::Status),
            (101, &["upgrade: websocket"], ResponseFault::Upgrade),
            (103, &[], ResponseFault::Upgrade),
            (200, &["content-length: 5", "content-length: 6"], ResponseFault::ContentLength),
            (200, &["content-length: 5,"], ResponseFault::ContentLength),
            (200, &["content-length: +5"], ResponseFault::ContentLength),
            (200, &["content-length: 12345678901234567890"], ResponseFault::ContentLength),
            (200, &["content-length: 5", "transfer-encoding: chunked"], ResponseFault::BothLengths),
            (200, &["transfer-encoding: gzip"], ResponseFault::TransferCoding),
            (200, &["transfer-encoding: gzip, chunked"], ResponseFault::TransferCoding),
            (200, &["transfer-encoding: chunked", "transfer-encoding: chunked"], ResponseFault::TransferCoding),
        ];
        for (status, fields, expected) in cases {
            assert_eq!(response(&mut parts(*status, fields), GET, false), Err(*expected), "{status} {fields:?}");
        }
    }

    #[test]
    fn fields_of_the_endpoints_connection_go_and_lines_stay() {
        let fields = [
            "connection: close, x-a, set-cookie",
            "x-a: b",
            "keep-alive: timeout=5",
            "proxy-authenticate: basic",
            "proxy-authentication-info: a",
            "set-cookie: a=1",
            "set-cookie: b=2",
            "trailer: x-sum",
            "server: x",
            "via: 1.1 other",
        ];
        let mut parts = parts(200, &fields);
        assert_eq!(response(&mut parts, GET, true), Ok(Content::Streams));
        let mut found = lines(&parts.headers);
        found.sort_unstable();
        let expected =
            ["server: x", "set-cookie: a=1", "set-cookie: b=2", "trailer: x-sum", "via: 1.0 sluice", "via: 1.1 other"];
        assert_eq!(found, expected);
        let cookies: Vec<&HeaderValue> = parts.headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
    }
}
