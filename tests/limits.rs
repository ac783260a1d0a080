//! What a route takes: bodies as long as it says, and of each client as many requests as it says.

use std::collections::BTreeSet;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;

use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, Raw};

fn limited(origin: &Origin, limits: &str) -> Configuration {
    let configuration = Configuration::of(&[origin]).tables("[admin]\naddress = \"127.0.0.1:0\"");
    configuration.route(&format!("limits = {{ {limits} }}"))
}

/// A rate of one in a time that does not pass while a test runs, so many at once.
fn rate(burst: u32, key: &str) -> String {
    format!(r#"rate = {{ requests = 1, per = "1h", burst = {burst}, key = {key} }}"#)
}

fn assert_refused(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.header("proxy-status").starts_with("sluice; error=http_request_"), "{answer:?}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_before_a_byte_of_it_is_read_and_the_connection_ends() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&limited(&origin, r#"body = "100B""#)).await;
    for mut raw in [Raw::plain(&gateway).await, Raw::tls(&gateway).await] {
        raw.say("POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 101\r\nexpect: 100-continue\r\n\r\n").await;
        let heard = raw.hear_all().await;
        assert!(heard.starts_with("HTTP/1.1 413 ") && heard.contains("connection: close\r\n"), "{heard:?}");
    }
    let mut h2 = Client::h2(&gateway).await;
    assert_refused(&h2.ask(Ask::post("/", vec![b'x'; 101])).await, 413);
    assert_eq!(origin.requests(), 0);
    assert_eq!(h2.ask(Ask::post("/", vec![b'x'; 100])).await.seen()["body_bytes"], 100);
    assert_eq!(h2.get("/").await.status, 200);
    let refused = r#"sluice_requests_refused_total{route="all",reason="body"}"#;
    gateway.shows(&[(refused, 3.0)]).await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_413_where_it_passes_the_limit_and_its_endpoint_is_let_go() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&limited(&origin, r#"body = "100B""#)).await;
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        for (last, status) in [(50, 200), (51, 413)] {
            let (mut sender, body) = Channel::new(1);
            let ask = Ask::new("POST", "/").body(body.boxed());
            let before = origin.requests();
            let answer = tokio::spawn(async move { (client.ask(ask).await, client) });
            sender.send_data(Bytes::from(vec![b'x'; 50])).await.unwrap();
            let here = async || (origin.requests() > before).then_some(());
            crate::harness::eventually("the first half at the origin", here).await;
            sender.send_data(Bytes::from(vec![b'x'; last])).await.unwrap();
            drop(sender);
            let (answer, back) = answer.await.unwrap();
            client = back;
            assert_eq!(answer.status, status, "{answer:?}");
            origin.holds(0).await;
        }
    }
}

#[tokio::test]
async fn requests_beyond_the_rate_are_429_and_say_when_to_come_again() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&limited(&origin, &rate(20, r#""client""#))).await;
    let mut workers = BTreeSet::new();
    let mut answers = Vec::new();
    // Over connections of all workers: the bound is one for all.
    for number in 0..30 {
        let mut client = if number % 2 == 0 { Client::h1(&gateway).await } else { Client::h2(&gateway).await };
        answers.push(client.get("/").await);
    }
    assert!(answers[..20].iter().all(|answer| answer.status == 200));
    for answer in &answers[20..] {
        assert_refused(answer, 429);
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((3_000..=3_600).contains(&wait), "{wait}");
    }
    assert_eq!(origin.requests(), 20);
    for line in gateway.exchanges(30).await {
        workers.insert(line.number("worker"));
    }
    assert_eq!(workers.len(), 2, "one worker idled");
    gateway.shows(&[(r#"sluice_requests_refused_total{route="all",reason="rate"}"#, 10.0)]).await;
}

#[tokio::test]
async fn each_client_has_a_rate_of_its_own_by_network_where_addresses_are_many() {
    let origin = Origin::start("a").await;
    let trusted = r#"trusted-proxies = ["127.0.0.0/8"]"#;
    let gateway = Gateway::start(&limited(&origin, &rate(1, r#""client""#)).listener(0, trusted)).await;
    let mut client = Client::h1(&gateway).await;
    let cases = [
        ("192.0.2.1", 200),
        ("192.0.2.2", 200),
        ("192.0.2.1", 429),
        ("2001:db8::1", 200),
        ("2001:db8::ffff:1", 429),
        ("2001:db8:0:1::1", 200),
    ];
    for (from, status) in cases {
        assert_eq!(client.ask(Ask::get("/").header("x-forwarded-for", from)).await.status, status, "{from}");
    }
}

#[tokio::test]
async fn clients_may_be_told_apart_by_a_field() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&limited(&origin, &rate(1, r#"{ header = "X-Api-Key" }"#))).await;
    let mut client = Client::h2(&gateway).await;
    for (key, status) in [("one", 200), ("two", 200), ("one", 429), ("three", 200), ("two", 429)] {
        assert_eq!(client.ask(Ask::get("/").header("x-api-key", key)).await.status, status, "{key}");
    }
    // Without it, by address.
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.get("/").await.status, 429);
}

#[tokio::test]
async fn a_reload_forgets_nobody_whose_bound_stays_and_begins_anew_with_another() {
    let origin = Origin::start("a").await;
    let base = limited(&origin, &rate(1, r#""client""#));
    let gateway = Gateway::start(&base).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!(client.get("/").await.status, 200);
    gateway.reload(&base.clone().endpoint(0, "weight = 2").text()).await;
    assert_eq!(client.get("/").await.status, 429);
    gateway.reload(&limited(&origin, &rate(2, r#""client""#)).text()).await;
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.get("/").await.status, 429);
}
