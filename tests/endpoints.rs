//! Who may be chosen, and what happens when an endpoint is dead: the host has the last word, and a request that was not
//! sent is sent to another.

use crate::harness::raw::RawOrigin;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, component, load};

/// A gateway whose endpoint a request can name.
fn choosing(origins: &[&Origin]) -> Configuration {
    Configuration::of(origins).plugin("chooses", component("chooses")).selection(r#"["chooses", "round-robin"]"#)
}

fn at(path: &str, endpoints: &str) -> Ask {
    Ask::get(path).header("x-endpoint", endpoints)
}

#[tokio::test]
async fn a_plugin_chooses_and_the_log_says_which() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&choosing(&origins.each_ref())).await;
    let mut client = Client::h1(&gateway).await;
    for name in ["c", "a", "b", "c"] {
        assert_eq!(client.ask(at(&format!("/{name}"), name)).await.origin(), name);
        let line = gateway.exchange(&format!("/{name}")).await;
        assert_eq!((line.text("endpoint"), line.text("chosen_by")), (name, "app/selection/chooses"));
    }
}

#[tokio::test]
async fn an_endpoint_takes_no_more_requests_at_a_time_than_it_may() {
    let origins: [Origin; 2] = Origin::several().await;
    origins[0].hold();
    let gateway = Gateway::start(&choosing(&origins.each_ref()).endpoint(0, "max-in-flight = 1")).await;
    let mut first = Client::h1(&gateway).await;
    let held = tokio::spawn(async move { first.ask(at("/held", "a")).await });
    origins[0].holds(1).await;
    // Over connections of both workers: the bound is one for all.
    for _ in 0..10 {
        assert_eq!(Client::h1(&gateway).await.ask(at("/full", "a")).await.origin(), "b");
    }
    assert!(gateway.exchange("/full").await.text("why").contains("full"));
    origins[0].release();
    assert_eq!(held.await.unwrap().origin(), "a");
    assert_eq!(Client::h1(&gateway).await.ask(at("/free", "a")).await.origin(), "a");
}

#[tokio::test]
async fn a_draining_endpoint_is_not_chosen_by_a_use_that_did_not_ask_for_it() {
    let origins: [Origin; 2] = Origin::several().await;
    let gateway = Gateway::start(&choosing(&origins.each_ref()).endpoint(0, r#"state = "draining""#)).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!(client.ask(at("/drained", "a")).await.origin(), "b");
    assert!(gateway.exchange("/drained").await.text("why").contains("draining"));
    for _ in 0..10 {
        assert_eq!(client.get("/").await.origin(), "b");
    }
}

#[tokio::test]
async fn a_request_that_was_not_sent_is_sent_to_another_endpoint() {
    let origins: [Origin; 3] = Origin::several().await;
    origins[0].die().await;
    let gateway =
        Gateway::start(&choosing(&origins.each_ref()).upstream("ejection = { consecutive-failures = 0 }")).await;
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        let answer = client.ask(at("/again", "a b")).await;
        assert_eq!((answer.status.as_u16(), answer.origin()), (200, "b"));
        let posted = client.ask(Ask::post("/posted", "a body").header("x-endpoint", "a c")).await;
        assert_eq!((posted.origin(), &posted.seen()["body_bytes"]), ("c", &6.into()));
    }
    let line = gateway.exchange("/posted").await;
    assert_eq!((line.number("attempts"), line.text("endpoint")), (2, "c"));
    assert_ne!(line.text("why"), "");
}

#[tokio::test]
async fn a_body_is_sent_whole_to_the_endpoint_that_takes_the_place_of_one_that_just_died() {
    let origins: [Origin; 2] = Origin::several().await;
    let gateway =
        Gateway::start(&choosing(&origins.each_ref()).upstream("ejection = { consecutive-failures = 0 }")).await;
    let mut client = Client::h2(&gateway).await;
    for _ in 0..8 {
        assert_eq!(client.ask(at("/", "a")).await.origin(), "a");
    }
    // Its idle connections are still in the pool when the next request comes.
    origins[0].die().await;
    for _ in 0..20 {
        let posted = client.ask(Ask::post("/", "a body").header("x-endpoint", "a b")).await;
        assert_eq!((posted.origin(), &posted.seen()["body_start"]), ("b", &"a body".into()));
    }
}

#[tokio::test]
async fn an_endpoint_that_was_tried_is_not_tried_again_in_the_same_exchange() {
    let origins: [Origin; 2] = Origin::several().await;
    origins[0].die().await;
    let gateway = Gateway::start(&choosing(&origins.each_ref())).await;
    let answer = Client::h1(&gateway).await.ask(at("/", "a a")).await;
    assert_eq!((answer.status.as_u16(), answer.origin()), (200, "b"));
}

#[tokio::test]
async fn an_endpoint_is_ejected_after_failures_in_a_row_and_comes_back() {
    let origins: [Origin; 3] = Origin::several().await;
    origins[0].die().await;
    let ejection = r#"ejection = { consecutive-failures = 3, for = "1s" }"#;
    let gateway = Gateway::start(&choosing(&origins.each_ref()).upstream(ejection)).await;
    let mut client = Client::h1(&gateway).await;
    for _ in 0..3 {
        assert_eq!(client.ask(at("/failing", "a")).await.status, 200);
    }
    let ejected = gateway.log.wait_for("ejected", |event| event.text("endpoint") == "a").await;
    assert_eq!(ejected.text("upstream"), "app");
    assert_eq!(client.ask(at("/ejected", "a")).await.status, 200);
    let line = gateway.exchange("/ejected").await;
    // It may be back already on a slow machine.
    if gateway.log.filter("returned", |_| true).is_empty() {
        assert_eq!(line.number("attempts"), 1, "an ejected endpoint was tried: {line:?}");
    }
    gateway.log.wait_for("returned", |event| event.text("endpoint") == "a").await;
}

#[tokio::test]
async fn no_more_than_the_configured_share_of_endpoints_is_ejected() {
    let origins: [Origin; 4] = Origin::several().await;
    for origin in &origins[..3] {
        origin.die().await;
    }
    let ejection = r#"ejection = { consecutive-failures = 1, for = "1m", at-most = "50%" }"#;
    let gateway = Gateway::start(&choosing(&origins.each_ref()).upstream(ejection)).await;
    let mut client = Client::h1(&gateway).await;
    for endpoints in ["a d", "b d", "c d", "a d", "b d", "c d"] {
        assert_eq!(client.ask(at("/", endpoints)).await.origin(), "d");
    }
    assert_eq!(gateway.log.filter("ejected", |_| true).len(), 2);
}

#[tokio::test]
async fn a_backend_that_dies_under_load_costs_at_most_what_it_had_in_hand() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref())).await;
    let before = load(&gateway, 10, 200, |_| Ask::get("/")).await;
    assert!(before.iter().all(|answer| answer.status == 200));
    let (during, ()) = tokio::join!(load(&gateway, 10, 2_000, |_| Ask::get("/")), async {
        crate::harness::eventually("load", async || (origins[0].requests() > 200).then_some(())).await;
        origins[0].die().await;
    });
    let failed = during.iter().filter(|answer| answer.status != 200).count();
    assert!(failed <= 10, "{failed} of 2,000 requests failed over 10 connections");
    assert!(during.iter().all(|answer| [200, 502].contains(&answer.status.as_u16())));
    let after = load(&gateway, 10, 500, |_| Ask::get("/")).await;
    assert!(after.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn a_kept_connection_that_the_backend_has_closed_costs_no_request() {
    // Says nothing of closing, and closes after each answer.
    let origin = RawOrigin::answers(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let gateway = Gateway::start(&Configuration::at(&[("raw", origin.address)])).await;
    let mut client = Client::h2(&gateway).await;
    for _ in 0..200 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(origin.connections(), 200);
}

#[tokio::test]
async fn connections_to_endpoints_are_kept_and_used_again() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).workers(1)).await;
    let mut client = Client::h1(&gateway).await;
    for _ in 0..100 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert!(origin.connections() <= 2, "{} connections for 100 requests in a row", origin.connections());
}
