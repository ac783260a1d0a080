//! The request as the gateway takes it in: what a client sent is checked, put into its one normal form, and freed of all
//! that concerns only this connection. What hyper would repair before anything here can see it, `server::guard` has refused.

use std::mem;
use std::net::SocketAddr;

use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, MAX_FORWARDS, RANGE, TE};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Method, Uri, Version};

use super::{Arrival, HOPS_MAX, Refusal, Upgrade, authority, connection, forwarded, hops};
use crate::config::model::{Limits, UnderscoreHeaders};
use crate::message::{BodyPrefix, RequestHead, Scheme, cookies, fields, target};

/// What each field of a list counts besides its name and value, bytes (RFC 9113 §10.5.1).
const FIELD_SIZE: usize = 32;

/// A request that was taken in.
#[derive(Debug)]
pub struct Intake {
    /// What routes and plugins see.
    pub head: RequestHead,
    /// The protocol that the client wants to change to; never HTTP/2 or TLS.
    pub upgrade: Option<Upgrade>,
    /// The client can take trailers (`TE: trailers`).
    pub trailers: bool,
    /// The client waits for `100 Continue` before it sends the body. hyper sends it when the body is first polled, to clients of
    /// HTTP/1.1 only.
    pub expects_continue: bool,
}

/// Checks and cleans a request. Method and headers move out of `parts` if it is taken in. Of the `limits` it knows those of
/// the number of fields and of the target, and of HTTP/2 that of their size.
pub fn request(parts: &mut Parts, arrival: &Arrival<'_>, limits: &Limits) -> Result<Intake, Refusal> {
    if parts.headers.len() + inner_items(&parts.headers) > limits.headers {
        return Err(Refusal::TooManyFields);
    }
    let upgrade = Upgrade::wanted(parts);
    let Parts { method, uri, headers, version, .. } = parts;
    let version = *version;

    check_method(method, headers)?;
    let target = check_target(method, uri, limits.request_line)?;
    let authority = check_host(uri, headers, version, arrival.entrance.address)?;
    check_tenant(&authority, arrival)?;
    check_length(headers)?;
    if version == Version::HTTP_2 {
        check_list(headers, limits.header_bytes)?;
    }
    let underscores = arrival.entrance.settings.underscore_headers;
    if underscores == UnderscoreHeaders::Refuse && headers.keys().any(is_ambiguous) {
        return Err(Refusal::Underscore);
    }
    if hops(headers) >= HOPS_MAX {
        return Err(Refusal::Loop);
    }
    let expects_continue = check_expectation(headers)? && version > Version::HTTP_10;
    let mut headers = mem::take(headers);
    let trailers = headers.contains_key(TE) && connection::has_word(&headers, &TE, "trailers");

    let peer = arrival.peer_address();
    let claim = forwarded::claim(&headers, peer, &arrival.entrance.settings.trusted_proxies);
    let believed = claim.is_some();
    headers.remove(HOST);
    let reserved = &arrival.entrance.reserved;
    connection::strip(&mut headers, |name| {
        let doubtful = is_ambiguous(name) && (underscores == UnderscoreHeaders::Drop || is_ours(name, reserved));
        doubtful || *name == EXPECT || (!believed && fields::is_forwarding(name)) || reserved.contains(name)
    });
    cookies::join(&mut headers);
    for (name, value) in arrival.client {
        headers.insert(name, value.clone());
    }

    let spoken = if arrival.tls { Scheme::Https } else { Scheme::Http };
    let head = RequestHead {
        method: mem::take(method),
        version,
        scheme: claim.as_ref().and_then(|claim| claim.scheme).unwrap_or(spoken),
        authority,
        target,
        headers,
        client: claim.map_or(peer, |claim| claim.client),
        server_name: arrival.server_name.cloned(),
        prefix: BodyPrefix::default(),
    };
    Ok(Intake { head, upgrade, trailers, expects_continue })
}

/// What the guard sees to where HTTP/1 is spoken, of a list of fields: its size (RFC 9113 §10.5.1), and the edges of values.
fn check_list(headers: &HeaderMap, most: usize) -> Result<(), Refusal> {
    let mut size = 0;
    for (name, value) in headers {
        if has_blank_edge(value) {
            return Err(Refusal::Syntax("a field value begins or ends with white space"));
        }
        size += name.as_str().len() + value.len() + FIELD_SIZE;
    }
    if size > most { Err(Refusal::HeadTooLong) } else { Ok(()) }
}

/// What HTTP/1 would trim, and HTTP/2 must not carry (RFC 9113 §8.2.1): whoever reads next would see another value.
fn has_blank_edge(value: &HeaderValue) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_blank(value.as_bytes().first()) || is_blank(value.as_bytes().last())
}

/// How many more fields these would be with each cookie and each range in one of its own: small on the wire, and each is
/// taken in by itself somewhere behind.
fn inner_items(headers: &HeaderMap) -> usize {
    let items = |name: &HeaderName, separator: u8| {
        let fields = headers.get_all(name).iter();
        fields.map(|value| value.as_bytes().iter().filter(|byte| **byte == separator).count()).sum::<usize>()
    };
    items(&COOKIE, b';') + items(&RANGE, b',')
}

/// Methods that a gateway must not simply pass on (RFC 9110 §9.3.6, §9.3.8, §7.6.2). Unknown ones are passed on.
fn check_method(method: &Method, headers: &mut HeaderMap) -> Result<(), Refusal> {
    match *method {
        Method::CONNECT => Err(Refusal::Connect),
        Method::TRACE => Err(Refusal::Trace),
        Method::OPTIONS => {
            let Some(left) = headers.get(MAX_FORWARDS).and_then(hops_left) else { return Ok(()) };
            let left = left.checked_sub(1).ok_or(Refusal::LastHop)?;
            headers.insert(MAX_FORWARDS, left.into());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The number, or the largest that is known here where it is larger (RFC 9110 §7.6.2); none where it is no number.
fn hops_left(value: &HeaderValue) -> Option<u32> {
    let digits = value.to_str().ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}

/// The forms of RFC 9112 §3.2, and the path in normal form.
fn check_target(method: &Method, uri: &Uri, most: usize) -> Result<PathAndQuery, Refusal> {
    if uri.scheme_str().is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return Err(Refusal::TargetForm);
    }
    let raw = uri.path_and_query().ok_or(Refusal::TargetForm)?;
    if raw.as_str().len() > most {
        return Err(Refusal::TargetTooLong);
    }
    if raw.as_str() == "*" {
        return if *method == Method::OPTIONS { Ok(raw.clone()) } else { Err(Refusal::TargetForm) };
    }
    Ok(target::normal(raw)?)
}

/// The host that the request is for (RFC 9112 §3.2, §3.3; RFC 9113 §8.3.1). Every place that names one has to be well
/// formed. In HTTP/1.1 the absolute form wins over `Host`, which must be there all the same; in HTTP/2 both must agree.
/// HTTP/1.0 knows no `Host`: without one the request is for the address that it came to.
fn check_host(uri: &Uri, headers: &HeaderMap, version: Version, local: SocketAddr) -> Result<Authority, Refusal> {
    let mut fields = headers.get_all(HOST).iter();
    let host = match (fields.next(), fields.next()) {
        (None, _) => None,
        (Some(host), None) => Some(authority::parse(host.as_bytes()).ok_or(Refusal::HostMalformed)?),
        (Some(_), Some(_)) => return Err(Refusal::HostRepeated),
    };
    let named = match uri.authority() {
        Some(named) => Some(authority::check(named).ok_or(Refusal::HostMalformed)?),
        None => None,
    };
    match (named, host) {
        (Some(named), Some(host)) if version == Version::HTTP_2 && named != host => Err(Refusal::HostMismatch),
        (Some(_), None) if version == Version::HTTP_11 => Err(Refusal::HostMissing),
        (Some(found), _) | (None, Some(found)) => Ok(found),
        (None, None) if version == Version::HTTP_10 => {
            Authority::try_from(SocketAddr::new(local.ip().to_canonical(), local.port()).to_string())
                .map_err(|_| Refusal::HostMissing)
        }
        (None, None) => Err(Refusal::HostMissing),
    }
}

/// Over TLS, the host must not be another tenant's than the one whose name the connection began with (RFC 9110 §7.4).
fn check_tenant(authority: &Authority, arrival: &Arrival<'_>) -> Result<(), Refusal> {
    let (Some(tls), Some(server_name)) = (&arrival.entrance.tls, arrival.server_name) else {
        return Ok(());
    };
    let host = authority.host();
    // `example.com.` is the same name, written in full.
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_misdirected = host != &**server_name && tls.is_misdirected(server_name, host);
    if is_misdirected { Err(Refusal::Misdirected) } else { Ok(()) }
}

/// One number or none: it is sent on to the endpoint as it stands.
fn check_length(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut fields = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = fields.next() else {
        return Ok(());
    };
    let digits = first.as_bytes();
    let is_number = (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    if is_number && fields.next().is_none() { Ok(()) } else { Err(Refusal::ContentLength) }
}

/// RFC 9110 §10.1.1.
fn check_expectation(headers: &HeaderMap) -> Result<bool, Refusal> {
    let mut expected = false;
    for value in headers.get_all(EXPECT) {
        if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::Expectation);
        }
        expected = true;
    }
    Ok(expected)
}

/// `X_Auth_User` becomes the same variable as `X-Auth-User` behind CGI and its heirs: whoever checks the one is passed by
/// with the other.
fn is_ambiguous(name: &HeaderName) -> bool {
    name.as_str().as_bytes().contains(&b'_')
}

/// Whether with dashes it would be a field that only the gateway sets.
fn is_ours(name: &HeaderName, reserved: &[HeaderName]) -> bool {
    let dashed = HeaderName::try_from(name.as_str().replace('_', "-"));
    dashed.is_ok_and(|name| !fields::writable(&name) || reserved.contains(&name))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::Request;

    use super::*;
    use crate::config::model::Listener;
    use crate::message::target::TargetError;
    use crate::state::Entrance;

    const LIMITS: Limits = Limits::BY_DEFAULT;

    fn entrance(trusted: &[&str], reserved: &[&'static str]) -> Entrance {
        let address = "[::ffff:192.0.2.7]:8080".parse().expect("an address");
        let settings = Listener {
            address,
            tls: None,
            http1: true,
            h2: true,
            trusted_proxies: trusted.iter().map(|net| net.parse().expect("a net")).collect(),
            underscore_headers: UnderscoreHeaders::Drop,
            proxy_protocol: None,
            redirect_to_https: None,
        };
        let reserved = reserved.iter().map(|name| HeaderName::from_static(name)).collect();
        Entrance { settings, address, tls: None, arrivals: Default::default(), reserved }
    }

    fn arrival<'a>(peer: &str, entrance: &'a Entrance) -> Arrival<'a> {
        let peer = peer.parse().expect("an address");
        let local = entrance.address;
        Arrival { peer, local, tls: true, server_name: None, client: &[], entrance, interims: None }
    }

    /// `GET /x 1.1`, then `name: value` for each field, taken as bytes.
    fn parts(lines: &[&[u8]]) -> Parts {
        let (first, fields) = lines.split_first().expect("a first line");
        let mut words = std::str::from_utf8(first).expect("text").split(' ');
        let mut next = || words.next().expect("method, target, version");
        let method = Method::from_bytes(next().as_bytes()).expect("a method");
        let uri: Uri = next().parse().expect("a target");
        let version = match next() {
            "1.0" => Version::HTTP_10,
            "1.1" => Version::HTTP_11,
            _ => Version::HTTP_2,
        };
        let mut request = Request::builder().method(method).uri(uri).version(version).body(()).expect("a request");
        for field in fields {
            let colon = field.iter().position(|byte| *byte == b':').expect("a colon");
            let (name, value) = field.split_at(colon);
            let name = HeaderName::from_bytes(name).expect("a name");
            let value = HeaderValue::from_bytes(value[1..].trim_ascii()).expect("a value");
            request.headers_mut().append(name, value);
        }
        request.into_parts().0
    }

    fn take(lines: &[&str]) -> Result<Intake, Refusal> {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        request(&mut parts(&lines), &arrival("1.1.1.1:4000", &entrance(&[], &[])), &LIMITS)
    }

    fn names(head: &RequestHead) -> Vec<String> {
        head.headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect()
    }

    #[test]
    fn the_host_is_one_and_well_formed() {
        let cases: &[(&[&str], Result<&str, Refusal>)] = &[
            (&["GET / 1.1", "host: Example.com:8443"], Ok("example.com:8443")),
            (&["GET / 1.1"], Err(Refusal::HostMissing)),
            (&["GET / 1.1", "host:"], Err(Refusal::HostMalformed)),
            (&["GET / 1.1", "host: a", "host: a"], Err(Refusal::HostRepeated)),
            (&["GET / 1.1", "host: a", "host: b"], Err(Refusal::HostRepeated)),
            (&["GET / 1.1", "host: a,b"], Err(Refusal::HostMalformed)),
            (&["GET / 1.1", "host: a/b"], Err(Refusal::HostMalformed)),
            (&["GET / 1.1", "host: u@a"], Err(Refusal::HostMalformed)),
            (&["GET / 1.1", "host: a:99999"], Err(Refusal::HostMalformed)),
            (&["GET http://A:80/x 1.1", "host: b"], Ok("a:80")),
            (&["GET http://a/ 1.1"], Err(Refusal::HostMissing)),
            (&["GET http://a/ 1.1", "host: b,c"], Err(Refusal::HostMalformed)),
            (&["GET http://u@a/ 1.1", "host: a"], Err(Refusal::HostMalformed)),
            (&["GET ftp://a/ 1.1", "host: a"], Err(Refusal::TargetForm)),
            (&["GET / 1.0"], Ok("192.0.2.7:8080")),
            (&["GET / 1.0", "host: a"], Ok("a")),
            (&["GET / 1.0", "host:"], Err(Refusal::HostMalformed)),
            (&["GET http://a/ 1.0"], Ok("a")),
            (&["GET https://A/ 2"], Ok("a")),
            (&["GET https://a/ 2", "host: A"], Ok("a")),
            (&["GET https://a/ 2", "host: b"], Err(Refusal::HostMismatch)),
            (&["GET https://a/ 2", "host: a:443"], Err(Refusal::HostMismatch)),
            (&["GET https://a/ 2", "host: a", "host: a"], Err(Refusal::HostRepeated)),
            (&["GET / 2", "host: a"], Ok("a")),
            (&["GET / 2"], Err(Refusal::HostMissing)),
            (&["GET https://u@a/ 2"], Err(Refusal::HostMalformed)),
        ];
        for (lines, expected) in cases {
            let found = take(lines);
            let found = found.as_ref().map(|intake| intake.head.authority.as_str()).map_err(|refusal| *refusal);
            assert_eq!(found, *expected, "{lines:?}");
        }
    }

    #[test]
    fn a_target_has_the_form_that_its_method_allows() {
        let long = format!("GET /{} 1.1", "a".repeat(LIMITS.request_line));
        let cases: &[(&str, Result<&str, Refusal>)] = &[
            ("GET /a/%2e%2e/b?c 1.1", Ok("/b?c")),
            ("GET //x 1.1", Ok("//x")),
            ("GET /%00 1.1", Err(Refusal::Target(TargetError::Nul))),
            ("GET http://a 1.1", Ok("/")),
            ("GET http://a?b 1.1", Ok("/?b")),
            ("GET a:80 1.1", Err(Refusal::TargetForm)),
            ("GET * 1.1", Err(Refusal::TargetForm)),
            ("OPTIONS * 1.1", Ok("*")),
            ("OPTIONS / 1.1", Ok("/")),
            ("CONNECT a:80 1.1", Err(Refusal::Connect)),
            ("TRACE / 1.1", Err(Refusal::Trace)),
            ("get / 1.1", Ok("/")),
            ("PROPFIND / 1.1", Ok("/")),
            (&long, Err(Refusal::TargetTooLong)),
        ];
        for (line, expected) in cases {
            let found = take(&[line, "host: a"]);
            let found = found.as_ref().map(|intake| intake.head.target.as_str()).map_err(|refusal| *refusal);
            assert_eq!(found, *expected, "{line}");
        }
    }

    #[test]
    fn fields_of_the_connection_and_of_strangers_go() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["accept: a", "accept: b"], &["accept: a", "accept: b"]),
            (&["connection: x-a, close", "x-a: b", "keep-alive: 1"], &[]),
            (&["connection: host, cookie", "cookie: a=b"], &["cookie: a=b"]),
            (&["te: trailers", "upgrade: h2c", "http2-settings: a"], &[]),
            (&["proxy-authorization: a", "proxy: b"], &[]),
            (&["x_forwarded_for: 9.9.9.9", "x_auth_user: root", "x-auth-user: me"], &["x-auth-user: me"]),
            (&["x-forwarded-for: 9.9.9.9", "forwarded: for=9.9.9.9", "x-real-ip: 9.9.9.9"], &[]),
            (&["x-forwarded-host: a", "x-forwarded-prefix: /a", "x-forwarded-port: 1"], &[]),
            (&["expect: 100-Continue", "content-length: 5"], &["content-length: 5"]),
            (&["cookie: a=1", "cookie: b=2"], &["cookie: a=1; b=2"]),
            (&["connection: é", "x-a: é"], &["x-a: é"]),
        ];
        for (fields, expected) in cases {
            let mut lines = vec!["GET / 1.1", "host: a"];
            lines.extend_from_slice(fields);
            assert_eq!(names(&take(&lines).expect("taken in").head), *expected, "{fields:?}");
        }
    }

    #[test]
    fn bytes_above_ascii_are_kept() {
        let lines: &[&[u8]] = &[b"GET / 1.1", b"host: a", b"x-a: \xff\xfe", b"connection: \xff"];
        let intake = request(&mut parts(lines), &arrival("1.1.1.1:1", &entrance(&[], &[])), &LIMITS).expect("taken in");
        assert_eq!(intake.head.headers.get("x-a").map(HeaderValue::as_bytes), Some(&b"\xff\xfe"[..]));
    }

    #[test]
    fn what_cannot_be_passed_on_is_refused() {
        let cases: &[(&str, Refusal)] = &[
            ("content-length: +5", Refusal::ContentLength),
            ("content-length: 5, 5", Refusal::ContentLength),
            ("content-length:", Refusal::ContentLength),
            ("content-length: 123456789012345678901", Refusal::ContentLength),
            ("expect: 200-ok", Refusal::Expectation),
            ("expect: 100-continue, x", Refusal::Expectation),
            ("expect:", Refusal::Expectation),
        ];
        for (field, expected) in cases {
            let found = take(&["POST / 1.1", "host: a", field]).map(|intake| intake.head.method);
            assert_eq!(found, Err(*expected), "{field}");
        }
        let twice = take(&["POST / 2", "host: a", "content-length: 5", "content-length: 5"]);
        assert_eq!(twice.map(|intake| intake.head.method), Err(Refusal::ContentLength));
    }

    #[test]
    fn crumbs_count_as_fields() {
        let mut lines = vec!["GET / 2", "host: a"];
        lines.resize(LIMITS.headers + 1, "cookie: a=b");
        assert!(take(&lines).is_ok());
        lines.push("cookie: a=b");
        assert_eq!(take(&lines).map(|intake| intake.head.method), Err(Refusal::TooManyFields));
    }

    #[test]
    fn a_loop_ends() {
        let hops = |count: usize| vec!["1.1 SLUICE (it's me), 1.0 fred"; count].join(",");
        for (count, refused) in [(0, false), (1, false), (HOPS_MAX - 1, false), (HOPS_MAX, true), (40, true)] {
            let via = format!("via: 1.1 sluices, sluice, {}", hops(count));
            let found = take(&["GET / 1.1", "host: a", &via]);
            assert_eq!(found.err() == Some(Refusal::Loop), refused, "{count}");
        }
    }

    #[test]
    fn options_has_a_last_hop() {
        let cases = [("0", Err(Refusal::LastHop)), ("1", Ok("0")), ("10", Ok("9")), ("x", Ok("x")), ("+5", Ok("+5"))];
        for (before, expected) in cases {
            let field = format!("max-forwards: {before}");
            let found = take(&["OPTIONS / 1.1", "host: a", &field]);
            let found = found.as_ref().map(|intake| intake.head.headers[MAX_FORWARDS].to_str().expect("text"));
            assert_eq!(found.map_err(|refusal| *refusal), expected, "{before}");
        }
        let huge = take(&["OPTIONS / 1.1", "host: a", "max-forwards: 99999999999"]).expect("taken in");
        assert_eq!(huge.head.headers[MAX_FORWARDS], "4294967294", "the lesser of that and the largest known");
        assert!(take(&["GET / 1.1", "host: a", "max-forwards: 0"]).is_ok());
    }

    #[test]
    fn what_the_client_can_and_wants() {
        // lines, upgrade, trailers, waits for 100
        type Case<'a> = (&'a [&'a str], Option<&'a str>, bool, bool);
        let cases: &[Case<'_>] = &[
            (&["GET / 1.1"], None, false, false),
            (&["GET / 1.1", "connection: Upgrade", "upgrade: websocket"], Some("websocket"), false, false),
            (
                &["GET / 1.1", "connection: keep-alive", "connection: upgrade", "upgrade: a/1"],
                Some("a/1"),
                false,
                false,
            ),
            (&["GET / 1.1", "upgrade: websocket"], None, false, false),
            (&["GET / 1.1", "connection: upgrade"], None, false, false),
            (&["GET / 1.0", "connection: upgrade", "upgrade: websocket"], None, false, false),
            (&["GET / 1.1", "connection: upgrade", "upgrade: H2C"], None, false, false),
            (&["GET / 1.1", "connection: upgrade", "upgrade: TLS/1.0"], None, false, false),
            (&["GET / 1.1", "connection: upgrade", "upgrade: websocket, h2c"], None, false, false),
            (&["GET / 1.1", "connection: upgrade", "upgrade: a", "upgrade: b"], None, false, false),
            (&["GET / 2", "te: trailers"], None, true, false),
            (&["GET / 1.1", "te: gzip, Trailers"], None, true, false),
            (&["GET / 1.1", "te: gzip"], None, false, false),
            (&["POST / 1.1", "expect: 100-continue"], None, false, true),
            (&["POST / 1.0", "expect: 100-continue"], None, false, false),
        ];
        for (lines, upgrade, trailers, waits) in cases {
            let mut lines = lines.to_vec();
            lines.push("host: a");
            let intake = take(&lines).expect("taken in");
            let found = intake.upgrade.as_ref().map(|upgrade| upgrade.protocol.to_str().expect("text"));
            assert_eq!((found, intake.trailers, intake.expects_continue), (*upgrade, *trailers, *waits), "{lines:?}");
        }
    }

    #[test]
    fn only_trusted_peers_say_who_the_client_is() {
        let entrance = entrance(&["10.0.0.0/8"], &[]);
        let lines: &[&[u8]] = &[
            b"GET / 1.1",
            b"host: a",
            b"connection: x-forwarded-for",
            b"x-forwarded-for: 9.9.9.9, 2.2.2.2",
            b"x-forwarded-proto: http",
            b"x-forwarded-port: 80",
        ];
        for (peer, client, scheme, kept) in [
            ("1.1.1.1:1", "1.1.1.1", Scheme::Https, false),
            ("10.0.0.1:1", "2.2.2.2", Scheme::Http, true),
            ("[::ffff:10.0.0.1]:1", "2.2.2.2", Scheme::Http, true),
        ] {
            let intake = request(&mut parts(lines), &arrival(peer, &entrance), &LIMITS).expect("taken in");
            assert_eq!(intake.head.client, client.parse::<IpAddr>().expect("an address"), "{peer}");
            assert_eq!(intake.head.scheme, scheme, "{peer}");
            for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port"] {
                assert_eq!(intake.head.headers.contains_key(name), kept, "{peer} {name}");
            }
        }
        // Two stories: neither is believed, and neither is passed on.
        let lines: &[&[u8]] = &[b"GET / 1.1", b"host: a", b"x-forwarded-for: 2.2.2.2", b"forwarded: for=9.9.9.9"];
        let intake = request(&mut parts(lines), &arrival("10.0.0.1:1", &entrance), &LIMITS).expect("taken in");
        assert_eq!(intake.head.client, IpAddr::from([10, 0, 0, 1]));
        assert!(intake.head.headers.is_empty());
    }

    #[test]
    fn only_the_gateway_says_what_a_certificate_says() {
        let entrance = entrance(&[], &["x-client", "client-cert"]);
        let client = [(HeaderName::from_static("x-client"), HeaderValue::from_static("CN=known"))];
        let lines: &[&[u8]] = &[
            b"GET / 1.1",
            b"host: a",
            b"connection: x-client",
            b"x-client: CN=admin",
            b"x-client: CN=root",
            b"X-Client: CN=Admin",
            b"x_client: CN=admin",
            b"client-cert: :AAAA:",
            b"x-other: kept",
        ];
        for (client, expected) in
            [(&client[..], &["x-client: CN=known", "x-other: kept"][..]), (&[], &["x-other: kept"])]
        {
            let arrival = Arrival { client, ..arrival("1.1.1.1:1", &entrance) };
            let mut found = names(&request(&mut parts(lines), &arrival, &LIMITS).expect("taken in").head);
            found.sort();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn names_with_underscores_go_are_refused_or_stay() {
        let lines: &[&[u8]] =
            &[b"GET / 1.1", b"host: a", b"x_user: u", b"x-user: v", b"x_forwarded_for: 9.9.9.9", b"x_client: c"];
        for (underscores, expected) in [
            (UnderscoreHeaders::Drop, Ok(vec!["x-user: v"])),
            (UnderscoreHeaders::Refuse, Err(Refusal::Underscore)),
            (UnderscoreHeaders::Keep, Ok(vec!["x-user: v", "x_user: u"])),
        ] {
            let mut entrance = entrance(&["1.0.0.0/8"], &["x-client"]);
            entrance.settings.underscore_headers = underscores;
            let found = request(&mut parts(lines), &arrival("1.1.1.1:1", &entrance), &LIMITS);
            let found = found.map(|intake| {
                let mut found = names(&intake.head);
                found.sort();
                found
            });
            assert_eq!(found, expected.map(|fields| fields.into_iter().map(str::to_owned).collect()));
        }
        assert!(take(&["GET / 1.1", "host: a", "x-user: v"]).is_ok());
    }
}
