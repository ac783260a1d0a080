//! Who the client is when proxies stand before the gateway: what they claim in `Forwarded` (RFC 7239) and `X-Forwarded-*`,
//! and how far it is believed. Writing these fields for the next hop is `onward`'s.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

use super::connection::words;
use crate::message::Scheme;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What trusted proxies say of the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The client.
    pub(super) client: IpAddr,
    /// The scheme that the client spoke, if they say so.
    pub(super) scheme: Option<Scheme>,
}

/// What the peer claims of the client; none if it is not to be believed.
///
/// The client is the first address from the right that is not a trusted proxy, or else the leftmost one. Reading stops at
/// what is no address: nothing left of it was checked by anybody. If both kinds of fields are there and name different
/// clients, one of them was written by the client itself, and neither is believed.
pub(super) fn claim(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> Option<Claim> {
    if !is_trusted(peer, trusted) {
        return None;
    }
    let list = headers.contains_key(X_FORWARDED_FOR).then(|| {
        let mut addresses: Vec<Option<IpAddr>> = words(headers, &X_FORWARDED_FOR).map(address).collect();
        walk(&mut addresses, peer, trusted)
    });
    let mut elements = Vec::new();
    for field in headers.get_all(FORWARDED) {
        elements.extend(split(field.as_bytes(), b',').map(Element::parse));
    }
    let structured = (!elements.is_empty()).then(|| {
        let mut addresses: Vec<Option<IpAddr>> = elements.iter().map(|element| element.client).collect();
        walk(&mut addresses, peer, trusted)
    });
    let client = match (list, structured) {
        (Some(one), Some(other)) if one != other => return None,
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => peer,
    };
    let scheme = match words(headers, &X_FORWARDED_PROTO).last() {
        Some(word) => scheme(word),
        None => elements.last().and_then(|element| element.scheme),
    };
    Some(Claim { client, scheme })
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// From the right, past trusted proxies, to the client.
fn walk(addresses: &mut Vec<Option<IpAddr>>, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer;
    while is_trusted(client, trusted) {
        match addresses.pop() {
            Some(Some(address)) => client = address,
            _ => break,
        }
    }
    client
}

/// One element of `Forwarded`: what one proxy saw.
struct Element {
    client: Option<IpAddr>,
    scheme: Option<Scheme>,
}

impl Element {
    fn parse(element: &[u8]) -> Element {
        let mut parsed = Element { client: None, scheme: None };
        for pair in split(element, b';') {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            let (name, value) = pair.split_at(equals);
            let value = unquote(value.get(1..).unwrap_or_default().trim_ascii());
            let name = name.trim_ascii();
            if name.eq_ignore_ascii_case(b"for") {
                parsed.client = address(value);
            } else if name.eq_ignore_ascii_case(b"proto") {
                parsed.scheme = scheme(value);
            }
        }
        parsed
    }
}

/// Splits outside of quotes.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |byte| {
        let was_escaped = std::mem::take(&mut escaped);
        match byte {
            b'"' if !was_escaped => quoted = !quoted,
            b'\\' if quoted && !was_escaped => escaped = true,
            byte if *byte == separator => return !quoted,
            _ => {}
        }
        false
    })
}

/// Without quotes around it. Escapes inside do not occur in addresses and schemes.
fn unquote(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

/// An address, perhaps with a port: `10.0.0.1`, `10.0.0.1:80`, `::1`, `[::1]`, `[::1]:80`.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

fn scheme(text: &[u8]) -> Option<Scheme> {
    let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    match () {
        () if is("https") || is("wss") => Some(Scheme::Https),
        () if is("http") || is("ws") => Some(Scheme::Http),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    #[test]
    fn the_client_behind_trusted_proxies() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a net")).to_vec();
        // peer, fields, client and scheme
        type Case<'a> = (&'a str, &'a [(HeaderName, &'a str)], Option<(&'a str, Option<Scheme>)>);
        let cases: &[Case<'_>] = &[
            ("1.1.1.1", &[(X_FORWARDED_FOR, "2.2.2.2"), (X_FORWARDED_PROTO, "https")], None),
            ("10.0.0.1", &[], Some(("10.0.0.1", None))),
            ("10.0.0.1", &[(X_FORWARDED_FOR, "2.2.2.2")], Some(("2.2.2.2", None))),
            ("10.0.0.1", &[(X_FORWARDED_FOR, "2.2.2.2, 10.0.0.2")], Some(("2.2.2.2", None))),
            ("10.0.0.1", &[(X_FORWARDED_FOR, "9.9.9.9, 2.2.2.2,10.0.0.2")], Some(("2.2.2.2", None))),
            ("10.0.0.1", &[(X_FORWARDED_FOR, "9.9.9.9"), (X_FORWARDED_FOR, "2.2.2.2")], Some(("2.2.2.2", None))),
            ("10.0.0.1", &[(X_FORWARDED_FOR, "10.0.0.3, 10.0.0.2")], Some(("10.0.0.3", None))),
            ("10.0.0.1", &[(X_FORWARDED_FOR, "9.9.9.9, unknown, 10.0.0.2")], Some(("10.0.0.2", None))),
            ("10.0.0.1", &[(X_FORWARDED_FOR, "9.9.9.9, é")], Some(("10.0.0.1", None))),
            ("10.0.0.1", &[(X_FORWARDED_FOR, "")], Some(("10.0.0.1", None))),
            ("10.0.0.1", &[(X_FORWARDED_FOR, "2.2.2.2:1234")], Some(("2.2.2.2", None))),
            ("10.0.0.1", &[(X_FORWARDED_FOR, "::ffff:2.2.2.2, fd00::2")], Some(("2.2.2.2", None))),
            ("fd00::1", &[(X_FORWARDED_FOR, "2001:db8::1")], Some(("2001:db8::1", None))),
            ("fd00::1", &[(X_FORWARDED_FOR, "[2001:db8::1]:80")], Some(("2001:db8::1", None))),
            ("10.0.0.1", &[(X_FORWARDED_PROTO, "https")], Some(("10.0.0.1", Some(Scheme::Https)))),
            ("10.0.0.1", &[(X_FORWARDED_PROTO, "http, HTTPS")], Some(("10.0.0.1", Some(Scheme::Https)))),
            ("10.0.0.1", &[(X_FORWARDED_PROTO, "wss")], Some(("10.0.0.1", Some(Scheme::Https)))),
            ("10.0.0.1", &[(X_FORWARDED_PROTO, "gopher")], Some(("10.0.0.1", None))),
            ("10.0.0.1", &[(FORWARDED, "for=2.2.2.2")], Some(("2.2.2.2", None))),
            (
                "10.0.0.1",
                &[(FORWARDED, "For=\"2.2.2.2:80\" ; PROTO=https;by=x")],
                Some(("2.2.2.2", Some(Scheme::Https))),
            ),
            (
                "10.0.0.1",
                &[(FORWARDED, "for=9.9.9.9;proto=http, for=\"[2001:db8::1]:80\";proto=https")],
                Some(("2001:db8::1", Some(Scheme::Https))),
            ),
            ("10.0.0.1", &[(FORWARDED, "host=\"a,for=9.9.9.9\";for=2.2.2.2")], Some(("2.2.2.2", None))),
            ("10.0.0.1", &[(FORWARDED, "host=\"a\\\",for=9.9.9.9\";for=2.2.2.2")], Some(("2.2.2.2", None))),
            ("10.0.0.1", &[(FORWARDED, "for=9.9.9.9, for=_hidden")], Some(("10.0.0.1", None))),
            ("10.0.0.1", &[(FORWARDED, "for=9.9.9.9, \"")], Some(("10.0.0.1", None))),
            ("10.0.0.1", &[(FORWARDED, "for=2.2.2.2"), (X_FORWARDED_FOR, "2.2.2.2")], Some(("2.2.2.2", None))),
            ("10.0.0.1", &[(FORWARDED, "for=9.9.9.9"), (X_FORWARDED_FOR, "2.2.2.2")], None),
            ("10.0.0.1", &[(FORWARDED, "for=10.0.0.5"), (X_FORWARDED_FOR, "2.2.2.2")], None),
        ];
        for (peer, fields, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in *fields {
                headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
            }
            let expected =
                expected.map(|(client, scheme)| Claim { client: client.parse().expect("an address"), scheme });
            assert_eq!(claim(&headers, peer.parse().expect("an address"), &trusted), expected, "{peer} {fields:?}");
        }
    }
}
