//! Backends that fail, with the bytes that they fail by: what is stale never shows, what breaks off never looks finished, and
//! what makes no sense is 502 and poisons nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::harness::certificates::{authority_pem, site};
use crate::harness::raw::{RawOrigin, head};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, Speaks, eventually};

const WELL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell";

/// Answers the first request of each connection, and closes it when the second one comes: by a reset if it has not read all, as
/// servers do whose idle timer runs out at that moment. Gives its address, and counts what came second.
async fn closes_on_the_second(reads: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let second = Arc::<AtomicUsize>::default();
    let count = second.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let count = count.clone();
            tokio::spawn(async move {
                if head(&mut stream).await.is_empty() || stream.write_all(WELL).await.is_err() {
                    return;
                }
                // Not a byte is read unless `reads`, so that the system answers with a reset.
                let came = if reads { !head(&mut stream).await.is_empty() } else { stream.readable().await.is_ok() };
                count.fetch_add(usize::from(came), Ordering::SeqCst);
            });
        }
    });
    (address, second)
}

/// E2
#[tokio::test]
async fn e2_a_connection_that_closes_as_we_write_costs_no_get() {
    for reads in [false, true] {
        let (address, second) = closes_on_the_second(reads).await;
        let gateway = Gateway::start(&Configuration::at(&[("a", address)]).workers(1)).await;
        for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
            for _ in 0..20 {
                assert_eq!(client.get("/").await.text(), "well", "reads: {reads}");
            }
        }
        assert!(second.load(Ordering::SeqCst) > 0, "the race was not there");
    }
}

/// E2
#[tokio::test]
async fn e2_a_post_that_may_have_arrived_is_not_sent_again() {
    let (address, second) = closes_on_the_second(true).await;
    let gateway = Gateway::start(&Configuration::at(&[("a", address)]).workers(1)).await;
    let mut client = Client::h2(&gateway).await;
    assert_eq!(client.ask(Ask::post("/", "a body")).await.status, 200);
    assert_eq!(client.ask(Ask::post("/", "a body")).await.status, 502);
    assert_eq!(second.load(Ordering::SeqCst), 1);
}

/// E3
#[tokio::test]
async fn e3_a_backend_that_dies_in_its_answer_leaves_no_clean_end() {
    let tls = Speaks::tls(&site(&["backend.test"]), &["h2", "http/1.1"]);
    let lines = |protocol: &str| {
        format!("protocol = \"{protocol}\"\ntls = {{ server-name = \"backend.test\", ca = \"ca.pem\" }}")
    };
    let ways = [
        (Speaks::Http1, String::new()),
        (Speaks::H2, "protocol = \"h2\"".to_owned()),
        (tls.clone(), lines("http/1.1")),
        (tls, lines("h2")),
    ];
    for (speaks, lines) in ways {
        let origin = Origin::start_as("a", speaks).await;
        origin.hold();
        let configuration = Configuration::of(&[&origin]).upstream(&lines).file("ca.pem", &authority_pem());
        let gateway = Gateway::start(&configuration).await;
        let mut raw = Raw::tls(&gateway).await;
        raw.say("GET /halves HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
        let mut heard = raw.hear_until("first half, ").await;
        let mut h2 = Client::h2(&gateway).await;
        let response = h2.send(Ask::get("/halves")).await.unwrap();
        origin.die().await;
        heard += &raw.hear_all().await;
        // The size of the one chunk that came, and no chunk of size 0 behind it.
        assert!(heard.contains("\r\nfirst half, ") && !heard.contains("\r\n0\r\n"), "{lines}: {heard:?}");
        let outcome = crate::harness::client::read(response).await;
        assert!(outcome.is_err(), "{lines}: {outcome:?}");
    }
}

/// E3: the end of the connection is the end of this answer, unless TLS did not say that it is.
#[tokio::test]
async fn e3_an_answer_without_length_over_tls_ends_only_where_tls_ends() {
    let cut = RawOrigin::answers("HTTP/1.1 200 OK\r\n\r\nwithout a length").await;
    let gateway = Gateway::start(&Configuration::at(&[("a", cut.address)])).await;
    assert_eq!(Client::h2(&gateway).await.get("/").await.text(), "without a length");
    let site = site(&["backend.test"]);
    for says_so in [true, false] {
        let speaks = Speaks::tls(&site, &["http/1.1"]);
        let origin = RawOrigin::over_tls(speaks, "HTTP/1.1 200 OK\r\n\r\nwithout a length", says_so).await;
        let configuration = Configuration::at(&[("a", origin)]).file("ca.pem", &authority_pem());
        let gateway =
            Gateway::start(&configuration.upstream("tls = { server-name = \"backend.test\", ca = \"ca.pem\" }")).await;
        for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
            let outcome = client.try_ask(Ask::get("/")).await;
            assert_eq!(outcome.is_ok(), says_so, "{outcome:?}");
        }
    }
}

/// E5
#[tokio::test]
async fn e5_answers_that_make_no_sense_are_502_and_their_connections_are_not_used_again() {
    let line = |length: usize| format!("HTTP/1.1 200 {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(length)).into_bytes();
    let fields = |count: usize, length: usize| {
        let field = format!("x-field: {}\r\n", "x".repeat(length));
        format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", field.repeat(count)).into_bytes()
    };
    let cases: Vec<Vec<u8>> = vec![
        b"garbage".to_vec(),
        b"\0\xff\xfe\r\n\r\n".to_vec(),
        // HTTP/0.9, and others.
        b"<html>hello</html>".to_vec(),
        b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"ICY 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
        // The status line.
        b"HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 99 Low\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 1000 High\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 600 High\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 2x0 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 -200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1  OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
        line(64 * 1024),
        // Fields.
        fields(1, 70_000),
        fields(80, 64 * 1024),
        fields(201, 1),
        b"HTTP/1.1 200 OK\r\nno colon\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\n: no name\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nx-a: b\r\n folded\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nx-a: \0\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nx-a: b\rc: d\r\ncontent-length: 0\r\n\r\n".to_vec(),
        // Framing.
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nwell".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 4, 5\r\n\r\nwell".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: +4\r\n\r\nwell".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 0x4\r\n\r\nwell".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nwell".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nwell".to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding:\r\n\r\nwell".to_vec(),
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n".to_vec(),
    ];
    let good = Origin::start("good").await;
    for bytes in cases {
        let told = String::from_utf8_lossy(&bytes[..bytes.len().min(90)]).into_owned();
        let origin = RawOrigin::keeps_answering(&bytes).await;
        let configuration = Configuration::at(&[("raw", origin.address)]).workers(1);
        let other = format!("[[upstream]]\nname = \"good\"\nendpoints = [{{ address = \"{}\" }}]\n", good.address);
        let route = "[[route]]\nname = \"good\"\nupstream = \"good\"\nmatch.path = \"/good\"\n";
        let configuration = configuration.tables(&(other + route)).route("timeouts = { response-header = \"1s\" }");
        let gateway = Gateway::start(&configuration).await;
        let before = gateway.resident().unwrap_or_default();
        let mut clients = [Client::h1(&gateway).await, Client::h2(&gateway).await];
        for client in &mut clients {
            let answer = client.ask(Ask::post("/", "a body")).await;
            assert_eq!(answer.status, 502, "{told:?}");
            assert!(answer.header("proxy-status").contains("error="), "{told:?}");
            assert_eq!(client.get("/good").await.status, 200, "{told:?}");
        }
        assert_eq!(origin.connections(), 2, "{told:?}");
        let grown = gateway.resident().unwrap_or_default().saturating_sub(before);
        assert!(grown < 16 << 20, "{told:?}: {grown} bytes more");
    }
}

/// E5
#[tokio::test]
async fn e5_what_comes_behind_an_answer_is_never_the_next_one() {
    let poison = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\npoisoned";
    let cases: [(&str, &str, &str); 6] = [
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("GET", "HTTP/1.1 204 No Content\r\ncontent-length: 46\r\n\r\n", ""),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 46\r\n\r\n", ""),
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 46\r\n\r\n", ""),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell", "well"),
        ("GET", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nwell\r\n0\r\n\r\n", "well"),
    ];
    for (method, answer, body) in cases {
        let origin = RawOrigin::keeps_answering(format!("{answer}{poison}")).await;
        let gateway = Gateway::start(&Configuration::at(&[("raw", origin.address)]).workers(1)).await;
        let mut client = Client::h2(&gateway).await;
        for _ in 0..5 {
            let heard = client.ask(Ask::new(method, "/")).await;
            assert_eq!(heard.text(), body, "{method} {answer:?}");
        }
        assert_eq!(origin.connections(), 5, "{method} {answer:?}");
    }
}

/// E5
#[tokio::test]
async fn e5_a_body_that_is_shorter_than_said_or_badly_framed_never_looks_finished() {
    let cases = [
        "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this!!\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x9\r\nonly this\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\nonly this\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nonly this\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n0\r\nx\r\n\r\n",
    ];
    for case in cases {
        let origin = RawOrigin::answers(case).await;
        let gateway = Gateway::start(&Configuration::at(&[("raw", origin.address)]).workers(1)).await;
        for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
            let outcome = client.try_ask(Ask::get("/")).await;
            assert!(outcome.is_err(), "{case:?}: {outcome:?}");
        }
    }
}

/// E5
#[tokio::test]
async fn e5_interim_answers_without_end_are_cut_and_cost_no_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let open = Arc::<AtomicUsize>::default();
    let count = open.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let count = count.clone();
            tokio::spawn(async move {
                count.fetch_add(1, Ordering::SeqCst);
                head(&mut stream).await;
                while stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").await.is_ok() {}
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let configuration = Configuration::at(&[("a", address)]).route("timeouts = { response-header = \"500ms\" }");
    let gateway = Gateway::start(&configuration).await;
    let before = gateway.resident().unwrap_or_default();
    let answer = Client::h2(&gateway).await.ask(Ask::post("/", "a body")).await;
    assert_eq!(answer.status, 502, "{answer:?}");
    let grown = gateway.resident().unwrap_or_default().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
    eventually("the end of the connection", async || (open.load(Ordering::SeqCst) == 0).then_some(())).await;
}
