//! Chunked bodies: one that breaks the rules is the client's fault, never the endpoint's, and nobody behind takes it for whole.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Client, Configuration, Event, Gateway, Origin, Raw, within};

const HEAD: &str = "POST /chunked HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n";

/// Each of these bodies is 400 and the end of its connection; the origin never gets one of them whole, and the connection
/// that it came by is not used again.
async fn all_refused(bodies: &[&[u8]]) {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let mut beside = Client::plain(&gateway).await;
    for body in bodies {
        let shown: String = body.escape_ascii().to_string().chars().take(200).collect();
        let message = [HEAD.as_bytes(), body].concat();
        let good = b"GET /good HTTP/1.1\r\nhost: app.test\r\n\r\n";
        for (pieces, behind) in [(message.len(), false), (1 + message.len() / 500, false), (message.len(), true)] {
            let mut raw = Raw::plain(&gateway).await;
            if behind {
                raw.say(good).await;
            }
            for piece in message.chunks(pieces) {
                if !raw.try_say(piece).await {
                    break;
                }
            }
            let heard = raw.hear_all().await;
            let (before, last) = heard.rsplit_once("HTTP/1.1 ").unwrap_or(("", &heard));
            assert_eq!(before.is_empty(), !behind, "{shown}: {heard:?}");
            assert!(last.starts_with("400 ") && last.contains("connection: close"), "{shown}: {heard:?}");
            assert!(last.contains("proxy-status: sluice; error=http_request_error"), "{shown}: {heard:?}");
        }
        assert_eq!(beside.get("/beside").await.status, 200);
    }
    let refused = |event: &Event| event.number("status") == 400;
    for line in gateway.log.wait_for_all("exchange", bodies.len() * 3, refused).await {
        assert_eq!((line.text("method"), line.text("path"), line.text("route")), ("POST", "/chunked", "all"));
        assert!(line.text("why").starts_with("the request body: "), "{line:?}");
    }
    let whole =
        gateway.log.filter("exchange", |event| event.text("path") == "/chunked" && event.number("status") == 200);
    assert_eq!(whole, []);
}

/// A5
#[tokio::test]
async fn a5_a_chunk_has_a_size_and_as_much_data() {
    all_refused(&[
        b"10000000000000000\r\n",
        b"FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"1_0\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b"g\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\rhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello, all\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\r\n5\r\nhello\r\nx\r\n\r\n",
        b"0\r\n\n",
    ])
    .await;
}

/// A6
#[tokio::test]
async fn a6_chunk_extensions_are_few_and_well_formed() {
    let long = [b"5;", &*b"a".repeat(64 << 10), b"\r\nhello\r\n0\r\n\r\n"].concat();
    let line = [b"5;", &*b"a".repeat(1024), b"\r\nhello\r\n0\r\n\r\n"].concat();
    let many = [b"1;", &*b"a".repeat(1000), b"\r\nx\r\n"].concat().repeat(17);
    all_refused(&[
        &long,
        &line,
        &many,
        b"5;a\0\r\nhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        b"5;\r\nhello\r\n0\r\n\r\n",
        b"5;;a\r\nhello\r\n0\r\n\r\n",
        b"5;a[\r\nhello\r\n0\r\n\r\n",
        b"5;a=\r\nhello\r\n0\r\n\r\n",
        b"5;=a\r\nhello\r\n0\r\n\r\n",
        b"5;a=\"b\r\nhello\r\n0\r\n\r\n",
        b"5;a \r\nhello\r\n0\r\n\r\n",
    ])
    .await;
}

#[tokio::test]
async fn trailers_are_few_and_well_formed() {
    let long = [b"0\r\nx: ", &*b"a".repeat(8 << 10), b"\r\n\r\n"].concat();
    let many = [b"0\r\n", &*b"x: a\r\n".repeat(101), b"\r\n"].concat();
    all_refused(&[
        &long,
        &many,
        b"0\r\n x: a\r\n\r\n",
        b"0\r\nx : a\r\n\r\n",
        b"0\r\nx\r\n\r\n",
        b"0\r\n: a\r\n\r\n",
        b"0\r\nx: \0\r\n\r\n",
        b"0\r\nx: a\n\r\n",
    ])
    .await;
}

#[tokio::test]
async fn a_well_formed_chunked_body_comes_through_without_its_extensions() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let body = "5;a=b;c=\"d;\\\"e\"\r\nhello\r\n006 ; f\r\n, all!\r\n0;g\r\nx-sum: 11\r\ncontent-length: 3\r\n\r\n";
    let head = HEAD.replace("\r\n\r\n", "\r\ntrailer: x-sum\r\n\r\n");
    let last = "GET /last HTTP/1.1\r\nhost: app.test\r\n\r\n";
    for pieces in [1, 1000] {
        let mut raw = Raw::plain(&gateway).await;
        for piece in format!("{head}{body}{head}{body}{last}").as_bytes().chunks(pieces) {
            raw.say(piece).await;
        }
        let heard = raw.hear_until("\"target\":\"/last\"").await;
        for seen in ["\"body_start\":\"hello, all!\"", "\"body_bytes\":11", "\"trailers\":{\"x-sum\":[\"11\"]}"] {
            assert_eq!(heard.matches(seen).count(), 2, "{seen}: {heard:?}");
        }
    }
}

/// A5: the endpoint has begun to answer by then. Neither side may take what it gets for whole.
#[tokio::test]
async fn a5_a_body_that_breaks_behind_the_beginning_of_its_answer_ends_both_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Gateway::start(&Configuration::at(&[("raw", listener.local_addr().unwrap())])).await;
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"hello\r\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthe beginning").await.unwrap();
        // Reset or ended, it is over.
        let _ = stream.read_to_end(&mut seen).await;
        String::from_utf8(seen).unwrap()
    });
    let mut raw = Raw::plain(&gateway).await;
    raw.say(format!("{HEAD}5\r\nhello\r\n")).await;
    let begun = raw.hear_until("the beginning").await;
    raw.say("zz\r\n").await;
    let heard = begun + &raw.hear_all().await;
    assert!(heard.starts_with("HTTP/1.1 200 ") && heard.ends_with("the beginning"), "{heard:?}");
    let seen = within("the end of the endpoint's connection", seen).await.unwrap();
    assert!(seen.ends_with("5\r\nhello\r\n"), "{seen:?}");
}
