//! WebSocket and other protocols that begin as HTTP: the gateway passes the change on, then the bytes, both ways, and counts
//! them as one exchange until both sides have ended.

use crate::harness::echo::{self, SWITCH};
use crate::harness::raw::Ear;
use crate::harness::{Ask, Client, Configuration, Echo, Gateway, Origin, Raw, within};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn asking(protocol: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nhost: app.test\r\nconnection: keep-alive, Upgrade\r\nupgrade: {protocol}\r\n\
         sec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\n\r\n"
    )
}

async fn gateway(origin: &Echo) -> Gateway {
    Gateway::start(&Configuration::at(&[("echo", origin.address)])).await
}

async fn upgraded(gateway: &Gateway) -> Raw {
    let mut raw = Raw::tls(gateway).await;
    raw.say(asking("websocket")).await;
    let head = raw.hear_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    raw
}

#[tokio::test]
async fn an_upgraded_stream_goes_both_ways_and_is_told_of_at_its_end() {
    let origin = Echo::answers(SWITCH).await;
    let gateway = gateway(&origin).await;
    for mut raw in [Raw::plain(&gateway).await, Raw::tls(&gateway).await] {
        // What comes right behind the head belongs to the other protocol.
        raw.say(asking("websocket") + "early ").await;
        let heard = raw.hear_until("early ").await;
        let (head, _) = heard.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<&str> = head.lines().filter(|line| !line.starts_with("date: ")).collect();
        lines.sort_unstable();
        let accept = format!("sec-websocket-accept: {}", echo::accept(KEY));
        let expected = [
            "HTTP/1.1 101 Switching Protocols",
            "connection: upgrade",
            &accept,
            "upgrade: websocket",
            "x-origin: echo",
        ];
        assert_eq!(lines, expected);
        raw.say([0, 255, 13, 10]).await;
        assert_eq!(raw.hear(4).await, [0, 255, 13, 10]);
        raw.end().await;
        assert_eq!(raw.hear_all().await, "goodbye");
    }
    for head in origin.heads() {
        let lines = ["connection: upgrade", "upgrade: websocket", &format!("sec-websocket-key: {KEY}")];
        assert!(lines.iter().all(|line| head.lines().any(|found| found == *line)), "{head}");
    }
    let lines = gateway.exchanges(2).await;
    for line in lines {
        let numbers = ["status", "attempts", "bytes_in", "bytes_out"].map(|field| line.number(field));
        assert_eq!(numbers, [101, 1, 10, 17], "{line:?}");
        assert_eq!((line.text("endpoint"), line.text("why")), ("echo", ""));
    }
}

#[tokio::test]
async fn bytes_right_behind_the_head_need_not_look_like_http() {
    let origin = Echo::answers(SWITCH).await;
    let gateway = gateway(&origin).await;
    let early = [0x81, 0x85, 0, 10, 13, 255, b'x', b'\n', b'\n', 0];
    for pieces in [1, 100_000] {
        let mut raw = Raw::plain(&gateway).await;
        for piece in [asking("websocket").as_bytes(), &early].concat().chunks(pieces) {
            raw.say(piece).await;
        }
        raw.hear_until("\r\n\r\n").await;
        raw.say("later").await;
        let heard = raw.hear_bytes_until(b"later").await;
        assert!(heard.ends_with(b"later"), "{}", heard.escape_ascii());
        raw.end().await;
        raw.hear_all().await;
    }
    // All of them arrived, whether they were echoed with the head or behind it.
    for line in gateway.exchanges(2).await {
        assert_eq!(line.number("bytes_in"), early.len() as u64 + 5, "{line:?}");
    }
}

#[tokio::test]
async fn an_upgraded_stream_is_in_flight_until_its_end() {
    let origin = Echo::answers(SWITCH).await;
    let configuration = Configuration::at(&[("echo", origin.address)]).endpoint(0, "max-in-flight = 1");
    let gateway = Gateway::start(&configuration.tables("[admin]\naddress = \"127.0.0.1:0\"")).await;
    let series = r#"sluice_requests_in_flight{upstream="app",endpoint="echo"}"#;
    let mut raw = upgraded(&gateway).await;
    gateway.shows(&[(series, 1.0)]).await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 503);
    raw.end().await;
    raw.hear_all().await;
    gateway.shows(&[(series, 0.0)]).await;
}

#[tokio::test]
async fn whoever_vanishes_takes_the_other_side_along() {
    let origin = Echo::answers(SWITCH).await;
    let gateway = gateway(&origin).await;
    let raw = upgraded(&gateway).await;
    origin.has_open(1).await;
    drop(raw);
    origin.has_open(0).await;
    let mut raw = upgraded(&gateway).await;
    drop(origin);
    raw.end().await;
    raw.hear_all().await;
    gateway.exchanges(2).await;
}

#[tokio::test]
async fn a_stream_on_which_nothing_moves_is_cut() {
    let origin = Echo::answers(SWITCH).await;
    let silent = Configuration::at(&[("echo", origin.address)]).route("timeouts = { stream-idle = \"300ms\" }");
    let gateway = Gateway::start(&silent).await;
    let mut raw = upgraded(&gateway).await;
    for _ in 0..3 {
        raw.say("x").await;
        raw.hear(1).await;
    }
    assert_eq!(raw.hear_all().await, "");
    origin.has_open(0).await;
    let line = gateway.exchange("/chat").await;
    assert_eq!((line.number("bytes_in"), line.text("why")), (3, "the stream was cut: nothing came for 300ms"));
}

/// D2
#[tokio::test]
async fn who_takes_nothing_of_a_stream_is_cut_off_and_the_endpoint_is_free() {
    let ear = Ear::open().await;
    let configuration = Configuration::at(&[("ear", ear.address)]);
    let tables = "[admin]\naddress = \"127.0.0.1:0\"\n[timeouts]\nsend-stall = \"500ms\"";
    let gateway = Gateway::start(&configuration.tables(tables)).await;
    let mut clients = [Raw::plain(&gateway).await, Raw::tls(&gateway).await];
    for client in &mut clients {
        client.say(asking("websocket")).await;
        let mut endpoint = ear.accept().await;
        endpoint.hear_until("\r\n\r\n").await;
        endpoint.say("HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await;
        client.hear_until("\r\n\r\n").await;
        // The client stays open, and does not read.
        let piece = vec![0; 65_536];
        let flood = async { while endpoint.try_say(&piece).await {} };
        within("the end of the stream at the endpoint", flood).await;
    }
    gateway.shows(&[("sluice_clients_cut_total{reason=\"stalled\"}", 2.0)]).await;
    let line = gateway.exchange("/chat").await;
    assert_eq!(line.text("why"), "the stream was cut off: the client took nothing for 500ms");
}

#[tokio::test]
async fn only_protocols_that_the_route_allows_are_passed_on() {
    let echo = Echo::answers("HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: TCP\r\n\r\n").await;
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).tables(&format!(
        "[[upstream]]\nname = \"echo\"\nendpoints = [{{ address = \"{}\" }}]\n[[route]]\nname = \"tcp\"\n\
         match = {{ path = \"/chat\", headers = {{ x-allowed = \"1\" }} }}\nupstream = \"echo\"\nupgrades = [\"tcp\"]",
        echo.address
    ));
    let gateway = Gateway::start(&configuration).await;
    let mut raw = Raw::plain(&gateway).await;
    raw.say(asking("tcp").replace("\r\n\r\n", "\r\nx-allowed: 1\r\n\r\n")).await;
    raw.hear_until("\r\n\r\n").await;
    raw.say("as it is").await;
    assert_eq!(raw.hear(8).await, b"as it is");
    drop(raw);
    // Of the other route only `websocket` is allowed, which is the default; the rest is an ordinary request.
    let mut raw = Raw::tls(&gateway).await;
    for protocol in ["tcp", "h2c", "websocket, tcp"] {
        raw.say(asking(protocol)).await;
        let heard = raw.hear_until(r#""version""#).await;
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
        assert!(!heard.contains("\"upgrade\"") && !heard.contains("\"connection\""), "{heard}");
    }
    // A connection that was asked to change and did not ends like any other.
    raw.say("GET / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\r\n").await;
    assert!(raw.hear_all().await.contains("connection: close\r\n"));
}

#[tokio::test]
async fn a_refusal_passes_and_the_connection_serves_on() {
    let origin = Echo::answers("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
    let gateway = gateway(&origin).await;
    let mut raw = Raw::tls(&gateway).await;
    for _ in 0..2 {
        raw.say(asking("websocket")).await;
        let heard = raw.hear_until("\r\n\r\nno").await;
        assert!(heard.starts_with("HTTP/1.1 403 Forbidden\r\n") && !heard.contains("upgrade"), "{heard}");
    }
    let mut h2 = Client::h2(&gateway).await;
    assert_eq!(h2.get("/").await.status, 403);
    assert_eq!(h2.ask(Ask::connect("/chat", "websocket")).await.status, 403);
}

#[tokio::test]
async fn a_change_that_nobody_asked_for_is_a_broken_answer() {
    let other = "HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n";
    let ours = "HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    for (answer, request) in [
        (other, asking("websocket")),
        (ours, "GET /chat HTTP/1.1\r\nhost: app.test\r\n\r\n".to_owned()),
        (ours, "GET /chat HTTP/1.1\r\nhost: app.test\r\nupgrade: websocket\r\n\r\n".to_owned()),
        (ours, asking("websocket").replace("HTTP/1.1", "HTTP/1.0")),
    ] {
        let origin = Echo::answers(answer).await;
        let gateway = gateway(&origin).await;
        let mut raw = Raw::plain(&gateway).await;
        raw.say(&request).await;
        let heard = raw.hear_until("\r\n\r\n").await;
        assert!(heard.contains(" 502 Bad Gateway\r\n"), "{request}{heard}");
        origin.has_open(0).await;
    }
}

#[tokio::test]
async fn response_plugins_see_the_answer_that_changes_the_protocol() {
    let origin = Echo::answers(SWITCH).await;
    let headers = r#"[{ plugin = "headers", config = { set = { x-set = "yes", connection = "close" } } }]"#;
    let refused = Configuration::at(&[("echo", origin.address)]).response(headers);
    assert!(!Gateway::check(&refused).status.success(), "what frames the change is not a plugin's");
    let headers = r#"[{ plugin = "headers", config = { set = { x-set = "yes" } } }]"#;
    let gateway = Gateway::start(&Configuration::at(&[("echo", origin.address)]).response(headers)).await;
    let mut raw = Raw::plain(&gateway).await;
    raw.say(asking("websocket")).await;
    assert!(raw.hear_until("\r\n\r\n").await.contains("x-set: yes\r\n"));
}
