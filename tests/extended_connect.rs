//! WebSocket over HTTP/2 (RFC 8441): one stream of a connection, which for the endpoint is an upgrade of HTTP/1.1.

use http::Response;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::echo::SWITCH;
use crate::harness::{Ask, Client, Configuration, Echo, Gateway, Origin, Raw, within};

async fn gateway(origin: &Echo) -> Gateway {
    Gateway::start(&Configuration::at(&[("echo", origin.address)])).await
}

/// A client that knows what the gateway can: its settings come with the first answer.
async fn acquainted(gateway: &Gateway) -> Client {
    let mut client = Client::h2(gateway).await;
    // The echo answers 101 to everybody, which nobody asked for here.
    assert_eq!(client.get("/").await.status, 502);
    client
}

/// The answer to extended CONNECT, and its stream.
async fn connected(client: &mut Client, ask: Ask) -> (Response<Incoming>, TokioIo<Upgraded>) {
    let mut response = within("an answer to CONNECT", client.send(ask)).await.unwrap();
    assert_eq!(response.status(), 200);
    let stream = within("a stream", hyper::upgrade::on(&mut response)).await.unwrap();
    (response, TokioIo::new(stream))
}

#[tokio::test]
async fn a_websocket_over_h2_is_one_over_http1_for_the_endpoint() {
    let origin = Echo::answers(SWITCH).await;
    let gateway = gateway(&origin).await;
    let mut client = acquainted(&gateway).await;
    let (response, mut stream) = connected(&mut client, Ask::connect("/chat", "websocket")).await;
    assert_eq!(response.headers()["x-origin"], "echo");
    for ours in ["upgrade", "connection", "sec-websocket-accept", "content-length"] {
        assert!(!response.headers().contains_key(ours), "{ours}");
    }
    stream.write_all(b"over one stream of many").await.unwrap();
    let mut heard = [0; 23];
    within("an echo", stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"over one stream of many");
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    within("the end", stream.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "goodbye");
    let head = origin.heads().pop().unwrap();
    let lines = ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "host: app.test"];
    assert!(lines.iter().all(|line| head.lines().any(|found| found == *line)), "{head}");
    assert!(head.starts_with("GET /chat HTTP/1.1\r\n") && head.contains("\r\nsec-websocket-key: "), "{head}");
    let line = gateway.exchange("/chat").await;
    let numbers = ["status", "bytes_in", "bytes_out"].map(|field| line.number(field));
    assert_eq!(numbers, [200, 23, 30], "{line:?}");
}

#[tokio::test]
async fn a_stream_that_is_reset_takes_the_endpoint_along_and_no_other_stream() {
    let origin = Echo::answers(SWITCH).await;
    let gateway = gateway(&origin).await;
    let mut client = acquainted(&gateway).await;
    let (_, mut stays) = connected(&mut client, Ask::connect("/stays", "websocket")).await;
    let (response, goes) = connected(&mut client, Ask::connect("/goes", "websocket")).await;
    origin.has_open(2).await;
    drop((response, goes));
    origin.has_open(1).await;
    gateway.exchange("/goes").await;
    stays.write_all(b"on").await.unwrap();
    within("an echo", stays.read_exact(&mut [0; 2])).await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_does_not_change_as_asked_is_no_success() {
    let wrong_key = SWITCH.replace("{accept}", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").leak();
    for answer in [wrong_key, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"] {
        let origin = Echo::answers(answer).await;
        let gateway = gateway(&origin).await;
        let mut client = Client::h2(&gateway).await;
        client.get("/").await;
        assert_eq!(client.ask(Ask::connect("/chat", "websocket")).await.status, 502, "{answer}");
        origin.has_open(0).await;
    }
}

#[tokio::test]
async fn what_is_not_offered_is_501_and_the_connection_serves_on() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let mut client = Client::h2(&gateway).await;
    assert_eq!(client.get("/").await.status, 200);
    let answer = client.ask(Ask::connect("/masque", "connect-udp")).await;
    assert_eq!((answer.status.as_u16(), answer.header("proxy-status")), (501, "sluice; error=http_request_error"));
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(origin.requests(), 2);
    // Without a protocol it is a tunnel to anywhere.
    let mut raw = Raw::plain(&gateway).await;
    raw.say("CONNECT app.test:443 HTTP/1.1\r\nhost: app.test:443\r\n\r\n").await;
    assert!(raw.hear_until("\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
}
