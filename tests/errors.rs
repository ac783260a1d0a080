//! What goes wrong becomes a status by one map, with a short plain body and a `Proxy-Status` that says whose fault it
//! was.

use std::time::Instant;

use crate::harness::raw::RawOrigin;
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, PATIENCE, Raw};

/// An answer of the gateway's own.
fn assert_own(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    let said = answer.header("proxy-status");
    assert!(said.starts_with("sluice") && said.contains("error="), "{said:?}");
    assert!(answer.header("content-type").starts_with("text/plain"), "{answer:?}");
    assert!((1..200).contains(&answer.body.len()) && !answer.text().contains("127.0.0.1"), "{:?}", answer.text());
}

#[tokio::test]
async fn no_route_is_404() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).route(r#"match = { hosts = ["app.test"] }"#)).await;
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        assert_own(&client.ask(Ask::get("/").host("unknown.example")).await, 404);
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(gateway.exchange("/").await.text("route"), "");
}

#[tokio::test]
async fn a_refused_connection_is_502() {
    let origin = Origin::start("a").await;
    origin.die().await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let answer = Client::h1(&gateway).await.get("/").await;
    assert_own(&answer, 502);
    assert!(answer.header("proxy-status").contains("connection_refused"), "{answer:?}");
}

#[tokio::test]
async fn a_response_head_that_does_not_come_is_504() {
    let origin = Origin::start("a").await;
    origin.hold();
    let configuration = Configuration::of(&[&origin]).route(r#"timeouts = { response-header = "200ms" }"#);
    let gateway = Gateway::start(&configuration).await;
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        let answer = client.get("/").await;
        assert_own(&answer, 504);
        assert!(answer.header("proxy-status").contains("timeout"), "{answer:?}");
        assert_own(&client.ask(Ask::post("/", "body")).await, 504);
    }
    origin.holds(0).await;
}

#[tokio::test]
async fn no_endpoint_is_503_and_at_once() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).endpoint(0, r#"state = "draining""#);
    let gateway = Gateway::start(&configuration.upstream(r#"when-all-bad = "refuse""#)).await;
    let started = Instant::now();
    let answer = Client::h1(&gateway).await.get("/").await;
    assert_own(&answer, 503);
    assert_ne!(answer.header("retry-after"), "");
    assert!(started.elapsed() < PATIENCE / 3);
}

#[tokio::test]
async fn all_bad_endpoints_are_used_where_the_upstream_says_so() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).endpoint(0, r#"state = "draining""#);
    let gateway = Gateway::start(&configuration.upstream(r#"when-all-bad = "use-all""#)).await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_502_and_its_connection_is_not_used_again() {
    let cases: [&'static [u8]; 10] = [
        b"garbage\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        b"HTTP/1.1 99 Low\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 1000 High\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-field : space\r\n\r\n",
    ];
    for bytes in cases {
        let origin = RawOrigin::answers(bytes).await;
        let gateway = Gateway::start(&Configuration::at(&[("raw", origin.address)])).await;
        let mut client = Client::h2(&gateway).await;
        for _ in 0..2 {
            let answer = client.ask(Ask::post("/", "body")).await;
            assert_eq!(answer.status, 502, "{:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(origin.connections(), 2, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_never_looks_finished() {
    let cases: [&'static [u8]; 2] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n",
    ];
    for bytes in cases {
        let origin = RawOrigin::answers(bytes).await;
        let gateway = Gateway::start(&Configuration::at(&[("raw", origin.address)])).await;
        for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
            let outcome = client.try_ask(Ask::get("/")).await;
            assert!(outcome.is_err(), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_400_and_reach_nobody() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let cases = [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a, b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: user@a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx-field : space\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\nhello",
    ];
    for case in cases {
        let mut raw = Raw::plain(&gateway).await;
        raw.say(case).await;
        let heard = raw.hear_all_after_end().await;
        assert!(heard.starts_with("HTTP/1.1 400 "), "{case:?}: {heard:?}");
    }
    assert_eq!(origin.requests(), 0);
    assert_eq!(Client::plain(&gateway).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_client_whose_large_body_nobody_wants_still_gets_its_answer() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).route(r#"match = { hosts = ["app.test"] }"#)).await;
    for mut raw in [Raw::plain(&gateway).await, Raw::tls(&gateway).await] {
        raw.say("POST / HTTP/1.1\r\nhost: elsewhere.test\r\ncontent-length: 50000000\r\n\r\n").await;
        raw.say(vec![b'x'; 4_000_000]).await;
        let heard = raw.hear_all().await;
        assert!(heard.starts_with("HTTP/1.1 404 "), "{heard:?}");
    }
}

#[tokio::test]
async fn heads_over_the_limits_are_431_and_414() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).tables("[limits]\nheaders = 50")).await;
    let many = |count: usize| (0..count).fold(Ask::get("/"), |ask, n| ask.header("x-many", &n.to_string()));
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        assert_eq!(client.ask(many(30)).await.status, 200);
        assert_eq!(client.ask(many(60)).await.status, 431);
    }
    let mut h1 = Client::h1(&gateway).await;
    assert_eq!(h1.get(&format!("/{}", "a".repeat(9_000))).await.status, 414);
    let mut h2 = Client::h2(&gateway).await;
    assert_eq!(h2.get(&format!("/{}", "a".repeat(9_000))).await.status, 414);
    let mut h1 = Client::h1(&gateway).await;
    assert_eq!(h1.ask(Ask::get("/").header("x-long", &"a".repeat(40_000))).await.status, 431);
}

#[tokio::test]
async fn tunnels_and_traces_are_not_offered() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    for request in
        ["CONNECT app.test:443 HTTP/1.1\r\nhost: app.test:443\r\n\r\n", "TRACE / HTTP/1.1\r\nhost: app.test\r\n\r\n"]
    {
        let mut raw = Raw::plain(&gateway).await;
        raw.say(request).await;
        let heard = raw.hear_all_after_end().await;
        assert!(heard.starts_with("HTTP/1.1 405 ") || heard.starts_with("HTTP/1.1 501 "), "{request:?}: {heard:?}");
    }
    assert_eq!(origin.requests(), 0);
}
