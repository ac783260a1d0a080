//! Where a message begins and ends, two readers never see differently: what could be read in two ways is refused at the
//! first byte that is wrong, in whatever pieces it comes, and whoever else is served does not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

use crate::harness::raw::refusal;
use crate::harness::{Client, Configuration, Event, Gateway, Origin, Raw};

const GOOD: &[u8] = b"GET /good HTTP/1.1\r\nhost: app.test\r\n\r\n";

/// A client beside the others, which asks on and on.
struct Bystander {
    enough: Arc<AtomicBool>,
    asking: JoinHandle<usize>,
}

impl Bystander {
    async fn start(gateway: &Gateway) -> Self {
        let mut client = Client::h1(gateway).await;
        let enough = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn({
            let enough = enough.clone();
            async move {
                let mut answered = 0;
                while !enough.load(Ordering::Relaxed) {
                    assert_eq!(client.get("/beside").await.status, 200);
                    answered += 1;
                }
                answered
            }
        });
        Self { enough, asking }
    }

    /// How often it was answered; each time well.
    async fn answered(self) -> usize {
        self.enough.store(true, Ordering::Relaxed);
        self.asking.await.unwrap()
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    text.chars().take(300).collect()
}

/// Each is refused with its status, and the connection closed: in one piece, byte by byte, and right behind a good request,
/// which is answered.
async fn all_refused<B: AsRef<[u8]>>(cases: &[(B, &str)]) {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let bystander = Bystander::start(&gateway).await;
    for (bytes, status) in cases {
        let bytes = bytes.as_ref();
        let mut raw = Raw::plain(&gateway).await;
        // It may be closed before all is said.
        raw.try_say(bytes).await;
        assert_eq!(refusal(&raw.hear_all().await), *status, "{}", shown(bytes));

        let mut raw = Raw::tls(&gateway).await;
        for byte in bytes.chunks(1 + bytes.len() / 1000) {
            if !raw.try_say(byte).await {
                break;
            }
        }
        assert_eq!(refusal(&raw.hear_all().await), *status, "in pieces: {}", shown(bytes));

        let mut raw = Raw::plain(&gateway).await;
        raw.try_say([GOOD, bytes].concat()).await;
        let heard = raw.hear_all().await;
        let (first, second) = heard.rsplit_once("HTTP/1.1 ").unwrap();
        assert!(first.starts_with("HTTP/1.1 200 ") && first.contains("/good"), "{}: {heard:?}", shown(bytes));
        assert_eq!(refusal(&format!("HTTP/1.1 {second}")), *status, "behind another: {}", shown(bytes));
    }
    let beside = bystander.answered().await;
    assert!(beside > 0);
    assert_eq!(origin.requests(), beside + cases.len(), "one for each good request, and no other");
    // Each is counted and logged as any other exchange is.
    let refused = |event: &Event| event.text("method") == "-" || event.number("status") != 200;
    let lines = gateway.log.wait_for_all("exchange", cases.len() * 3, refused).await;
    for line in &lines {
        assert_eq!((line.text("client"), line.text("route"), line.text("endpoint")), ("127.0.0.1", "", ""));
        assert_ne!(line.text("why"), "", "{line:?}");
    }
}

/// These lines in the head of a POST are refused.
async fn fields_refused(lines: &[(&str, &str)]) {
    let message = |lines: &str| format!("POST / HTTP/1.1\r\nhost: app.test\r\n{lines}\r\n0\r\n\r\n");
    let cases: Vec<(String, &str)> = lines.iter().map(|(lines, status)| (message(lines), *status)).collect();
    all_refused(&cases).await;
}

/// A1
#[tokio::test]
async fn a1_a_length_beside_a_transfer_coding_is_400_in_either_order() {
    fields_refused(&[
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", "400"),
        ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "400"),
        ("Transfer-Encoding: chunked\r\nx: y\r\nContent-Length: 0\r\n", "400"),
        ("CONTENT-LENGTH: 0\r\nTRANSFER-ENCODING: CHUNKED\r\n", "400"),
        ("content-length: 5\r\ntransfer-encoding: identity\r\n", "400"),
    ])
    .await;
}

/// A2
#[tokio::test]
async fn a2_a_length_is_one_number() {
    let values =
        ["5, 5", "5,6", "+5", "-1", "0x5", "5 6", "100000000000000000000", "5.0", "", " ", "5\x0b", "five", "५"];
    let mut lines: Vec<String> = values.iter().map(|value| format!("content-length: {value}\r\n")).collect();
    lines.push("content-length: 5\r\ncontent-length: 5\r\n".into());
    lines.push("content-length: 5\r\nContent-Length: 6\r\n".into());
    let lines: Vec<(&str, &str)> = lines.iter().map(|line| (line.as_str(), "400")).collect();
    fields_refused(&lines).await;
}

/// A3
#[tokio::test]
async fn a3_chunked_stands_once_and_alone_and_others_are_501() {
    fields_refused(&[
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "400"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "400"),
        ("transfer-encoding: chunked, identity\r\n", "400"),
        ("transfer-encoding: chunked, chunked\r\n", "400"),
        ("transfer-encoding: \x0bchunked\r\n", "400"),
        ("transfer-encoding: \x0cchunked\r\n", "400"),
        ("transfer-encoding: \0chunked\r\n", "400"),
        ("transfer-encoding: chunked;q=1\r\n", "400"),
        ("transfer-encoding: \"chunked\"\r\n", "400"),
        ("transfer-encoding:\r\n", "400"),
        ("transfer-encoding: xchunked\r\n", "501"),
        ("transfer-encoding: chunkedx\r\n", "501"),
        ("transfer-encoding: identity\r\n", "501"),
        ("transfer-encoding: gzip, chunked\r\n", "501"),
    ])
    .await;
    let old = "POST / HTTP/1.0\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    all_refused(&[(old, "400")]).await;
}

/// A7
#[tokio::test]
async fn a7_names_of_fields_are_tokens_before_a_colon() {
    fields_refused(&[
        ("x: a\r\n b\r\n", "400"),
        ("x: a\r\n\tb: c\r\n", "400"),
        (" x: a\r\n", "400"),
        ("x : a\r\n", "400"),
        ("x\t: a\r\n", "400"),
        ("x[: a\r\n", "400"),
        ("x y: a\r\n", "400"),
        ("é: a\r\n", "400"),
        ("x(a): b\r\n", "400"),
        ("x\r\n", "400"),
        (": a\r\n", "400"),
        ("x\0: a\r\n", "400"),
    ])
    .await;
}

/// A8
#[tokio::test]
async fn a8_control_bytes_in_values_are_400() {
    let controls = (0..0x20_u8).chain([0x7f]).filter(|byte| *byte != b'\t');
    let lines: Vec<String> = controls.map(|byte| format!("x: a{}b\r\n", char::from(byte))).collect();
    let mut lines: Vec<(&str, &str)> = lines.iter().map(|line| (line.as_str(), "400")).collect();
    lines.push(("x: a\n", "400"));
    lines.push(("x: a\r\r\n", "400"));
    fields_refused(&lines).await;
}

#[tokio::test]
async fn lines_end_with_crlf_and_requests_begin_with_a_method() {
    let host = "host: app.test\r\n\r\n";
    all_refused(&[
        ("GET / HTTP/1.1\nhost: app.test\n\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nhost: app.test\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nhost: app.test\r\n\n".to_owned(), "400"),
        ("GET / HTTP/1.1\rhost: app.test\r\n\r\n".to_owned(), "400"),
        (format!("\r\n\r\nGET / HTTP/1.1\r\n{host}"), "400"),
        (format!("\nGET / HTTP/1.1\r\n{host}"), "400"),
        (format!(" GET / HTTP/1.1\r\n{host}"), "400"),
        (format!("GET  / HTTP/1.1\r\n{host}"), "400"),
        (format!("GET /  HTTP/1.1\r\n{host}"), "400"),
        (format!("GET\t/\tHTTP/1.1\r\n{host}"), "400"),
        (format!("GET / HTTP/1.1 \r\n{host}"), "400"),
        (format!("GET /\r\n{host}"), "400"),
        (format!("GET / http/1.1\r\n{host}"), "400"),
        (format!("GET / HTTP/1.10\r\n{host}"), "400"),
        (format!("G(T / HTTP/1.1\r\n{host}"), "400"),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}".to_owned(), "400"),
        (format!("GET / HTTP/2.0\r\n{host}"), "505"),
        (format!("GET / HTTP/3.0\r\n{host}"), "505"),
        (format!("GET / HTTP/0.9\r\n{host}"), "505"),
    ])
    .await;
}

/// A15
#[tokio::test]
async fn a15_what_is_too_large_is_414_431_or_400() {
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nhost: app.test\r\n{fields}\r\n");
    all_refused(&[
        (format!("GET /{} HTTP/1.1\r\nhost: app.test\r\n\r\n", "a".repeat(100_000)), "414"),
        (format!("GET /?{} HTTP/1.1\r\nhost: app.test\r\n\r\n", "a".repeat(9_000)), "414"),
        (format!("GET http://app.test/{} HTTP/1.1\r\nhost: app.test\r\n\r\n", "a".repeat(9_000)), "414"),
        (format!("{} / HTTP/1.1\r\nhost: app.test\r\n\r\n", "M".repeat(100_000)), "400"),
        (head(&format!("x: {}\r\n", "a".repeat(100_000))), "431"),
        (head(&format!("{}: a\r\n", "x".repeat(100_000))), "431"),
        (head(&"x: a\r\n".repeat(10_000)), "431"),
        (head(&"x: a\r\n".repeat(100)), "431"),
        (head(&"cookie: a=b\r\n".repeat(1_000)), "431"),
    ])
    .await;
}

#[tokio::test]
async fn an_empty_line_before_a_request_and_an_unknown_minor_version_are_no_fault() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let mut raw = Raw::plain(&gateway).await;
    for version in ["HTTP/1.1", "HTTP/1.2", "HTTP/1.9"] {
        raw.say(format!("\r\nPOST / {version}\r\nhost: app.test\r\ncontent-length: 2\r\n\r\nab")).await;
        let heard = raw.hear_until("\"version\"").await;
        assert!(heard.starts_with("HTTP/1.1 200 ") && heard.contains("\"body_bytes\":2"), "{heard:?}");
        assert!(heard.contains("1.1 sluice"), "{heard:?}");
    }
}
