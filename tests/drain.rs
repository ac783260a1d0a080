//! The gateway stops when it is asked to, and every request that it has accepted is answered first.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, within};

#[tokio::test]
async fn sigterm_under_load_answers_every_accepted_request() {
    let origins: [Origin; 3] = Origin::several().await;
    let mut gateway = Gateway::start(&Configuration::of(&origins.each_ref())).await;
    static ANSWERED: AtomicUsize = AtomicUsize::new(0);
    let mut senders = JoinSet::new();
    for number in 0..20 {
        let mut client = if number % 2 == 0 { Client::h1(&gateway).await } else { Client::h2(&gateway).await };
        senders.spawn(async move {
            let mut answered = Vec::new();
            // Until the connection is closed, which an answer has announced, or a GOAWAY.
            while client.is_open().await {
                let id = format!("{number}-{}", answered.len());
                match client.try_ask(Ask::get("/").header("x-id", &id)).await {
                    Ok(answer) => assert_eq!(answer.status, 200),
                    // Given back before it was sent: the gateway never had it.
                    Err(error) if error.is_canceled() => break,
                    Err(error) => return (answered, Some((id, format!("{error:?}")))),
                }
                answered.push(id);
                ANSWERED.fetch_add(1, Ordering::SeqCst);
            }
            (answered, None)
        });
    }
    crate::harness::eventually("load", async || (ANSWERED.load(Ordering::SeqCst) > 500).then_some(())).await;
    gateway.terminate();
    let outcomes = senders.join_all().await;
    assert!(gateway.ended().await.success());
    let ids: Vec<_> = origins.iter().map(Origin::ids).collect();
    let seen = |id: &String| ids.iter().filter_map(|ids| ids.get(id)).sum::<u64>();
    for (answered, unanswered) in outcomes {
        assert!(answered.iter().all(|id| seen(id) == 1));
        // One that crossed the end of its connection is lost only if no origin has seen it.
        if let Some((id, error)) = unanswered {
            assert_eq!(seen(&id), 0, "{id} was accepted and not answered: {error}");
        }
    }
    gateway.log.wait_for("stopped", |_| true).await;
}

#[tokio::test]
async fn what_is_in_hand_is_finished_and_says_that_the_connection_closes() {
    let origin = Origin::start("a").await;
    let mut gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    origin.hold();
    let mut held = JoinSet::new();
    for h2 in [false, true] {
        let mut client = if h2 { Client::h2(&gateway).await } else { Client::h1(&gateway).await };
        held.spawn(async move {
            let answer = client.get("/").await;
            within("the end of the connection", client.closed()).await;
            (h2, answer)
        });
    }
    origin.holds(2).await;
    gateway.terminate();
    gateway.log.wait_for("draining", |_| true).await;
    origin.release();
    for (h2, answer) in held.join_all().await {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), if h2 { "" } else { "close" });
    }
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn idle_connections_do_not_keep_it_from_stopping() {
    let origin = Origin::start("a").await;
    let mut gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let (mut h1, mut h2) = (Client::h1(&gateway).await, Client::h2(&gateway).await);
    assert_eq!((h1.get("/").await.status, h2.get("/").await.status), (http::StatusCode::OK, http::StatusCode::OK));
    let _silent = Raw::plain(&gateway).await;
    let _no_handshake = Raw::to(gateway.secure).await;
    gateway.terminate();
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_given_up() {
    let origin = Origin::start("a").await;
    let mut gateway = Gateway::start(&Configuration::of(&[&origin]).tables("[timeouts]\ndrain = \"200ms\"")).await;
    origin.hold();
    let mut client = Client::h1(&gateway).await;
    let held = tokio::spawn(async move { client.try_ask(Ask::get("/")).await });
    origin.holds(1).await;
    gateway.terminate();
    gateway.ended().await;
    assert!(held.await.unwrap().is_err());
}
