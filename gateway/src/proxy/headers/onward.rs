//! The request as an endpoint gets it: made anew from the head that routes and plugins have seen and edited. What a client
//! may send is decided before, in `request`; sending is `upstream`'s.

use std::fmt::Write;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, Entry, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::{self, Authority, PathAndQuery};
use http::{Request, Uri, Version};
use http_body::Body;

use super::forwarded::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
use super::{via, write_trace};
use crate::message::{RequestHead, Scheme, target};
use crate::observe::trace::Context;

/// The most fields that are added to those of the client.
const ADDED: usize = 10;

/// What a request to an endpoint needs besides its head.
#[derive(Debug, Clone, Copy)]
pub struct Onward<'a> {
    /// The other end of the client's connection, unmapped: [`super::Arrival::peer_address`].
    pub peer: IpAddr,
    /// Cut from the front of the path.
    pub strip_prefix: Option<&'a str>,
    /// The protocol to change to: that of [`super::Intake::upgrade`].
    pub upgrade: Option<&'a HeaderValue>,
    /// The client can take trailers: [`super::Intake::trailers`].
    pub trailers: bool,
    /// The body is sent when the endpoint asks for it, which must speak HTTP/1.1.
    pub expects: bool,
    /// Where the request stands in a trace.
    pub trace: Option<&'a Context>,
    /// The endpoint speaks HTTP/2, over a connection of that scheme; none: HTTP/1.1.
    pub h2: Option<Scheme>,
}

/// The request for an endpoint.
///
/// Forwarding fields are appended to those in the head, which holds none that were not believed. `content-length` stays;
/// hyper's client sends that many bytes and takes a body that ends early for an error. Without it, hyper frames a body of
/// known size by its size and one of unknown size as chunked, except for GET and HEAD, whose body it would drop: here
/// chunked is said in so many words.
pub fn onward<B: Body>(head: &RequestHead, with: Onward<'_>, body: B) -> Request<B> {
    // Cloned, since a clone keeps the hashes; a new map that takes the fields one by one costs half as much again.
    let mut headers = head.headers.clone();
    headers.reserve(ADDED);
    write_origin(&mut headers, head, with.peer);
    append(&mut headers, VIA, || None, via(head.version));
    if let Some(context) = with.trace {
        write_trace(&mut headers, context);
    }
    let target = match with.strip_prefix {
        Some(prefix) => target::strip_prefix(&head.target, prefix),
        None => head.target.clone(),
    };
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    match with.h2 {
        None => {
            let body = request.body();
            let of_unknown_length = !body.is_end_stream() && body.size_hint().exact().is_none();
            frame_http1(&mut headers, with, of_unknown_length);
            *request.uri_mut() = Uri::from(target);
            *request.version_mut() = Version::HTTP_11;
        }
        Some(scheme) => {
            // RFC 9113 §8.3.1: what would say it twice could say two things.
            headers.remove(HOST);
            if with.trailers {
                headers.insert(TE, HeaderValue::from_static("trailers"));
            }
            *request.uri_mut() = absolute(scheme, head.authority.clone(), target);
            *request.version_mut() = Version::HTTP_2;
        }
    }
    *request.headers_mut() = headers;
    request
}

/// The pseudo-header fields of HTTP/2, as the URI from which they are made.
fn absolute(scheme: Scheme, authority: Authority, target: PathAndQuery) -> Uri {
    let mut parts = uri::Parts::default();
    parts.scheme = Some(if scheme == Scheme::Https { uri::Scheme::HTTPS } else { uri::Scheme::HTTP });
    parts.authority = Some(authority);
    parts.path_and_query = Some(target);
    // All three are there, so that it never is the empty one, to which hyper would answer with an error.
    Uri::from_parts(parts).unwrap_or_default()
}

/// What concerns this hop in HTTP/1.1.
fn frame_http1(headers: &mut HeaderMap, with: Onward<'_>, of_unknown_length: bool) {
    if let Some(protocol) = with.upgrade {
        headers.insert(UPGRADE, protocol.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else if with.trailers {
        // RFC 9110 §10.1.4: whoever sends TE names it as one of this hop.
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if with.expects {
        headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
    }
    if of_unknown_length && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// The fields that say where a request comes from and what host it is for. Where proxies before have written only one of
/// `Forwarded` and `X-Forwarded-For`, the other begins with the client that they named, so that both tell the same.
fn write_origin(headers: &mut HeaderMap, head: &RequestHead, peer: IpAddr) {
    let origin = Origin::new(head, peer);
    let client = (head.client != peer).then_some(head.client);
    let address = || client.map(|client| client.to_string());
    let element = || {
        client.map(|client| match client {
            IpAddr::V4(client) => format!("for={client}"),
            IpAddr::V6(client) => format!("for=\"[{client}]\""),
        })
    };
    append(headers, X_FORWARDED_FOR, address, origin.address);
    append(headers, FORWARDED, element, origin.element);
    let scheme = HeaderValue::from_static(head.scheme.as_str());
    headers.insert(X_FORWARDED_PROTO, scheme);
    headers.entry(X_FORWARDED_HOST).or_insert_with(|| origin.host.clone());
    headers.insert(HOST, origin.host);
}

/// Values for the fields of this hop, all cut from one text.
struct Origin {
    host: HeaderValue,
    address: HeaderValue,
    element: HeaderValue,
}

impl Origin {
    /// `for=192.0.2.1;host=example.com;proto=https` (RFC 7239 §4).
    fn new(head: &RequestHead, peer: IpAddr) -> Origin {
        let authority = head.authority.as_str();
        // Room for the longest address, so that the text is made in one piece.
        let mut text = String::with_capacity(authority.len() + 80);
        let (opening, closing) = if peer.is_ipv6() { ("for=\"[", "]\"") } else { ("for=", "") };
        // A token may hold neither colons nor brackets.
        let quote = if authority.contains([':', '[']) { "\"" } else { "" };
        text.push_str(opening);
        push_address(&mut text, peer);
        let address = opening.len()..text.len();
        for part in [closing, ";host=", quote] {
            text.push_str(part);
        }
        let host = text.len()..text.len() + authority.len();
        for part in [authority, quote, ";proto=", head.scheme.as_str()] {
            text.push_str(part);
        }

        let text = Bytes::from(text);
        #[expect(
            clippy::expect_used,
            reason = "what an `Authority` and an `IpAddr` hold was checked when they were made"
        )]
        let value =
            |part: Bytes| HeaderValue::from_maybe_shared(part).expect("hosts and addresses hold visible ASCII only");
        Origin { host: value(text.slice(host)), address: value(text.slice(address)), element: value(text) }
    }
}

/// As it is displayed. Each request needs it, and formatting takes a twentieth of the gateway's own work on one.
fn push_address(text: &mut String, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{address}");
        return;
    };
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        for (divisor, least) in [(100, 100), (10, 10), (1, 0)] {
            if octet >= least {
                text.push(char::from(b'0' + octet / divisor % 10));
            }
        }
    }
}

/// One field for all of that name: their values as a list, or else the seed, and after it `own`.
fn append(headers: &mut HeaderMap, name: HeaderName, seed: impl FnOnce() -> Option<String>, own: HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(entry) => {
            let seed = seed();
            entry.insert(match seed {
                Some(seed) => list([seed.as_bytes()], &own).unwrap_or(own),
                None => own,
            });
        }
        Entry::Occupied(mut entry) => {
            let all = list(entry.iter().map(HeaderValue::as_bytes), &own).unwrap_or(own);
            entry.insert(all);
        }
    }
}

/// None cannot happen: parts of legal values make a legal value.
fn list<'a>(before: impl IntoIterator<Item = &'a [u8]>, own: &'a HeaderValue) -> Option<HeaderValue> {
    let mut list = Vec::new();
    for part in before.into_iter().chain([own.as_bytes()]).filter(|part| !part.trim_ascii().is_empty()) {
        if !list.is_empty() {
            list.extend_from_slice(b", ");
        }
        list.extend_from_slice(part);
    }
    HeaderValue::from_maybe_shared(Bytes::from(list)).ok()
}

#[cfg(test)]
mod tests {
    use http::Method;
    use http_body_util::{Empty, Full};

    use super::*;
    use crate::message::BodyPrefix;

    fn head(client: &str, authority: &str, fields: &[(&'static str, &'static str)]) -> RequestHead {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        RequestHead {
            method: Method::GET,
            version: Version::HTTP_11,
            scheme: Scheme::Https,
            authority: authority.parse().expect("an authority"),
            target: "/api/x?y".parse().expect("a target"),
            headers,
            client: client.parse().expect("an address"),
            server_name: None,
            prefix: BodyPrefix::default(),
        }
    }

    fn with(peer: &str) -> Onward<'static> {
        let peer = peer.parse().expect("an address");
        Onward { peer, strip_prefix: None, upgrade: None, trailers: false, expects: false, trace: None, h2: None }
    }

    fn lines<B>(request: &Request<B>) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().expect("text"));
        request.headers().iter().map(line).collect()
    }

    #[test]
    fn an_ordinary_request_gets_what_the_hop_adds() {
        let head = head("1.1.1.1", "example.com", &[("accept", "a"), ("x-b", "1"), ("x-b", "2")]);
        let request = onward(&head, with("1.1.1.1"), Empty::<Bytes>::new());
        assert_eq!(request.uri().to_string(), "/api/x?y");
        assert_eq!(request.version(), Version::HTTP_11);
        let expected = [
            "accept: a",
            "x-b: 1",
            "x-b: 2",
            "x-forwarded-for: 1.1.1.1",
            "forwarded: for=1.1.1.1;host=example.com;proto=https",
            "x-forwarded-proto: https",
            "x-forwarded-host: example.com",
            "host: example.com",
            "via: 1.1 sluice",
        ];
        assert_eq!(lines(&request), expected);
    }

    #[test]
    fn addresses_are_written_as_they_are_displayed() {
        let v4 = (0..=255).map(|octet| IpAddr::from([octet, 255 - octet, octet / 2, octet]));
        for address in v4.chain(["::1", "2001:db8::8:800:200c:417a"].map(|text| text.parse().expect("an address"))) {
            let mut text = String::new();
            push_address(&mut text, address);
            assert_eq!(text, address.to_string());
        }
    }

    #[test]
    fn each_hop_is_appended_to_what_was_believed() {
        type Fields = &'static [(&'static str, &'static str)];
        // client, peer, authority, fields, and the fields made of them: X-Forwarded-For, X-Forwarded-Host, Forwarded
        let cases: &[(&str, &str, &str, Fields, [&str; 3])] = &[
            (
                "2001:db8::1",
                "2001:db8::1",
                "[::1]:8443",
                &[],
                ["2001:db8::1", "[::1]:8443", "for=\"[2001:db8::1]\";host=\"[::1]:8443\";proto=https"],
            ),
            (
                "1.1.1.1",
                "10.0.0.1",
                "a:1",
                &[("x-forwarded-for", "9.9.9.9"), ("x-forwarded-for", "1.1.1.1"), ("x-forwarded-host", "b")],
                ["9.9.9.9, 1.1.1.1, 10.0.0.1", "b", "for=1.1.1.1, for=10.0.0.1;host=\"a:1\";proto=https"],
            ),
            (
                "2001:db8::1",
                "10.0.0.1",
                "a",
                &[("forwarded", "for=\"[2001:db8::1]\"")],
                ["2001:db8::1, 10.0.0.1", "a", "for=\"[2001:db8::1]\", for=10.0.0.1;host=a;proto=https"],
            ),
            (
                "2001:db8::1",
                "10.0.0.1",
                "a",
                &[("x-forwarded-for", "2001:db8::1")],
                ["2001:db8::1, 10.0.0.1", "a", "for=\"[2001:db8::1]\", for=10.0.0.1;host=a;proto=https"],
            ),
            (
                "10.0.0.1",
                "10.0.0.1",
                "a",
                &[("x-forwarded-for", "")],
                ["10.0.0.1", "a", "for=10.0.0.1;host=a;proto=https"],
            ),
        ];
        for (client, peer, authority, fields, expected) in cases {
            let head = head(client, authority, fields);
            let request = onward(&head, with(peer), Empty::<Bytes>::new());
            let found = ["x-forwarded-for", "x-forwarded-host", "forwarded"].map(|name| {
                let found: Vec<&HeaderValue> = request.headers().get_all(name).iter().collect();
                assert_eq!(found.len(), 1, "{name}");
                found.first().and_then(|value| value.to_str().ok()).unwrap_or_default()
            });
            assert_eq!(found, *expected);
            assert_eq!(request.headers().get_all(HOST).iter().collect::<Vec<_>>(), [authority]);
        }
    }

    #[test]
    fn via_tells_the_protocol_and_is_appended() {
        let cases = [
            (Version::HTTP_2, None, "2.0 sluice"),
            (Version::HTTP_10, None, "1.0 sluice"),
            (Version::HTTP_11, Some("1.0 fred"), "1.0 fred, 1.1 sluice"),
        ];
        for (version, before, expected) in cases {
            let mut head = head("1.1.1.1", "a", &[]);
            head.version = version;
            head.headers.extend(before.map(|before| (VIA, HeaderValue::from_static(before))));
            let request = onward(&head, with("1.1.1.1"), Empty::<Bytes>::new());
            assert_eq!(request.headers().get_all(VIA).iter().collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn trailers_and_upgrades_are_announced_for_this_hop() {
        let head = head("1.1.1.1", "a", &[]);
        let protocol = HeaderValue::from_static("websocket");
        let cases: &[(bool, Option<&HeaderValue>, &[&str])] = &[
            (false, None, &[]),
            (true, None, &["te: trailers", "connection: te"]),
            (false, Some(&protocol), &["upgrade: websocket", "connection: upgrade"]),
            (true, Some(&protocol), &["upgrade: websocket", "connection: upgrade"]),
        ];
        for (trailers, upgrade, expected) in cases {
            let with = Onward { trailers: *trailers, upgrade: *upgrade, ..with("1.1.1.1") };
            let mut lines = lines(&onward(&head, with, Empty::<Bytes>::new()));
            lines.retain(|line| ["te", "con", "up"].iter().any(|start| line.starts_with(start)));
            assert_eq!(lines, *expected);
        }
    }

    #[test]
    fn the_prefix_of_the_route_is_cut() {
        let with = Onward { strip_prefix: Some("/api"), ..with("1.1.1.1") };
        let request = onward(&head("1.1.1.1", "a", &[]), with, Empty::<Bytes>::new());
        assert_eq!(request.uri().to_string(), "/x?y");
    }

    fn is_chunked<B: Body>(head: &RequestHead, body: B) -> bool {
        onward(head, with("1.1.1.1"), body).headers().contains_key(TRANSFER_ENCODING)
    }

    #[test]
    fn only_a_body_of_unknown_length_is_chunked() {
        let sized = head("1.1.1.1", "a", &[("content-length", "1")]);
        let unsized_head = head("1.1.1.1", "a", &[]);
        assert!(is_chunked(&unsized_head, Unknown));
        assert!(!is_chunked(&sized, Unknown));
        assert!(!is_chunked(&unsized_head, Full::new(Bytes::from("a"))));
        assert!(!is_chunked(&unsized_head, Empty::<Bytes>::new()));
    }

    /// A body that does not tell its length.
    struct Unknown;

    impl Body for Unknown {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(None)
        }
    }
}
