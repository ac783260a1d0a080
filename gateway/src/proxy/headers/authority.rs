//! Host names as clients send them: what is legal, in lower case. Where a request may name its host, and what wins, is
//! decided in `request`.

use std::net::Ipv6Addr;

use http::uri::Authority;

/// Longest host name, without port: RFC 1035 §2.3.4 has 255 with the length bytes.
const LONGEST: usize = 255;

/// Host and perhaps port in lower case, if it is one: a name of labels, an IPv4 address or an IPv6 address in brackets.
/// Narrower than RFC 3986, which would admit user information, percent escapes, commas and an empty port: each has been
/// read differently by two parties on the way.
pub(super) fn parse(text: &[u8]) -> Option<Authority> {
    if !is_valid(text) {
        return None;
    }
    if text.iter().any(u8::is_ascii_uppercase) {
        return Authority::try_from(text.to_ascii_lowercase()).ok();
    }
    Authority::try_from(text).ok()
}

/// The same for an authority that is parsed already; shares its bytes where it is in lower case.
pub(super) fn check(authority: &Authority) -> Option<Authority> {
    let text = authority.as_str().as_bytes();
    if text.iter().any(u8::is_ascii_uppercase) {
        return parse(text);
    }
    is_valid(text).then(|| authority.clone())
}

fn is_valid(text: &[u8]) -> bool {
    if let Some(rest) = text.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else {
            return false;
        };
        let (address, rest) = rest.split_at(end);
        let address = std::str::from_utf8(address).ok().and_then(|address| address.parse::<Ipv6Addr>().ok());
        return address.is_some() && rest.strip_prefix(b"]").is_some_and(|rest| rest.is_empty() || is_port(rest));
    }
    let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
    let (name, port) = text.split_at(end);
    is_name(name) && (port.is_empty() || is_port(port))
}

fn is_name(name: &[u8]) -> bool {
    // `example.com.` is a name written in full.
    let labels = name.strip_suffix(b".").unwrap_or(name);
    labels.len() <= LONGEST
        && labels.split(|byte| *byte == b'.').all(|label| {
            !label.is_empty() && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

/// `:` and a number of at most five digits, up to 65535.
fn is_port(text: &[u8]) -> bool {
    let Some(digits @ [_, ..]) = text.strip_prefix(b":") else {
        return false;
    };
    digits.len() <= 5
        && digits
            .iter()
            .try_fold(0_u32, |port, byte| Some(port * 10 + char::from(*byte).to_digit(10)?))
            .is_some_and(|port| port <= 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_host() {
        let cases: &[(&str, Option<&str>)] = &[
            ("example.com", Some("example.com")),
            ("EXAMPLE.Com:8443", Some("example.com:8443")),
            ("example.com.", Some("example.com.")),
            ("my_host-1", Some("my_host-1")),
            ("10.0.0.1:80", Some("10.0.0.1:80")),
            ("[::1]", Some("[::1]")),
            ("[2001:DB8::1]:443", Some("[2001:db8::1]:443")),
            ("[::ffff:10.0.0.1]", Some("[::ffff:10.0.0.1]")),
            ("a:0", Some("a:0")),
            ("a:65535", Some("a:65535")),
            ("", None),
            (".", None),
            (":80", None),
            ("a:", None),
            ("a:65536", None),
            ("a:000080", None),
            ("a:+80", None),
            ("a:8 0", None),
            ("a:80:80", None),
            ("a,b", None),
            ("a/b", None),
            ("a?b", None),
            ("a#b", None),
            ("a\\b", None),
            ("u@a", None),
            ("u:p@a", None),
            ("a b", None),
            (" a", None),
            ("a;b", None),
            ("a%62", None),
            ("a*", None),
            ("a..b", None),
            (".a", None),
            ("a..", None),
            ("é.example", None),
            ("[::1", None),
            ("::1", None),
            ("[::1]x", None),
            ("[::1%eth0]", None),
            ("[v1.a]", None),
            ("[10.0.0.1]", None),
            ("[]", None),
        ];
        for (text, expected) in cases {
            let found = parse(text.as_bytes());
            assert_eq!(found.as_ref().map(Authority::as_str), *expected, "{text:?}");
            if let Ok(parsed) = Authority::try_from(*text) {
                assert_eq!(check(&parsed).as_ref().map(Authority::as_str), *expected, "{text:?}");
            }
        }
        assert!(parse("a".repeat(255).as_bytes()).is_some());
        assert!(parse("a".repeat(256).as_bytes()).is_none());
    }
}
