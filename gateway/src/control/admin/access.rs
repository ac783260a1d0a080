//! Who may ask. On a loopback address nobody has to prove who they are, so a request must at least mean this machine: its `Host`
//! has to be a loopback address, `localhost`, or a name below it. A web page that makes a browser ask here under a name of its own
//! (DNS rebinding) is refused. Where a token is configured, whoever has it may ask by any name; certificates of clients are asked
//! for in the handshake.
//!
//! A browser can be made to send a `POST` here by any page that it shows, so what changes something needs a header that pages of
//! others cannot send without being asked first (a preflight of CORS, which nobody answers here), and no foreign `Origin`.

use std::net::{IpAddr, SocketAddr};

use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN, WWW_AUTHENTICATE};
use http::request::Parts;
use http::uri::{Authority, Uri};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::answer::{Body, said, wrong};
use crate::state::Operators;

/// The field without which nothing is changed; its value does not matter.
pub(super) const GUARD: HeaderName = HeaderName::from_static("x-sluice-admin");

/// What a page of another origin sends where it may not read the answer.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request that came to `address`, as configured, may not be answered; none if it may. What is `open` needs no token.
pub(super) fn refusal(operators: &Operators, address: SocketAddr, parts: &Parts, open: bool) -> Option<Response<Body>> {
    if let Some(token) = &operators.token {
        return match open || bearer(&parts.headers).is_some_and(|said| token.is(said)) {
            true => None,
            false => {
                let mut answer = wrong(StatusCode::UNAUTHORIZED, "a token is needed: `Authorization: Bearer …`");
                answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                Some(answer)
            }
        };
    }
    let target = parts.uri.authority().map(Authority::as_str);
    let is_meant = !address.ip().is_loopback() || is_local(target, &parts.headers);
    let misdirected = || said(StatusCode::MISDIRECTED_REQUEST, "only localhost and loopback addresses are served here");
    (!is_meant).then(misdirected)
}

/// Why a request may not change anything; none if it may.
pub(super) fn refusal_to_change(headers: &HeaderMap) -> Option<Response<Body>> {
    if !headers.contains_key(&GUARD) {
        let error = format!("what changes something needs the header {GUARD}, with any value");
        return Some(wrong(StatusCode::FORBIDDEN, &error));
    }
    is_foreign(headers).then(|| wrong(StatusCode::FORBIDDEN, "pages of other origins change nothing here"))
}

/// Whether a page of another origin sends it, as far as browsers say.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if text(&FETCH_SITE).is_some_and(|site| !["same-origin", "none"].contains(&site)) {
        return true;
    }
    let Some(origin) = text(&ORIGIN) else { return false };
    let origin = origin.parse::<Uri>().ok().and_then(|origin| origin.into_parts().authority);
    let host = text(&HOST).and_then(|host| host.parse::<Authority>().ok());
    origin.is_none() || origin != host
}

/// The token that a request brings (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Whether a request means this machine: by its target, if that names a host, else by its one `Host`.
fn is_local(target: Option<&str>, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter().map(|host| host.to_str().ok());
    let named = match (target, hosts.next(), hosts.next()) {
        (Some(target), _, None) => Some(target),
        (None, Some(host), None) => host,
        _ => None,
    };
    let Some(authority) = named.and_then(|named| named.parse::<Authority>().ok()) else { return false };
    let host = authority.host();
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_meant() {
        let good =
            ["localhost", "LOCALHOST:9901", "a.localhost", "localhost.", "127.0.0.1", "127.8.7.6:1", "[::1]:9901"];
        let bad =
            ["", "evil.example", "evil.example:9901", "localhost.evil.example", "notlocalhost", "10.0.0.1", "[::2]"];
        for (hosts, is_good) in [(&good[..], true), (&bad, false)] {
            for host in hosts {
                let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
                assert_eq!(is_local(None, &headers), is_good, "{host:?}");
                // The target decides over the field (RFC 9112 §3.2.2).
                assert_eq!(is_local(Some(host), &HeaderMap::new()), is_good, "{host:?}");
                assert!(
                    !is_local(Some("evil.example"), &headers) && (is_local(Some("localhost"), &headers)),
                    "{host:?}"
                );
            }
        }
        let mut twice = HeaderMap::new();
        assert!(!is_local(None, &twice));
        twice.append(HOST, HeaderValue::from_static("localhost"));
        twice.append(HOST, HeaderValue::from_static("evil.example"));
        assert!(!is_local(None, &twice) && !is_local(Some("localhost"), &twice));
    }

    #[test]
    fn a_page_of_another_origin_is_known_by_what_browsers_say() {
        let cases: [(&[(HeaderName, &str)], bool); 8] = [
            (&[], false),
            (&[(ORIGIN, "http://localhost:9901")], false),
            (&[(ORIGIN, "https://localhost:9901"), (FETCH_SITE, "same-origin")], false),
            (&[(FETCH_SITE, "none")], false),
            (&[(ORIGIN, "http://localhost:8080")], true),
            (&[(ORIGIN, "https://evil.example")], true),
            (&[(ORIGIN, "null")], true),
            (&[(FETCH_SITE, "same-site")], true),
        ];
        for (fields, foreign) in cases {
            let fields = fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
            let mut headers = HeaderMap::from_iter(fields);
            headers.insert(HOST, HeaderValue::from_static("localhost:9901"));
            assert_eq!(is_foreign(&headers), foreign, "{headers:?}");
        }
    }
}
