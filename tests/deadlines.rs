//! Nothing waits for ever: each wait has a deadline of its own, and who is slow holds up nobody else.

use http_body_util::BodyExt;

use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, within};

async fn with_timeouts(origin: &Origin, timeouts: &str) -> Gateway {
    Gateway::start(&Configuration::of(&[origin]).tables(&format!("[timeouts]\n{timeouts}"))).await
}

#[tokio::test]
async fn a_request_head_that_is_not_finished_in_time_is_cut() {
    let origin = Origin::start("a").await;
    let gateway = with_timeouts(&origin, r#"request-header = "300ms""#).await;
    for mut raw in [Raw::tls(&gateway).await, Raw::plain(&gateway).await] {
        raw.say("GET / HTTP/1.1\r\nhost: app.test\r\nx-sl").await;
        let heard = raw.hear_all().await;
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 408 "), "{heard:?}");
    }
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_request_head_that_drips_is_cut_all_the_same() {
    let origin = Origin::start("a").await;
    let gateway = with_timeouts(&origin, r#"request-header = "300ms""#).await;
    let mut raw = Raw::plain(&gateway).await;
    raw.say("GET / HTTP/1.1\r\nhost: app.test\r\n").await;
    within("the end of a dripping request", async {
        while raw.try_say("x-drip: drop\r\n").await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_after_its_idle_time() {
    let origin = Origin::start("a").await;
    let gateway = with_timeouts(&origin, r#"client-idle = "300ms""#).await;
    let mut raw = Raw::tls(&gateway).await;
    raw.say("GET / HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    raw.hear_until(r#""version""#).await;
    raw.hear_all().await;
    assert_eq!(Raw::plain(&gateway).await.hear_all().await, "");
    let mut h2 = Client::h2(&gateway).await;
    assert_eq!(h2.get("/").await.status, 200);
    crate::harness::eventually("the end of an idle connection", async || (!h2.is_open().await).then_some(())).await;
}

#[tokio::test]
async fn an_idle_time_does_not_cut_what_is_served() {
    let origin = Origin::start("a").await;
    let gateway = with_timeouts(&origin, "client-idle = \"300ms\"\nrequest-header = \"300ms\"").await;
    origin.hold();
    let mut clients = [Client::h1(&gateway).await, Client::h2(&gateway).await]
        .map(|mut client| tokio::spawn(async move { client.get("/").await }));
    origin.holds(2).await;
    // Longer than both, by the clock of a connection that is idle for as long.
    Raw::plain(&gateway).await.hear_all().await;
    Raw::plain(&gateway).await.hear_all().await;
    origin.release();
    for client in &mut clients {
        assert_eq!(client.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_body_on_which_nothing_moves_is_cut_in_either_direction() {
    let origin = Origin::start("a").await;
    let gateway = with_timeouts(&origin, r#"stream-idle = "300ms""#).await;
    origin.hold();
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        let mut body = client.send(Ask::get("/halves")).await.unwrap().into_body();
        assert!(within("the first half", body.frame()).await.unwrap().is_ok());
        assert!(within("the end of a stalled body", body.collect()).await.is_err());
    }
    origin.holds(0).await;
    let mut raw = Raw::plain(&gateway).await;
    raw.say("POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 10\r\n\r\nhalf").await;
    let heard = raw.hear_all().await;
    assert!(!heard.contains(" 200 OK"), "{heard:?}");
    origin.holds(0).await;
}

#[tokio::test]
async fn many_slow_heads_hold_up_nobody() {
    let origin = Origin::start("a").await;
    let gateway = with_timeouts(&origin, r#"request-header = "1s""#).await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut raw = Raw::plain(&gateway).await;
        raw.say("GET / HTTP/1.1\r\n").await;
        slow.push(raw);
    }
    for _ in 0..20 {
        assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
    }
    for raw in &mut slow {
        raw.hear_all().await;
    }
}

#[tokio::test]
async fn an_idle_h2_connection_is_not_taken_for_a_head_that_never_ends() {
    let origin = Origin::start("a").await;
    let gateway = with_timeouts(&origin, r#"request-header = "200ms""#).await;
    let mut client = Client::h2(&gateway).await;
    assert_eq!(client.get("/").await.status, 200);
    // Each of these lives as long as a head may take; the frames of HTTP/2 between requests are no head.
    for _ in 0..3 {
        let mut raw = Raw::plain(&gateway).await;
        raw.say("GET / HTTP/1.1\r\nx-never: ends").await;
        raw.hear_all().await;
    }
    assert_eq!(client.get("/again").await.status, 200);
}

#[tokio::test]
async fn a_client_that_stops_reading_lets_its_endpoint_go() {
    let origin = Origin::start("a").await;
    let gateway = with_timeouts(&origin, r#"send-stall = "300ms""#).await;
    for mut raw in [Raw::plain(&gateway).await, Raw::tls(&gateway).await] {
        raw.say("GET /bytes/1000000000 HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
        raw.hear_until("\r\n\r\n").await;
        // It stays open, and nobody reads.
        origin.holds(0).await;
    }
}

#[tokio::test]
async fn a_slow_head_on_a_kept_connection_is_cut_as_soon_as_on_a_fresh_one() {
    let origin = Origin::start("a").await;
    let gateway = with_timeouts(&origin, "request-header = \"300ms\"\nclient-idle = \"10m\"").await;
    let mut raw = Raw::plain(&gateway).await;
    raw.say("GET / HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    raw.hear_until("\"origin\"").await;
    raw.say("GET / HTTP/1.1\r\nx-never: ends").await;
    // Far less than the ten minutes for which it might have been idle.
    assert!(raw.hear_all().await.contains("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_head_that_began_behind_another_request_has_its_time_too() {
    let origin = Origin::start("a").await;
    let gateway = with_timeouts(&origin, "request-header = \"300ms\"\nclient-idle = \"10m\"").await;
    let request = "GET / HTTP/1.1\r\nhost: app.test\r\n\r\n";
    let mut raw = Raw::plain(&gateway).await;
    raw.say(format!("{request}GET / HTTP/1.1\r\nx-never: ends")).await;
    assert!(raw.hear_all().await.contains("HTTP/1.1 408 "));
    // Its time does not run while the one before is served: that is not its doing.
    origin.hold();
    let mut raw = Raw::plain(&gateway).await;
    raw.say(format!("{request}GET /late HTTP/1.1\r\nhost: ap")).await;
    origin.holds(1).await;
    for _ in 0..2 {
        let mut clock = Raw::plain(&gateway).await;
        clock.say("GET / HTTP/1.1\r\nx-never: ends").await;
        clock.hear_all().await;
    }
    raw.say("p.test\r\n\r\n").await;
    origin.release();
    raw.hear_until("\"target\":\"/late\"").await;
}

#[tokio::test]
async fn an_empty_line_between_requests_begins_none() {
    let origin = Origin::start("a").await;
    let gateway = with_timeouts(&origin, r#"request-header = "300ms""#).await;
    let mut raw = Raw::plain(&gateway).await;
    raw.say("GET / HTTP/1.1\r\nhost: app.test\r\n\r\n\r\n").await;
    raw.hear_until("\"version\"").await;
    for _ in 0..2 {
        let mut clock = Raw::plain(&gateway).await;
        clock.say("GET / HTTP/1.1\r\nx-never: ends").await;
        clock.hear_all().await;
    }
    raw.say("GET /again HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    raw.hear_until("\"target\":\"/again\"").await;
}
