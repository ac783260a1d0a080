//! What strangers write into the fields of a request: names that two readers take for different ones, origins that they
//! made up, and bytes above ASCII.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, within};

/// A12
#[tokio::test]
async fn a12_names_with_underscores_never_stand_beside_their_likes_with_dashes() {
    let origin = Origin::start("a").await;
    let of = |option: &str| Configuration::of(&[&origin]).listener(1, option);
    let gateway = Gateway::start(&of("")).await;
    let request =
        "GET / HTTP/1.1\r\nhost: app.test\r\nx-auth-user: v\r\nX_Auth_User: u\r\nX_Forwarded_For: 9.9.9.9\r\n\r\n";
    for (option, passed) in [
        ("", Some(false)),
        (r#"underscore-headers = "drop""#, Some(false)),
        (r#"underscore-headers = "refuse""#, None),
        (r#"underscore-headers = "keep""#, Some(true)),
    ] {
        gateway.reload(&of(option).route(&format!("# {option}")).text()).await;
        let mut raw = Raw::plain(&gateway).await;
        raw.say(request).await;
        let Some(passed) = passed else {
            let heard = raw.hear_until("underscore").await;
            assert!(heard.starts_with("HTTP/1.1 400 "), "{option}: {heard:?}");
            continue;
        };
        let heard = raw.hear_until("\"version\"").await;
        assert!(heard.contains("\"x-auth-user\":[\"v\"]"), "{option}: {heard:?}");
        assert_eq!(heard.contains("\"x_auth_user\":[\"u\"]"), passed, "{option}: {heard:?}");
        assert!(!heard.contains("x_forwarded_for") && !heard.contains("9.9.9.9"), "{option}: {heard:?}");
    }
    // The other listener says nothing of its own.
    let answer = Client::h2(&gateway).await.ask(Ask::get("/").header("x_auth_user", "u")).await;
    assert_eq!(answer.seen_field("x_auth_user"), "");
}

/// A12
#[tokio::test]
async fn a12_origins_that_strangers_made_up_are_replaced_and_those_of_trusted_proxies_are_continued() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).listener(1, "")).await;
    let trusting = Configuration::of(&[&origin]).listener(1, r#"trusted-proxies = ["127.0.0.0/8"]"#);
    let claims = "X-Forwarded-For: 9.9.9.9\r\nX-FORWARDED-FOR: 8.8.8.8\r\nx-forwarded-proto: https\r\n\
                  x-forwarded-host: evil.test\r\nx-real-ip: 9.9.9.9\r\nForwarded: for=8.8.8.8;proto=https\r\n";
    let request = format!("GET / HTTP/1.1\r\nhost: app.test\r\n{claims}\r\n");
    let mut raw = Raw::plain(&gateway).await;
    raw.say(&request).await;
    let heard = raw.hear_until("\"version\"").await;
    for made_up in ["9.9.9.9", "8.8.8.8", "evil.test", "x-real-ip"] {
        assert!(!heard.contains(made_up), "{made_up}: {heard:?}");
    }
    assert!(heard.contains("\"x-forwarded-for\":[\"127.0.0.1\"]"), "{heard:?}");
    assert!(heard.contains("\"x-forwarded-proto\":[\"http\"]"), "{heard:?}");

    gateway.reload(&trusting.text()).await;
    raw.say(&request).await;
    let heard = raw.hear_until("\"version\"").await;
    assert!(heard.contains("\"x-forwarded-for\":[\"9.9.9.9, 8.8.8.8, 127.0.0.1\"]"), "{heard:?}");
    assert!(heard.contains("\"x-forwarded-proto\":[\"https\"]"), "{heard:?}");
    gateway.log.wait_for("exchange", |event| event.text("client") == "8.8.8.8").await;
}

/// B11, over HTTP/1.1
#[tokio::test]
async fn b11_bytes_above_ascii_come_through_as_they_are() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let selection = r#"[{ plugin = "consistent-hash", config = { key = [{ header = "x-bytes" }] } }]"#;
    let endpoint = [("raw", listener.local_addr().unwrap())];
    let gateway = Gateway::start(&Configuration::at(&endpoint).selection(selection)).await;
    let seen: JoinHandle<Vec<u8>> = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-back: \xe9\xff\x80\r\n\r\n").await.unwrap();
        seen
    });
    let mut raw = Raw::plain(&gateway).await;
    let fields = b"x-bytes: a\xe9\xff\x80b\r\nx-utf8: \xc3\xa9\r\ncookie: a=\xfe; b=c\r\nuser-agent: \x80\r\n";
    let connection = b"connection: \xe9, x-mine\xff, keep-alive\r\nte: \xff\r\nexpect-ct: \xff\r\nvia: \xff\r\n\r\n";
    raw.say([b"GET / HTTP/1.1\r\nhost: app.test\r\n", &fields[..], connection].concat()).await;
    let heard = raw.hear_bytes_until(b"\r\n\r\n").await;
    let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(
        heard.starts_with(b"HTTP/1.1 200 ") && has(&heard, b"x-back: \xe9\xff\x80\r\n"),
        "{}",
        heard.escape_ascii()
    );
    let seen = within("what the origin saw", seen).await.unwrap();
    for field in fields.split_inclusive(|byte| *byte == b'\n').chain([&b"expect-ct: \xff\r\n"[..], b"via: \xff"]) {
        assert!(has(&seen, field), "{} not in {}", field.escape_ascii(), seen.escape_ascii());
    }
}
