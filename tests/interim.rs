//! Answers before the answer (1xx), and requests that wait to be asked for their bodies: both ends as literal bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::raw::{Ear, RawOrigin};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, eventually};

const GET: &str = "GET / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\r\n";
const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nconnection: x-hop\r\nx-hop: 1\r\ncontent-length: 7\r\n\r\n";
const HEARD: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const POST: &str = "POST /upload HTTP/1.1\r\nhost: app.test\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n";

async fn gateway(ear: &Ear) -> Gateway {
    Gateway::start(&Configuration::at(&[("ear", ear.address)])).await
}

#[tokio::test]
async fn hints_reach_the_client_before_the_answer() {
    let ear = Ear::open().await;
    let gateway = gateway(&ear).await;
    for mut client in [Raw::plain(&gateway).await, Raw::tls(&gateway).await] {
        client.say(GET).await;
        let mut endpoint = ear.accept().await;
        endpoint.hear_until("\r\n\r\n").await;
        endpoint.say(HINT).await;
        assert_eq!(client.hear_until("\r\n\r\n").await, HEARD);
        endpoint.say("HTTP/1.1 102 Processing\r\n\r\n").await;
        assert_eq!(client.hear_until("\r\n\r\n").await, "HTTP/1.1 102 Processing\r\n\r\n");
        // Together with the answer, in one piece.
        endpoint.say([HINT, OK].concat()).await;
        let heard = client.hear_all().await;
        let answer = heard.strip_prefix(HEARD).unwrap_or_else(|| panic!("{heard}"));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{heard}");
    }
    for line in gateway.exchanges(2).await {
        assert_eq!((line.number("status"), line.number("bytes_out"), line.text("why")), (200, 2, ""));
    }
}

#[tokio::test]
async fn clients_that_cannot_take_hints_get_none() {
    let origin = RawOrigin::answers(
        b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let gateway = Gateway::start(&Configuration::at(&[("raw", origin.address)])).await;
    let mut client = Raw::plain(&gateway).await;
    client.say("GET / HTTP/1.0\r\nhost: app.test\r\n\r\n").await;
    assert!(client.hear_all().await.starts_with("HTTP/1.0 200 OK\r\n"));
    assert_eq!(Client::h2(&gateway).await.get("/").await.text(), "ok");
}

/// E5
#[tokio::test]
async fn hints_without_end_are_a_broken_answer() {
    let ear = Ear::open().await;
    let gateway = gateway(&ear).await;
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        let answer = tokio::spawn(async move { client.get("/").await });
        let mut endpoint = ear.accept().await;
        endpoint.hear_until("\r\n\r\n").await;
        while endpoint.try_say(HINT).await {
            tokio::task::yield_now().await;
        }
        let answer = answer.await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("proxy-status")), (502, "sluice; error=http_protocol_error"));
    }
}

#[tokio::test]
async fn hints_never_stand_in_the_middle_of_an_answer() {
    const ANSWERS: usize = 40;
    let large = "x".repeat(300_000);
    let answer = format!("{HINT}HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{large}", large.len());
    let ear = Ear::open().await;
    let gateway = gateway(&ear).await;
    let mut client = Raw::plain(&gateway).await;
    client.say("GET / HTTP/1.1\r\nhost: app.test\r\n\r\n".repeat(ANSWERS - 1) + GET).await;
    let mut endpoint = ear.accept().await;
    let served = Arc::new(AtomicUsize::new(0));
    let serving = tokio::spawn({
        let served = served.clone();
        async move {
            for _ in 0..ANSWERS {
                endpoint.hear_until("\r\n\r\n").await;
                endpoint.say(&answer).await;
                served.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    // Nobody reads until no more fits the way: then some answer is half written when the next exchange begins.
    let (mut before, mut still) = (0, 0);
    eventually("a full way", async || {
        let now = served.load(Ordering::SeqCst);
        still = if now == before { still + 1 } else { 0 };
        before = now;
        (now > 0 && still > 20).then_some(())
    })
    .await;
    let heard = client.hear_all().await;
    serving.await.unwrap();
    let without_hints = heard.replace(HEARD, "");
    let answers: Vec<&str> = without_hints.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    assert_eq!(answers.len(), ANSWERS);
    for answer in answers {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-length: 300000") && body == large, "{head} {} bytes", body.len());
    }
}

#[tokio::test]
async fn a_body_is_sent_when_the_endpoint_asks_for_it() {
    for over_tls in [false, true] {
        let ear = Ear::open().await;
        let gateway = gateway(&ear).await;
        let mut client = if over_tls { Raw::tls(&gateway).await } else { Raw::plain(&gateway).await };
        client.say(POST).await;
        let mut endpoint = ear.accept().await;
        let head = endpoint.hear_until("\r\n\r\n").await;
        assert!(head.contains("\r\nexpect: 100-continue\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        endpoint.say("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert_eq!(client.hear_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
        client.say("body").await;
        assert_eq!(endpoint.hear(4).await, b"body");
        endpoint.say(OK).await;
        let heard = client.hear_until("\r\n\r\nok").await;
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\n") && !heard.contains("connection"), "{heard}");
        // Nothing is wrong with either connection.
        client.say("GET /next HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
        assert!(endpoint.hear_until("\r\n\r\n").await.starts_with("GET /next "));
        endpoint.say(OK).await;
        client.hear_until("\r\n\r\nok").await;
    }
}

/// RFC 9110 §9.2.2: nothing that decides anything has gone to the client by then.
#[tokio::test]
async fn a_request_that_is_sent_once_more_is_asked_for_its_body_once() {
    let ear = Ear::open().await;
    let again = Configuration::at(&[("ear", ear.address)]).route(r#"retry = { on = ["reset", "503"] }"#);
    let gateway = Gateway::start(&again).await;
    // What becomes of the first attempt: it breaks before it asks, answers without asking, and breaks when it has asked.
    for (first, has_asked) in [
        ("", false),
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", false),
        ("HTTP/1.1 100 Continue\r\n\r\n", true),
    ] {
        let mut client = Raw::plain(&gateway).await;
        client.say(POST.replace("POST", "PUT")).await;
        let mut endpoint = ear.accept().await;
        endpoint.hear_until("\r\n\r\n").await;
        endpoint.say(first).await;
        if has_asked {
            assert_eq!(client.hear_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
            client.say("body").await;
            assert_eq!(endpoint.hear(4).await, b"body");
        }
        drop(endpoint);
        let mut endpoint = ear.accept().await;
        let end = if has_asked { "\r\n\r\nbody" } else { "\r\n\r\n" };
        let head = endpoint.hear_until(end).await;
        assert_eq!(head.contains("\r\nexpect: "), !has_asked, "{head}");
        if !has_asked {
            endpoint.say("HTTP/1.1 100 Continue\r\n\r\n").await;
            assert_eq!(client.hear_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
            client.say("body").await;
            assert_eq!(endpoint.hear(4).await, b"body");
        }
        endpoint.say(OK.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")).await;
        let heard = client.hear_until("\r\n\r\nok").await;
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\n") && !heard.contains("connection"), "{heard}");
    }
}

#[tokio::test]
async fn hints_of_an_attempt_that_comes_to_nothing_are_hints_all_the_same() {
    let ear = Ear::open().await;
    let gateway = gateway(&ear).await;
    let mut client = Raw::plain(&gateway).await;
    client.say(GET).await;
    let mut endpoint = ear.accept().await;
    endpoint.hear_until("\r\n\r\n").await;
    endpoint.say(HINT).await;
    assert_eq!(client.hear_until("\r\n\r\n").await, HEARD);
    drop(endpoint);
    let mut endpoint = ear.accept().await;
    endpoint.hear_until("\r\n\r\n").await;
    endpoint.say(OK).await;
    assert!(client.hear_all().await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(gateway.exchanges(1).await[0].number("attempts"), 2);
}

#[tokio::test]
async fn a_body_that_is_not_wanted_is_never_asked_for() {
    let ear = Ear::open().await;
    let gateway = gateway(&ear).await;
    let mut client = Raw::plain(&gateway).await;
    client.say(POST).await;
    let mut endpoint = ear.accept().await;
    endpoint.hear_until("\r\n\r\n").await;
    endpoint.say("HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno").await;
    let heard = client.hear_all_after_end().await;
    assert!(heard.starts_with("HTTP/1.1 413 ") && heard.contains("\r\nconnection: close\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\nno") && !heard.contains("100 Continue"), "{heard}");
    // The endpoint's connection has no further use: it waits for a body that does not come.
    assert_eq!(endpoint.hear_all().await, "");

    let mut client = Raw::plain(&gateway).await;
    client.say(POST.replace("app.test", "app test")).await;
    let heard = client.hear_all_after_end().await;
    assert!(heard.starts_with("HTTP/1.1 400 ") && !heard.contains("100 Continue"), "{heard}");
}

#[tokio::test]
async fn an_endpoint_that_does_not_ask_gets_the_body_all_the_same() {
    let ear = Ear::open().await;
    let gateway = gateway(&ear).await;
    let mut client = Raw::tls(&gateway).await;
    client.say(POST).await;
    let mut endpoint = ear.accept().await;
    endpoint.hear_until("\r\n\r\n").await;
    assert_eq!(client.hear_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.say("body").await;
    assert_eq!(endpoint.hear(4).await, b"body");
    endpoint.say(OK).await;
    client.hear_until("\r\n\r\nok").await;
}

#[tokio::test]
async fn a_body_that_comes_without_being_asked_for_passes() {
    let ear = Ear::open().await;
    let gateway = gateway(&ear).await;
    let mut client = Raw::tls(&gateway).await;
    client.say([POST, "body"].concat()).await;
    let mut endpoint = ear.accept().await;
    let heard = endpoint.hear_until("\r\n\r\nbody").await;
    assert!(heard.ends_with("\r\n\r\nbody"), "{heard}");
    endpoint.say(OK).await;
    assert!(client.hear_until("\r\n\r\nok").await.contains("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn who_cannot_be_asked_is_not() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let mut client = Raw::plain(&gateway).await;
    client.say(POST.replace("HTTP/1.1", "HTTP/1.0") + "body").await;
    let heard = client.hear_all().await;
    assert!(heard.starts_with("HTTP/1.0 200 OK\r\n") && heard.contains(r#""body_bytes":4"#), "{heard}");
    let ask = Ask::post("/upload", "body").header("expect", "100-continue");
    let answer = Client::h2(&gateway).await.ask(ask).await;
    assert_eq!((answer.seen()["body_bytes"].as_u64(), &*answer.seen_field("expect")), (Some(4), ""));
    // There is no body to ask for.
    let mut client = Raw::plain(&gateway).await;
    client.say(GET.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n")).await;
    let heard = client.hear_all().await;
    assert!(heard.starts_with("HTTP/1.1 200 OK\r\n") && !heard.contains("expect"), "{heard}");
}
