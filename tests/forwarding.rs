//! What the gateway does to the messages that pass: the duties of an intermediary, seen from both of its sides.

use crate::harness::raw::RawOrigin;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw};

async fn plain_gateway(origin: &Origin) -> Gateway {
    Gateway::start(&Configuration::of(&[origin])).await
}

#[tokio::test]
async fn fields_of_one_connection_do_not_pass_in_either_direction() {
    let origin = Origin::start("a").await;
    let gateway = plain_gateway(&origin).await;
    let ask = Ask::get("/")
        .header("connection", "x-mine, keep-alive")
        .header("x-mine", "one")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header("proxy-authorization", "Basic c2VjcmV0")
        .header("te", "gzip")
        .header("x-stays", "yes")
        .header(
            "x-answer-with",
            "connection: x-theirs|x-theirs: one|keep-alive: timeout=5|proxy-authenticate: Basic|x-kept: yes",
        );
    let answer = Client::h1(&gateway).await.ask(ask).await;
    for field in ["x-mine", "keep-alive", "proxy-connection", "proxy-authorization", "te", "connection"] {
        assert_eq!(answer.seen_field(field), "", "{field} reached the origin");
    }
    for field in ["x-theirs", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(field), "", "{field} reached the client");
    }
    assert_eq!((&*answer.seen_field("x-stays"), answer.header("x-kept")), ("yes", "yes"));
}

#[tokio::test]
async fn via_says_by_which_protocol_a_request_came() {
    let origin = Origin::start("a").await;
    let gateway = plain_gateway(&origin).await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.seen_field("via"), "1.1 sluice");
    assert_eq!(Client::h2(&gateway).await.get("/").await.seen_field("via"), "2.0 sluice");
    let answer = Client::h1(&gateway).await.ask(Ask::get("/").header("via", "1.0 before")).await;
    assert_eq!(answer.seen_field("via"), "1.0 before, 1.1 sluice");
}

#[tokio::test]
async fn what_a_stranger_says_of_its_origin_is_replaced() {
    let origin = Origin::start("a").await;
    let gateway = plain_gateway(&origin).await;
    let ask = || {
        Ask::get("/")
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-forwarded-proto", "ftp")
            .header("x-forwarded-host", "evil.example")
            .header("forwarded", "for=203.0.113.9;host=evil.example")
    };
    let answer = Client::h1(&gateway).await.ask(ask()).await;
    assert_eq!(answer.seen_field("x-forwarded-for"), "127.0.0.1");
    assert_eq!(answer.seen_field("x-forwarded-proto"), "https");
    assert_eq!(answer.seen_field("x-forwarded-host"), "app.test");
    assert_eq!(answer.seen_field("forwarded"), "for=127.0.0.1;host=app.test;proto=https");
    assert_eq!(Client::plain(&gateway).await.ask(ask()).await.seen_field("x-forwarded-proto"), "http");
    assert_eq!(gateway.exchange("/").await.text("client"), "127.0.0.1");
}

#[tokio::test]
async fn what_a_trusted_proxy_says_is_kept_and_continued() {
    let origin = Origin::start("a").await;
    let trusting = Configuration::of(&[&origin]).listener(0, r#"trusted-proxies = ["127.0.0.1"]"#);
    let gateway = Gateway::start(&trusting).await;
    let ask = Ask::get("/").header("x-forwarded-for", "203.0.113.9").header("x-forwarded-proto", "http");
    let answer = Client::h2(&gateway).await.ask(ask).await;
    assert_eq!(answer.seen_field("x-forwarded-for"), "203.0.113.9, 127.0.0.1");
    assert_eq!(answer.seen_field("x-forwarded-proto"), "http");
    assert_eq!(gateway.exchange("/").await.text("client"), "203.0.113.9");
}

#[tokio::test]
async fn the_origin_sees_one_host_and_it_is_the_one_asked_for() {
    let origin = Origin::start("a").await;
    let gateway = plain_gateway(&origin).await;
    let mut h2 = Client::h2(&gateway).await;
    assert_eq!(h2.ask(Ask::get("/").host("other.example")).await.seen_field("host"), "other.example");
    assert_eq!(h2.ask(Ask::get("/").header("host", "app.test")).await.seen_field("host"), "app.test");
    // The absolute form wins over the field.
    let mut raw = Raw::plain(&gateway).await;
    raw.say("GET http://absolute.example/x HTTP/1.1\r\nhost: other.example\r\nconnection: close\r\n\r\n").await;
    let heard = raw.hear_all().await;
    assert!(heard.contains(r#""host":["absolute.example"]"#) && heard.contains(r#""target":"/x""#), "{heard}");
}

#[tokio::test]
async fn answers_without_a_body_have_none_and_the_connection_goes_on() {
    let origin = Origin::start("a").await;
    let gateway = plain_gateway(&origin).await;
    for h2 in [false, true] {
        let mut client = if h2 { Client::h2(&gateway).await } else { Client::h1(&gateway).await };
        let head = client.ask(Ask::new("HEAD", "/bytes/1000")).await;
        assert_eq!((head.header("content-length"), head.body.len()), ("1000", 0));
        for status in [204, 304] {
            let answer = client.get(&format!("/status/{status}")).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0));
        }
        assert_eq!(client.get("/bytes/1000").await.body.len(), 1000);
    }
}

#[tokio::test]
async fn cookies_are_joined_for_the_origin_and_its_own_stay_apart() {
    let origin = Origin::start("a").await;
    let gateway = plain_gateway(&origin).await;
    let ask = Ask::get("/").header("cookie", "a=1").header("cookie", "b=2").header("cookie", "c=3");
    let answer = Client::h2(&gateway).await.ask(ask.header("x-answer-with", "set-cookie: d=4|set-cookie: e=5")).await;
    assert_eq!(answer.seen_field("cookie"), "a=1; b=2; c=3");
    assert_eq!(answer.headers("set-cookie"), ["d=4", "e=5"]);
}

#[tokio::test]
async fn a_date_is_added_where_it_is_missing_and_left_where_it_is_not() {
    let dateless = RawOrigin::answers(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let dated =
        RawOrigin::answers(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nok")
            .await;
    for (origin, expected) in [(&dateless, None), (&dated, Some("Thu, 01 Jan 1970 00:00:00 GMT"))] {
        let gateway = Gateway::start(&Configuration::at(&[("raw", origin.address)])).await;
        let answer = Client::h1(&gateway).await.get("/").await;
        let dates = answer.headers("date");
        assert!(dates.len() == 1 && expected.is_none_or(|expected| dates[0] == expected), "{dates:?}");
    }
}

#[tokio::test]
async fn an_expectation_is_answered_before_the_body_is_sent() {
    let origin = Origin::start("a").await;
    let gateway = plain_gateway(&origin).await;
    let mut raw = Raw::tls(&gateway).await;
    raw.say(
        "POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 4\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
    )
    .await;
    raw.hear_until("HTTP/1.1 100 ").await;
    raw.say("body").await;
    let heard = raw.hear_all().await;
    assert!(heard.contains(" 200 OK") && heard.contains(r#""body_bytes":4"#), "{heard}");

    let mut raw = Raw::tls(&gateway).await;
    raw.say(
        "POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 4\r\nexpect: a-miracle\r\nconnection: close\r\n\r\nbody",
    )
    .await;
    assert!(raw.hear_all().await.starts_with("HTTP/1.1 417 "));
}

#[tokio::test]
async fn bytes_that_are_no_text_pass_unchanged() {
    let origin = RawOrigin::answers(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-bytes: caf\xe9 \xff\r\n\r\n").await;
    let gateway = Gateway::start(&Configuration::at(&[("raw", origin.address)])).await;
    let answer = Client::h2(&gateway).await.get("/").await;
    assert_eq!(answer.headers["x-bytes"].as_bytes(), b"caf\xe9 \xff");
}

#[tokio::test]
async fn methods_keep_their_case_and_unknown_ones_pass() {
    let origin = Origin::start("a").await;
    let gateway = plain_gateway(&origin).await;
    for method in ["PURGE", "get", "PATCH", "OPTIONS"] {
        assert_eq!(Client::h1(&gateway).await.ask(Ask::new(method, "/")).await.seen()["method"], method);
    }
}

#[tokio::test]
async fn authorization_and_cookies_reach_the_origin_and_never_the_log() {
    let origin = Origin::start("a").await;
    let gateway = plain_gateway(&origin).await;
    let ask = Ask::get("/quiet?token=hush-query").header("authorization", "Bearer hush-bearer");
    let ask = ask.header("cookie", "session=hush-cookie").header("x-answer-with", "set-cookie: session=hush-set");
    let answer = Client::h1(&gateway).await.ask(ask).await;
    assert_eq!(answer.seen_field("authorization"), "Bearer hush-bearer");
    gateway.exchange("/quiet").await;
    let log = gateway.log.events();
    assert!(!log.iter().any(|event| event.0.to_string().contains("hush")), "{log:?}");
}

#[tokio::test]
async fn the_access_line_tells_the_whole_exchange() {
    let origin = Origin::start("a").await;
    let gateway = plain_gateway(&origin).await;
    Client::h1(&gateway).await.ask(Ask::post("/bytes/1000", "hello")).await;
    let line = gateway.exchange("/bytes/1000").await;
    let texts = ["route", "upstream", "endpoint", "chosen_by", "method", "client", "why"].map(|field| line.text(field));
    assert_eq!(texts, ["all", "app", "a", "app/selection/round-robin", "POST", "127.0.0.1", ""]);
    let numbers = ["status", "attempts", "bytes_in", "bytes_out"].map(|field| line.number(field));
    assert_eq!(numbers, [200, 1, 5, 1000]);
    assert!(line.number("duration_us") >= line.number("upstream_us") && line.number("upstream_us") > 0, "{line:?}");
}
