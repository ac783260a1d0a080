//! Where a request is sent that came without TLS and should have come with it.

use std::net::IpAddr;

use http::header::HeaderValue;
use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::Refusal;
use crate::message::RequestHead;

/// The port of HTTPS that stands in no URL.
const HTTPS: u16 = 443;

/// The same host, path and query at the HTTPS of that port. Host and path are in normal form; of the query, which is as the
/// client sent it, what is not ASCII is escaped.
///
/// # Errors
/// An HTTP/1.0 request without `Host`, on a listener for all addresses of this machine: there is nowhere to send it.
pub fn https_location(head: &RequestHead, port: u16) -> Result<HeaderValue, Refusal> {
    let host = head.authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if address.is_ok_and(|address| address.is_unspecified()) {
        return Err(Refusal::HostMissing);
    }
    let target = match head.target.as_str() {
        // OPTIONS of the server as a whole; its URI ends with the host (RFC 9112 §3.2.4).
        "*" => "",
        target => target,
    };
    let target = utf8_percent_encode(target, CONTROLS);
    let location = match port {
        HTTPS => format!("https://{host}{target}"),
        port => format!("https://{host}:{port}{target}"),
    };
    HeaderValue::try_from(location).map_err(|_| Refusal::TargetForm)
}

#[cfg(test)]
mod tests {
    use http::uri::Authority;
    use http::{HeaderMap, Method, Version};

    use super::*;
    use crate::message::{BodyPrefix, Scheme, target};

    #[test]
    fn the_same_place_over_https() {
        // authority, target, port, location
        let cases: &[(&str, &str, u16, Result<&str, Refusal>)] = &[
            ("a.example", "/", 443, Ok("https://a.example/")),
            ("a.example:80", "/x?y=%20&z", 443, Ok("https://a.example/x?y=%20&z")),
            ("a.example:8080", "/a/../b%2f", 8443, Ok("https://a.example:8443/b%2F")),
            ("a.example.", "//b.example/", 443, Ok("https://a.example.//b.example/")),
            ("192.0.2.1:80", "/?q=é", 443, Ok("https://192.0.2.1/?q=%C3%A9")),
            ("[2001:db8::1]:80", "/", 8443, Ok("https://[2001:db8::1]:8443/")),
            ("a.example", "*", 443, Ok("https://a.example")),
            ("0.0.0.0:80", "/", 443, Err(Refusal::HostMissing)),
            ("[::]", "/", 443, Err(Refusal::HostMissing)),
        ];
        for (authority, text, port, expected) in cases {
            let target = target::parse(text).or_else(|_| (*text).try_into()).expect("a target");
            let head = RequestHead {
                method: Method::GET,
                version: Version::HTTP_11,
                scheme: Scheme::Http,
                authority: Authority::try_from(*authority).expect("an authority"),
                target,
                headers: HeaderMap::new(),
                client: [127, 0, 0, 1].into(),
                server_name: None,
                prefix: BodyPrefix::default(),
            };
            let found = https_location(&head, *port);
            assert_eq!(
                found.as_ref().map(|value| value.to_str().expect("ASCII")),
                expected.as_ref().copied(),
                "{text}"
            );
        }
    }
}
