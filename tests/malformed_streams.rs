//! Requests of HTTP/2 that break its rules: each is reset or answered with 400, nothing of it reaches an origin, and the
//! connection serves the next one.

use crate::harness::beside::beside;
use crate::harness::frames::*;
use crate::harness::{Configuration, Event, Gateway, Origin, component};

type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

/// A good request with one more field.
fn with<'a>(name: &'a [u8], value: &'a [u8]) -> Fields<'a> {
    let mut fields = request(b"GET", b"/");
    fields.push((name, value));
    fields
}

/// A good request in which that one is another, or is not there.
fn but<'a>(name: &'a [u8], value: Option<&'a [u8]>) -> Fields<'a> {
    let fields = request(b"GET", b"/").into_iter();
    fields.filter_map(|field| if field.0 == name { value.map(|value| (name, value)) } else { Some(field) }).collect()
}

/// Sends those heads, each followed by a good request on the same connection.
async fn refused(gateway: &Gateway, origin: &Origin, cases: Vec<(&str, Fields<'_>)>) {
    let mut served = 0;
    for (what, fields) in cases {
        let mut client = Frames::plain(gateway).await;
        client.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields))).await;
        let outcome = client.outcome(1).await;
        let is_refused = matches!(outcome, Outcome::Reset(PROTOCOL_ERROR) | Outcome::Answered(400));
        let is_end = matches!(outcome, Outcome::GoneAway(_) | Outcome::Closed);
        assert!(is_refused || is_end, "{what}: {outcome:?}");
        if is_refused {
            client.say(get(3, "/next")).await;
            assert_eq!(client.outcome(3).await, Outcome::Answered(200), "{what}: the next one");
            served += 1;
        }
        assert_eq!(origin.requests(), served, "{what} reached the origin");
    }
}

/// B8
#[tokio::test]
async fn values_and_names_that_http_1_would_read_otherwise_reach_nobody() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let cases = vec![
        ("CRLF in a value", with(b"x", b"a\r\nhost: evil")),
        ("LF in a value", with(b"x", b"a\nhost: evil")),
        ("CR in a value", with(b"x", b"a\rb")),
        ("NUL in a value", with(b"x", b"a\0b")),
        ("a space before a value", with(b"x", b" a")),
        ("a tab behind a value", with(b"x", b"a\t")),
        ("a value of a space", with(b"x", b" ")),
        ("CRLF in a path", but(b":path", Some(b"/ HTTP/1.1\r\nhost: evil\r\n\r\n"))),
        ("a space in a path", but(b":path", Some(b"/ HTTP/1.1"))),
        ("a tab in a path", but(b":path", Some(b"/\tx"))),
        ("NUL in a path", but(b":path", Some(b"/\0"))),
        ("%00 in a path", but(b":path", Some(b"/%00"))),
        ("an empty path", but(b":path", Some(b""))),
        ("a path without its slash", but(b":path", Some(b"x"))),
        ("`*` with GET", but(b":path", Some(b"*"))),
        ("a space in a method", but(b":method", Some(b"GET /evil"))),
        ("CRLF in a method", but(b":method", Some(b"GET / HTTP/1.1\r\nhost: evil\r\n\r\nGET"))),
        ("an empty method", but(b":method", Some(b""))),
        ("CRLF in an authority", but(b":authority", Some(b"app.test\r\nx: y"))),
        ("a space in an authority", but(b":authority", Some(b"app.test evil"))),
        ("user information", but(b":authority", Some(b"user@app.test"))),
        ("a list of authorities", but(b":authority", Some(b"app.test,evil"))),
        ("a path in an authority", but(b":authority", Some(b"app.test/evil"))),
        ("an empty authority", but(b":authority", Some(b""))),
        ("upper case in a name", with(b"X-Upper", b"y")),
        ("a space in a name", with(b"x y", b"z")),
        ("a colon in a name", with(b"x:y", b"z")),
        ("CRLF in a name", with(b"x\r\ny", b"z")),
        ("an empty name", with(b"", b"z")),
        ("a name of UTF-8", with("é".as_bytes(), b"z")),
    ];
    beside_nobody(&gateway, &origin, cases).await;
}

/// B8
#[tokio::test]
async fn pseudo_fields_that_are_missing_repeated_late_or_unknown_are_refused() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let mut late = request(b"GET", b"/");
    late.insert(3, (b"x", b"y"));
    let mut host_differs = request(b"GET", b"/");
    host_differs.push((b"host", b"evil.test"));
    let nobody: Fields<'_> = but(b":authority", None);
    let cases = vec![
        ("no method", but(b":method", None)),
        ("no scheme", but(b":scheme", None)),
        ("no path", but(b":path", None)),
        ("neither authority nor host", nobody),
        ("two methods", with(b":method", b"GET")),
        ("two paths", with(b":path", b"/evil")),
        ("two schemes", with(b":scheme", b"http")),
        ("two authorities", with(b":authority", b"evil.test")),
        ("a late one", late),
        ("that of a response", with(b":status", b"200")),
        ("an unknown one", with(b":evil", b"1")),
        ("a protocol without CONNECT", with(b":protocol", b"websocket")),
        ("an authority that is not the host", host_differs),
        ("two hosts", [with(b"host", b"app.test"), vec![(b"host", b"app.test")]].concat()),
        ("another scheme", but(b":scheme", Some(b"ftp"))),
    ];
    beside_nobody(&gateway, &origin, cases).await;
}

/// B8
#[tokio::test]
async fn fields_of_a_connection_are_none_of_a_stream() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let cases = vec![
        ("transfer-encoding", with(b"transfer-encoding", b"chunked")),
        ("connection", with(b"connection", b"close")),
        ("connection that names", with(b"connection", b"x-forwarded-for")),
        ("keep-alive", with(b"keep-alive", b"timeout=5")),
        ("proxy-connection", with(b"proxy-connection", b"close")),
        ("upgrade", with(b"upgrade", b"websocket")),
        ("te", with(b"te", b"gzip")),
    ];
    beside_nobody(&gateway, &origin, cases).await;
}

/// The same with good clients beside it, which the origin counts too: so first without.
async fn beside_nobody(gateway: &Gateway, origin: &Origin, cases: Vec<(&str, Fields<'_>)>) {
    refused(gateway, origin, cases.clone()).await;
    let all: Vec<u8> = cases
        .iter()
        .enumerate()
        .flat_map(|(n, (_, fields))| frame(HEADERS, END_HEADERS | END_STREAM, 2 * n as u32 + 1, &block(fields)))
        .collect();
    let flooding = async || {
        let (heard, _) = Frames::plain(gateway).await.flood(&all, 1).await;
        assert!(heard.iter().all(|frame| frame.status() != Some(200)));
    };
    beside(gateway, flooding()).await;
}

/// B10
#[tokio::test]
async fn a_body_of_another_length_than_it_says_is_none() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let five: &[(&[u8], &[u8])] = &[(b"content-length", b"5")];
    let trailers = |flags| frame(HEADERS, END_HEADERS | flags, 1, &literal(b"x-sum", b"7"));
    let ended = |fields: &[(&[u8], &[u8])]| {
        let mut all = request(b"POST", b"/");
        all.extend(fields);
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&all))
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("too little", [post(1, "/", five), frame(DATA, END_STREAM, 1, b"four")].concat()),
        ("too much", [post(1, "/", five), frame(DATA, END_STREAM, 1, b"six six")].concat()),
        (
            "too much in two",
            [post(1, "/", five), frame(DATA, 0, 1, b"four"), frame(DATA, END_STREAM, 1, b"four")].concat(),
        ),
        ("an end without any", ended(five)),
        ("trailers too early", [post(1, "/", five), frame(DATA, 0, 1, b"four"), trailers(END_STREAM)].concat()),
        ("trailers without any", [post(1, "/", five), trailers(END_STREAM)].concat()),
        ("trailers that do not end", [post(1, "/", five), frame(DATA, 0, 1, b"fives"), trailers(0)].concat()),
        ("two lengths", ended(&[(b"content-length", b"0"), (b"content-length", b"5")])),
        ("a list of lengths", ended(&[(b"content-length", b"0, 0")])),
        ("a sign", ended(&[(b"content-length", b"+0")])),
        ("less than nothing", ended(&[(b"content-length", b"-1")])),
        ("hexadecimal", ended(&[(b"content-length", b"0x0")])),
        ("too large a number", ended(&[(b"content-length", b"99999999999999999999999")])),
    ];
    for (what, bytes) in cases {
        let mut client = Frames::plain(&gateway).await;
        client.say(bytes).await;
        let outcome = client.outcome(1).await;
        let is_refused = matches!(
            outcome,
            Outcome::Reset(PROTOCOL_ERROR) | Outcome::Answered(400) | Outcome::GoneAway(PROTOCOL_ERROR)
        );
        assert!(is_refused, "{what}: {outcome:?}");
        origin.holds(0).await;
    }
    let mut client = Frames::plain(&gateway).await;
    client.say([post(1, "/", five), frame(DATA, END_STREAM, 1, b"fives")].concat()).await;
    assert_eq!(client.outcome(1).await, Outcome::Answered(200));
    let is_good = |event: &Event| event.number("status") == 200;
    gateway.log.wait_for("exchange", is_good).await;
    assert_eq!(gateway.log.filter("exchange", is_good).len(), 1, "one of those was taken for a request");
}

/// B11
#[tokio::test]
async fn bytes_beyond_ascii_pass_unharmed_and_plugins_are_shown_them() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin("passes", component("passes"));
    let reads = r#"reads = ["x-bytes", "user-agent", "cookie", "referer", "accept-language"], see-request = true"#;
    let gateway =
        Gateway::start(&configuration.selection(&format!(r#"[{{ plugin = "passes", config = {{ {reads} }} }}]"#)))
            .await;
    let bytes: Vec<u8> = (0x80..=0xff).collect();
    let mut client = Frames::plain(&gateway).await;
    for (n, name) in [&b"x-bytes"[..], b"user-agent", b"cookie", b"referer", b"accept-language"].into_iter().enumerate()
    {
        let stream = 2 * n as u32 + 1;
        let mut fields = request(b"GET", b"/bytes-in-fields");
        fields.push((name, &bytes));
        client.say(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&fields))).await;
        assert_eq!(client.outcome(stream).await, Outcome::Answered(200), "{}", String::from_utf8_lossy(name));
    }
}

/// A list of fields that is too long is answered, and one that is far too long ends the connection.
#[tokio::test]
async fn too_many_fields_and_crumbs_of_cookies_are_431() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let crumbs: Fields<'_> = (0..200).map(|_| (&b"cookie"[..], &b"a=b"[..])).collect();
    let fields: Fields<'_> = (0..200).map(|_| (&b"x"[..], &b"y"[..])).collect();
    let long = vec![b'l'; 10_000];
    let large: Fields<'_> = (0..4).map(|_| (&b"x-long"[..], &long[..])).collect();
    for (what, more) in [("crumbs", crumbs), ("fields", fields), ("large ones", large)] {
        let mut client = Frames::plain(&gateway).await;
        let all = block(&[request(b"GET", b"/"), more].concat());
        let mut parts = all.chunks(16_000);
        let mut bytes = frame(HEADERS, END_STREAM, 1, parts.next().unwrap());
        parts.for_each(|part| bytes.extend(frame(CONTINUATION, 0, 1, part)));
        bytes.extend(frame(CONTINUATION, END_HEADERS, 1, &[]));
        client.say(bytes).await;
        assert_eq!(client.outcome(1).await, Outcome::Answered(431), "{what}");
        client.say(get(3, "/next")).await;
        let answer = client.outcome(3).await;
        assert_eq!(answer, Outcome::Answered(200), "{what}");
    }
    assert_eq!(origin.requests(), 3);
}
