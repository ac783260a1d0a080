//! The gateway stops when it is asked to, and every request that it has accepted is answered first.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::harness::echo::SWITCH;
use crate::harness::frames::{ACK, Frames, GOAWAY, Outcome, PING, frame, get};
use crate::harness::supervised::activated;
use crate::harness::{Ask, Client, Configuration, Echo, Gateway, Origin, Raw, within};

/// G6.
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

/// G6.
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

/// G6: at the first request that an origin sees, the gateway has not even said that it is ready.
#[tokio::test]
async fn told_to_end_as_soon_as_it_serves_it_answers_what_it_has() {
    let origin = Origin::start("a").await;
    for _ in 0..10 {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut early = Raw::to(address).await;
        early.say("GET / HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
        origin.hold();
        let configuration = Configuration::of(&[&origin]).tables(&format!("[[listener]]\naddress = \"{address}\"\n"));
        let mut gateway = Gateway::begin_by(&configuration, |command| activated(&command, socket));
        origin.holds(1).await;
        gateway.terminate();
        gateway.log.wait_for("draining", |_| true).await;
        origin.release();
        assert!(early.hear_until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
        assert!(gateway.ended().await.success());
    }
}

/// G6: in two steps (RFC 9113 §6.8), so that what was sent before it heard of the first one is answered.
#[tokio::test]
async fn a_client_of_http2_is_told_twice_and_what_crosses_that_is_answered() {
    let origin = Origin::start("a").await;
    let mut gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let mut client = Frames::tls(&gateway).await;
    client.say(get(1, "/")).await;
    assert_eq!(client.outcome(1).await, Outcome::Answered(200));
    gateway.terminate();
    let (mut farewell, mut ping) = (None, None);
    while farewell.is_none() || ping.is_none() {
        let heard = client.hear().await.expect("a farewell");
        match (heard.kind, heard.flags) {
            (GOAWAY, _) => farewell = Some(heard.payload),
            (PING, 0) => ping = Some(heard.payload),
            _ => {}
        }
    }
    let last_stream_and_no_error = |last: u32| [last.to_be_bytes(), [0; 4]].concat();
    assert_eq!(farewell.unwrap(), last_stream_and_no_error(u32::MAX >> 1));
    client.say(get(3, "/")).await;
    assert_eq!(client.outcome(3).await, Outcome::Answered(200));
    client.say(frame(PING, ACK, 0, &ping.unwrap())).await;
    let farewell = client.hear_until(|frame| frame.kind == GOAWAY).await.expect("a second farewell");
    assert_eq!(farewell.payload, last_stream_and_no_error(3));
    assert_eq!(client.hear().await, None);
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

/// G6.
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

const ASKING: &str = "GET /chat HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/// A gateway whose exchanges get so long when it stops, and a WebSocket through it.
async fn with_a_websocket(origin: &Echo, timeouts: &str) -> (Gateway, Raw) {
    let configuration = Configuration::at(&[("echo", origin.address)]).tables(&format!("[timeouts]\n{timeouts}"));
    let gateway = Gateway::start(&configuration).await;
    let mut raw = Raw::tls(&gateway).await;
    raw.say(ASKING).await;
    raw.hear_until("\r\n\r\n").await;
    (gateway, raw)
}

#[tokio::test]
async fn what_streams_goes_on_longer_than_what_is_not_answered_yet() {
    let origin = Origin::start("a").await;
    let echo = Echo::answers(SWITCH).await;
    let configuration = Configuration::of(&[&origin]).tables(&format!(
        "[timeouts]\ndrain = \"200ms\"\n[[upstream]]\nname = \"echo\"\nendpoints = [{{ address = \"{}\" }}]\n\
         [[route]]\nname = \"chat\"\nmatch = {{ path = \"/chat\" }}\nupstream = \"echo\"",
        echo.address
    ));
    let mut gateway = Gateway::start(&configuration).await;
    let mut websocket = Raw::plain(&gateway).await;
    websocket.say(ASKING).await;
    websocket.hear_until("\r\n\r\n").await;
    origin.hold();
    let mut streams = Vec::new();
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        let response = client.send(Ask::get("/halves")).await.unwrap();
        streams.push((client, response));
    }
    let unanswered = [Client::h1(&gateway).await, Client::h2(&gateway).await]
        .map(|mut client| tokio::spawn(async move { client.try_ask(Ask::get("/")).await }));
    origin.holds(4).await;
    gateway.terminate();
    for unanswered in unanswered {
        assert!(unanswered.await.unwrap().is_err(), "`drain` is over");
    }
    websocket.say("still here").await;
    assert_eq!(websocket.hear(10).await, b"still here");
    origin.release();
    for (_client, response) in streams {
        let answer = within("the second half", crate::harness::client::read(response)).await.unwrap();
        assert_eq!(answer.text(), "first half, second half");
    }
    websocket.end().await;
    websocket.hear_all().await;
    assert!(gateway.ended().await.success());
    gateway.log.wait_for("stopped", |_| true).await;
    // Each worker counts its own.
    let cut_off = gateway.log.filter("cut off at the end of `drain`", |_| true);
    assert_eq!(cut_off.iter().map(|event| event.number("connections")).sum::<u64>(), 2);
}

#[tokio::test]
async fn streams_have_an_end_too() {
    let origin = Echo::answers(SWITCH).await;
    let timeouts = "drain = \"100ms\"\ndrain-streams = \"300ms\"";
    let (mut gateway, mut raw) = with_a_websocket(&origin, timeouts).await;
    gateway.terminate();
    assert_eq!(raw.hear_all().await, "");
    assert!(gateway.ended().await.success());
    let line = gateway.exchange("/chat").await;
    assert_eq!(line.text("why"), "the stream was cut at the end of `drain-streams`");
    assert_eq!(gateway.log.wait_for("cut off at the end of `drain`", |_| true).await.number("connections"), 1);
}

/// G6.
#[tokio::test]
async fn a_second_sigterm_does_not_wait_for_streams() {
    let origin = Echo::answers(SWITCH).await;
    let (mut gateway, mut raw) = with_a_websocket(&origin, "drain = \"100ms\"").await;
    gateway.terminate();
    gateway.log.wait_for("draining", |_| true).await;
    gateway.terminate();
    assert_eq!(gateway.ended().await.code(), Some(1));
    assert_eq!(raw.hear_all().await, "");
}

#[tokio::test]
async fn a_stream_outlives_the_listener_that_it_came_by() {
    let origin = Echo::answers(SWITCH).await;
    let configuration = Configuration::at(&[("echo", origin.address)]);
    let extra = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
    let timeouts = "[timeouts]\ndrain = \"100ms\"\n";
    let gateway = Gateway::start(&configuration.clone().tables(&format!("{timeouts}{extra}"))).await;
    let third = gateway.log.wait_for("listening", |event| event.0["listener"] == 2).await;
    let mut raw = Raw::to(third.text("address").parse().unwrap()).await;
    raw.say(ASKING).await;
    raw.hear_until("\r\n\r\n").await;
    let mut idle = Raw::to(third.text("address").parse().unwrap()).await;
    gateway.reload(&configuration.tables(timeouts).text()).await;
    // It is closed later than `drain`.
    assert_eq!(idle.hear_all().await, "");
    raw.say("still here").await;
    assert_eq!(raw.hear(10).await, b"still here");
}
