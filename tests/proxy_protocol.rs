//! A balancer says in front of the first byte who the client is: PROXY protocol, versions 1 and 2, as literal bytes.

use tokio::io::AsyncWriteExt;

use crate::harness::client::{connect, over_tls};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, within};

const LINE: &str = "PROXY TCP4 203.0.113.9 198.51.100.2 12345 443\r\n";
const GET: &str = "GET /seen HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\r\n";

/// Version 2, with the command, the family and a block.
fn block(kind: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[kind, family][..], &length, block].concat()
}

fn tcp4() -> Vec<u8> {
    block(0x21, 0x11, &[203, 0, 113, 9, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xbb])
}

/// Both listeners want the header.
async fn gateway(origin: &Origin, more: &str) -> Gateway {
    let lines = format!("proxy-protocol = true\n{more}");
    let configuration = Configuration::of(&[origin]).listener(0, &lines).listener(1, &lines);
    Gateway::start(&configuration).await
}

/// What the origin saw of a client whose connection begins so; empty if there was no answer.
async fn seen(gateway: &Gateway, beginning: &[u8]) -> String {
    let mut raw = Raw::plain(gateway).await;
    // It may be closed by then.
    raw.try_say([beginning, GET.as_bytes()].concat()).await;
    let heard = raw.hear_all().await;
    let field = heard.split_once(r#""x-forwarded-for":[""#).map(|(_, rest)| rest);
    field.and_then(|rest| rest.split_once('"')).map(|(address, _)| address.to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn the_client_is_who_the_header_says() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin, "").await;
    let mut six = [0; 36];
    six[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
    six[15] = 7;
    let cases: &[(Vec<u8>, &str)] = &[
        (LINE.into(), "203.0.113.9"),
        ("PROXY TCP6 2001:db8::7 ::1 1 443\r\n".into(), "2001:db8::7"),
        ("PROXY UNKNOWN\r\n".into(), "127.0.0.1"),
        ("PROXY UNKNOWN 203.0.113.9 and more of it\r\n".into(), "127.0.0.1"),
        (tcp4(), "203.0.113.9"),
        (block(0x21, 0x21, &six), "2001:db8::7"),
        // What else a balancer tells is passed over.
        (block(0x21, 0x11, &[&tcp4()[16..], &[0x05, 0, 3, 1, 2, 3], &[4; 500]].concat()), "203.0.113.9"),
        // Its own connections, as for health checks; and those of families without such addresses.
        (block(0x20, 0x00, &[]), "127.0.0.1"),
        (block(0x20, 0x11, &tcp4()[16..]), "127.0.0.1"),
        (block(0x21, 0x31, &[b'/'; 216]), "127.0.0.1"),
    ];
    for (header, expected) in cases {
        assert_eq!(seen(&gateway, header).await, *expected, "{:?}", String::from_utf8_lossy(header));
        assert_eq!(gateway.exchanges(1).await.last().unwrap().text("path"), "/seen");
    }
    let clients: Vec<String> =
        gateway.exchanges(cases.len()).await.iter().map(|line| line.text("client").to_owned()).collect();
    let mut expected: Vec<_> = cases.iter().map(|(_, client)| (*client).to_owned()).collect();
    let mut found = clients;
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte_and_with_all_else_at_once() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin, "").await;
    for header in [LINE.as_bytes(), &tcp4()] {
        let mut raw = Raw::plain(&gateway).await;
        for byte in [header, GET.as_bytes()].concat() {
            raw.say([byte]).await;
            tokio::task::yield_now().await;
        }
        assert!(raw.hear_all().await.contains(r#""x-forwarded-for":["203.0.113.9"]"#));
    }
}

#[tokio::test]
async fn it_comes_before_tls_and_before_h2() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin, "").await;
    for header in [LINE.as_bytes(), &tcp4()] {
        let mut stream = connect(gateway.secure).await;
        stream.write_all(header).await.unwrap();
        let mut client = Client::over_h2(over_tls(stream, &["h2"]).await).await;
        let answer = client.get("/").await;
        assert_eq!(answer.seen_field("x-forwarded-for"), "203.0.113.9");
        assert_eq!(answer.seen_field("forwarded"), "for=203.0.113.9;host=app.test;proto=https");
    }
}

#[tokio::test]
async fn a_connection_without_a_good_header_is_closed_without_a_word() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin, "").await;
    let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    let cases: &[Vec<u8>] = &[
        Vec::new(),
        "PROXY TCP4 203.0.113.9 198.51.100.2 12345 443\n".into(),
        "PROXY TCP4 203.0.113.9\r\n".into(),
        "PROXY TCP4 203.0.113.09 198.51.100.2 1 443\r\n".into(),
        "PROXY TCP4 203.0.113.9 198.51.100.2 1 99999\r\n".into(),
        "PROXY TCP6 203.0.113.9 198.51.100.2 1 443\r\n".into(),
        "proxy tcp4 203.0.113.9 198.51.100.2 1 443\r\n".into(),
        too_long.into(),
        block(0x21, 0x11, &[203, 0, 113, 9]),
        block(0x22, 0x11, &tcp4()[16..]),
        block(0x31, 0x11, &tcp4()[16..]),
        block(0x21, 0x44, &tcp4()[16..]),
        block(0x21, 0x11, &[0; 5000]),
    ];
    for header in cases {
        assert_eq!(seen(&gateway, header).await, "", "{:?}", String::from_utf8_lossy(header));
    }
    assert_eq!(origin.requests(), 0);
    // A header twice is a bad request.
    let mut raw = Raw::plain(&gateway).await;
    raw.try_say([LINE, LINE, GET].concat()).await;
    assert!(raw.hear_all().await.starts_with("HTTP/1.1 400 "));
    assert_eq!(seen(&gateway, LINE.as_bytes()).await, "203.0.113.9");
}

#[tokio::test]
async fn a_header_that_does_not_come_is_not_waited_for() {
    let origin = Origin::start("a").await;
    let lines = "proxy-protocol = true";
    let configuration = Configuration::of(&[&origin]).listener(0, lines).listener(1, lines);
    let gateway = Gateway::start(&configuration.tables("[timeouts]\nhandshake = \"300ms\"")).await;
    for address in [gateway.secure, gateway.plain] {
        for beginning in ["", "PROXY TCP4 203.0.113.9 198", "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"] {
            let mut raw = Raw::to(address).await;
            raw.say(beginning).await;
            assert_eq!(raw.hear_all().await, "", "{beginning:?}");
        }
    }
    assert_eq!(seen(&gateway, LINE.as_bytes()).await, "203.0.113.9");
}

#[tokio::test]
async fn the_client_of_the_header_is_the_peer_of_the_trust_list() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin, r#"trusted-proxies = ["203.0.113.0/24"]"#).await;
    let get = GET.replace("\r\n\r\n", "\r\nx-forwarded-for: 192.0.2.1\r\n\r\n");
    for (header, expected) in [(LINE, "192.0.2.1, 203.0.113.9"), ("PROXY UNKNOWN\r\n", "127.0.0.1")] {
        let mut raw = Raw::plain(&gateway).await;
        raw.say(header.to_owned() + &get).await;
        let heard = raw.hear_all().await;
        assert!(heard.contains(&format!(r#""x-forwarded-for":["{expected}"]"#)), "{heard}");
    }
}

#[tokio::test]
async fn only_balancers_that_are_named_are_believed() {
    let origin = Origin::start("a").await;
    let named = gateway(&origin, r#"proxy-protocol-from = ["127.0.0.0/8"]"#).await;
    assert_eq!(seen(&named, LINE.as_bytes()).await, "203.0.113.9");
    let others = gateway(&origin, r#"proxy-protocol-from = ["10.0.0.0/8"]"#).await;
    assert_eq!(seen(&others, LINE.as_bytes()).await, "");
    assert_eq!(seen(&others, b"").await, "");
}

#[tokio::test]
async fn where_it_is_not_configured_a_header_is_a_bad_request() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    for header in [LINE.as_bytes(), &tcp4()] {
        let mut raw = Raw::plain(&gateway).await;
        raw.try_say([header, GET.as_bytes()].concat()).await;
        assert!(!raw.hear_all().await.contains(" 200 OK"));
    }
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn what_has_come_behind_its_header_by_the_end_is_answered() {
    let origin = Origin::start("a").await;
    let mut gateway = gateway(&origin, "").await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = Raw::plain(&gateway).await;
        client.say([LINE, GET].concat()).await;
        clients.push(client);
    }
    gateway.terminate();
    for client in &mut clients {
        let heard = client.hear_all().await;
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard:?}");
    }
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn connections_of_before_end_when_the_header_is_wanted() {
    let origin = Origin::start("a").await;
    let plain = Configuration::of(&[&origin]);
    let gateway = Gateway::start(&plain).await;
    let mut before = Client::plain(&gateway).await;
    assert_eq!(before.get("/").await.status, 200);
    gateway.reload(&plain.clone().listener(1, "proxy-protocol = true").text()).await;
    within("the end of a connection without a header", before.closed()).await;
    assert_eq!(seen(&gateway, LINE.as_bytes()).await, "203.0.113.9");
    gateway.reload(&plain.text()).await;
    assert_eq!(Client::plain(&gateway).await.ask(Ask::get("/")).await.seen_field("x-forwarded-for"), "127.0.0.1");
}
