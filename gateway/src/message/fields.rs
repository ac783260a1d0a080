//! Which header fields are whose: names that belong to one connection, names that say where a request came from, names
//! that only the gateway writes. Lists and nothing else; what is done with them stands in `proxy::headers`, and for a
//! plugin's edits in `plugin`.

use http::header::{self, HeaderMap, HeaderName};

/// Fields of one connection, never sent on as received (RFC 9110 §7.6.1, §11.7; RFC 9113 §8.2.2). `te` and `upgrade` have
/// their own handling before they are dropped. `proxy` is no field at all but would become the variable `HTTP_PROXY` of
/// scripts behind CGI.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Fields in which proxies say who the client is: believed from trusted peers, dropped from all others.
pub fn is_forwarding(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-")
}

/// Whether `Connection` may name this field as one of its hop. A client could otherwise have a field taken away that the
/// gateway, or a trusted proxy before it, has set or decides by (RFC 9110 §7.6.1: a sender must not list such).
pub fn may_be_nominated(name: &HeaderName) -> bool {
    let kept = [
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::DATE,
        header::EXPECT,
        header::HOST,
        header::LOCATION,
        header::MAX_FORWARDS,
        header::SET_COOKIE,
        header::TRAILER,
        header::VIA,
        header::WWW_AUTHENTICATE,
    ];
    !is_forwarding(name) && !kept.contains(name)
}

/// Whether a plugin may set, append or remove this field, in a request or a response. Not: framing, fields of one
/// connection, and what the gateway itself sets.
pub fn writable(name: &HeaderName) -> bool {
    let gateway =
        [header::CONTENT_LENGTH, header::EXPECT, header::HOST, header::MAX_FORWARDS, header::TRAILER, header::VIA];
    !is_hop_by_hop(name) && !is_forwarding(name) && !gateway.contains(name)
}

/// Whether a field may come after the body (RFC 9110 §6.5.1): nothing that frames, routes, authenticates, or changes how
/// the content is read or kept, for all of that was decided before.
pub fn may_trail(name: &HeaderName) -> bool {
    let head_only = [
        header::AGE,
        header::AUTHORIZATION,
        header::CONTENT_ENCODING,
        header::CONTENT_LOCATION,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::DATE,
        header::EXPIRES,
        header::LOCATION,
        header::PRAGMA,
        header::RANGE,
        header::RETRY_AFTER,
        header::SET_COOKIE,
        header::VARY,
        header::WWW_AUTHENTICATE,
        header::CACHE_CONTROL,
    ];
    writable(name) && !head_only.contains(name)
}

/// Takes out of trailers what may not stand there.
pub fn check_trailers(trailers: &mut HeaderMap) {
    if trailers.keys().all(may_trail) {
        return;
    }
    let refused: Vec<HeaderName> = trailers.keys().filter(|name| !may_trail(name)).cloned().collect();
    for name in refused {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_field_is() {
        // name, a plugin may write it, `Connection` may name it, it may trail
        let cases = [
            ("accept", true, true, true),
            ("connection", false, true, false),
            ("content-length", false, false, false),
            ("content-type", true, false, false),
            ("cookie", true, false, false),
            ("forwarded", false, false, false),
            ("grpc-status", true, true, true),
            ("host", false, false, false),
            ("keep-alive", false, true, false),
            ("proxy", false, true, false),
            ("proxy-authorization", false, true, false),
            ("server-timing", true, true, true),
            ("set-cookie", true, false, false),
            ("te", false, true, false),
            ("trailer", false, false, false),
            ("transfer-encoding", false, true, false),
            ("upgrade", false, true, false),
            ("via", false, false, false),
            ("x-forwarded-for", false, false, false),
            ("x-forwarded-prefix", false, false, false),
            ("x-real-ip", false, false, false),
            ("x-own", true, true, true),
        ];
        for (name, write, nominate, trail) in cases {
            let name = HeaderName::from_static(name);
            let found = (writable(&name), may_be_nominated(&name), may_trail(&name));
            assert_eq!(found, (write, nominate, trail), "{name}");
        }
    }

    #[test]
    fn trailers_lose_what_belongs_into_the_head() {
        let mut trailers = HeaderMap::new();
        for name in ["grpc-status", "content-length", "set-cookie", "x-sum", "host"] {
            trailers.append(HeaderName::from_static(name), header::HeaderValue::from_static("1"));
        }
        check_trailers(&mut trailers);
        let mut names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["grpc-status", "x-sum"]);
    }
}
