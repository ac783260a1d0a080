//! An upstream gets as many requests at a time as it may; others wait in line for as long as they may, and then get 503.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use tokio::task::JoinHandle;

use crate::harness::script::{Act, OK, Scripted};
use crate::harness::{Answer, Ask, Client, Configuration, Event, Gateway, Origin, PATIENCE, load};

const WAITING: &str = r#"sluice_requests_queued{upstream="app"}"#;

fn bounded(origins: &[&Origin], lines: &str) -> Configuration {
    Configuration::of(origins).upstream(lines).tables("[admin]\naddress = \"127.0.0.1:0\"")
}

/// Sends a request over a connection of its own; by turns over each protocol.
async fn send(gateway: &Gateway, number: usize) -> JoinHandle<Answer> {
    let mut client = if number.is_multiple_of(2) { Client::h1(gateway).await } else { Client::h2(gateway).await };
    tokio::spawn(async move { client.get(&format!("/{number}")).await })
}

fn assert_full(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"), "{answer:?}");
    assert!(answer.header("proxy-status").contains("connection_limit_reached"), "{answer:?}");
}

#[tokio::test]
async fn an_upstream_that_is_full_is_503_at_once_where_nobody_may_wait() {
    let origins: [Origin; 2] = Origin::several().await;
    let gateway = Gateway::start(&bounded(&origins.each_ref(), "max-in-flight = 3")).await;
    origins.iter().for_each(Origin::hold);
    let mut held = Vec::new();
    for number in 0..3 {
        held.push(send(&gateway, number).await);
    }
    gateway.shows(&[(r#"sluice_attempts_total{upstream="app",endpoint="a"}"#, 2.0)]).await;
    origins[1].holds(1).await;
    // Over connections of both workers: the bound is one for all.
    for number in 3..13 {
        assert_full(&send(&gateway, number).await.await.unwrap());
    }
    gateway.shows(&[(r#"sluice_requests_refused_total{route="all",reason="full"}"#, 10.0)]).await;
    origins.iter().for_each(Origin::release);
    for answer in held {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(send(&gateway, 13).await.await.unwrap().status, 200);
}

#[tokio::test]
async fn who_waits_is_served_in_the_order_of_coming_over_all_workers() {
    // The first one is answered when its body has come, the others at once.
    let origin = Scripted::start(|connection, request| match (connection, request) {
        (0, 0) => Act::After("0\r\n\r\n", OK),
        _ => Act::Answer(OK),
    });
    let origin = origin.await;
    let lines = "max-in-flight = 1\nqueue = { length = 20, timeout = \"1m\" }";
    let configuration = Configuration::at(&[("a", origin.address)]).upstream(lines);
    let gateway = Gateway::start(&configuration.tables("[admin]\naddress = \"127.0.0.1:0\"")).await;
    let (mut body, streamed) = Channel::new(1);
    let mut client = Client::h1(&gateway).await;
    let first = tokio::spawn(async move { client.ask(Ask::new("POST", "/").body(streamed.boxed())).await });
    gateway.shows(&[(r#"sluice_requests_in_flight{upstream="app",endpoint="a"}"#, 1.0)]).await;
    let mut waiting = Vec::new();
    for number in 1..=20 {
        waiting.push(send(&gateway, number).await);
        gateway.shows(&[(WAITING, number as f64)]).await;
    }
    // The line is full.
    assert_full(&send(&gateway, 21).await.await.unwrap());
    body.send_data(Bytes::from("go")).await.unwrap();
    drop(body);
    for answer in std::iter::once(first).chain(waiting) {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    let heard = origin.heard();
    let served = heard.iter().filter_map(|heard| heard.split("GET /").nth(1)?.split(' ').next());
    assert_eq!(served.collect::<Vec<_>>(), (1..=20).map(|number| number.to_string()).collect::<Vec<_>>());
    let lines = gateway.exchanges(22).await;
    let waited = |line: &&Event| line.number("queued_us") > 0;
    assert_eq!(lines.iter().filter(waited).count(), 20);
    let mut workers: Vec<u64> = lines.iter().map(|line| line.number("worker")).collect();
    workers.sort_unstable();
    workers.dedup();
    assert_eq!(workers.len(), 2, "one worker idled");
    let scrape = gateway.shows(&[(WAITING, 0.0), (r#"sluice_queue_waits_total{upstream="app"}"#, 20.0)]).await;
    assert!(scrape.value(r#"sluice_queue_wait_seconds_total{upstream="app"}"#) > 0.0);
}

#[tokio::test]
async fn who_has_waited_for_too_long_gets_503() {
    let origin = Origin::start("a").await;
    let lines = "max-in-flight = 1\nqueue = { timeout = \"300ms\" }";
    let gateway = Gateway::start(&bounded(&[&origin], lines)).await;
    origin.hold();
    let first = send(&gateway, 0).await;
    origin.holds(1).await;
    let began = Instant::now();
    assert_full(&send(&gateway, 1).await.await.unwrap());
    assert!((Duration::from_millis(250)..PATIENCE / 3).contains(&began.elapsed()), "{:?}", began.elapsed());
    let line = gateway.exchange("/1").await;
    assert!(line.number("queued_us") >= 250_000 && line.text("why").contains("app is full"), "{line:?}");
    origin.release();
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_the_line_makes_room_in_it_and_takes_no_place() {
    let origin = Origin::start("a").await;
    let lines = "max-in-flight = 1\nqueue = { length = 2, timeout = \"1m\" }";
    let gateway = Gateway::start(&bounded(&[&origin], lines)).await;
    origin.hold();
    let first = send(&gateway, 0).await;
    origin.holds(1).await;
    for round in 0..4 {
        let leaves = [send(&gateway, 2 * round + 1).await, send(&gateway, 2 * round + 2).await];
        gateway.shows(&[(WAITING, 2.0)]).await;
        leaves.iter().for_each(JoinHandle::abort);
        gateway.shows(&[(WAITING, 0.0)]).await;
    }
    let stays = send(&gateway, 100).await;
    gateway.shows(&[(WAITING, 1.0)]).await;
    origin.release();
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(stays.await.unwrap().status, 200);
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn where_all_endpoints_are_full_the_next_waits_for_whichever_gets_free() {
    let origins: [Origin; 2] = Origin::several().await;
    let lines = "queue = { length = 4, timeout = \"1m\" }";
    let configuration = bounded(&origins.each_ref(), lines);
    let gateway =
        Gateway::start(&configuration.endpoint(0, "max-in-flight = 1").endpoint(1, "max-in-flight = 1")).await;
    origins.iter().for_each(Origin::hold);
    let held = [send(&gateway, 0).await, send(&gateway, 1).await];
    origins[0].holds(1).await;
    origins[1].holds(1).await;
    let waits = [send(&gateway, 2).await, send(&gateway, 3).await];
    gateway.shows(&[(WAITING, 2.0)]).await;
    origins[1].release();
    for answer in waits {
        assert_eq!(answer.await.unwrap().origin(), "b");
    }
    origins[0].release();
    for answer in held {
        assert_eq!(answer.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn many_more_than_may_be_there_at_a_time_are_all_served_and_never_too_many() {
    let origin = Origin::start("a").await;
    let lines = "max-in-flight = 3\nqueue = { length = 1000, timeout = \"1m\" }";
    let gateway = Gateway::start(&bounded(&[&origin], lines)).await;
    origin.answers_after(1);
    let (answers, most) = tokio::join!(load(&gateway, 32, 1_500, |_| Ask::get("/")), async {
        let mut most = 0;
        while origin.requests() < 1_400 {
            most = most.max(origin.in_hand());
            tokio::task::yield_now().await;
        }
        most
    });
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!((1..=3).contains(&most), "{most} at a time");
}

#[tokio::test]
async fn a_reload_changes_the_bound_and_keeps_count() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&bounded(&[&origin], "max-in-flight = 2")).await;
    origin.hold();
    let held = [send(&gateway, 0).await, send(&gateway, 1).await];
    origin.holds(2).await;
    gateway.reload(&bounded(&[&origin], "max-in-flight = 3").text()).await;
    let third = send(&gateway, 2).await;
    origin.holds(3).await;
    assert_full(&send(&gateway, 3).await.await.unwrap());
    origin.release();
    for answer in held.into_iter().chain([third]) {
        assert_eq!(answer.await.unwrap().status, 200);
    }
}
