//! TLS towards clients: the certificate by name, the protocol by agreement, sessions resumed on every worker, and
//! handshakes that lead nowhere.

use std::sync::Arc;
use std::time::Instant;

use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::certificates::{self, is_for};
use crate::harness::client::{connect, tls, try_tls};
use crate::harness::configuration::{HOST, OTHER_HOST};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, PATIENCE, Raw, within};

async fn gateway(origin: &Origin) -> Gateway {
    Gateway::start(&Configuration::of(&[origin])).await
}

#[tokio::test]
async fn the_certificate_is_chosen_by_the_name_that_the_client_asks_for() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    // An address is no name: the client then asks for none.
    for (asked, expected) in [(HOST, HOST), (OTHER_HOST, OTHER_HOST), ("unknown.example", HOST), ("127.0.0.1", HOST)] {
        let config = Arc::new(certificates::curious_client(&["http/1.1"]));
        let stream = try_tls(gateway.secure, asked, config).await.unwrap();
        let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        assert!(is_for(&certificate, expected), "another certificate than that of {expected} for {asked}");
        assert_eq!(Client::over(stream).await.ask(Ask::get("/").host(asked)).await.status, 200);
    }
}

#[tokio::test]
async fn a_client_that_believes_our_authority_believes_both_certificates() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    for name in [HOST, OTHER_HOST] {
        try_tls(gateway.secure, name, certificates::client(&[]).into()).await.unwrap();
    }
    assert!(try_tls(gateway.secure, "unknown.example", certificates::client(&[]).into()).await.is_err());
}

#[tokio::test]
async fn a_host_of_another_certificate_is_misdirected() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    // asked for in the handshake, in the request, status
    let cases = [
        (HOST, HOST, 200),
        (HOST, "APP.test:8443", 200),
        (HOST, "app.test.", 200),
        (HOST, "localhost", 200),
        ("localhost", HOST, 200),
        (HOST, OTHER_HOST, 421),
        (HOST, "Second.Example.:443", 421),
        (OTHER_HOST, HOST, 421),
        (HOST, "unknown.example", 200),
        (HOST, "127.0.0.1", 200),
        ("unknown.example", HOST, 200),
        ("unknown.example", OTHER_HOST, 421),
        // No name at all.
        ("127.0.0.1", OTHER_HOST, 200),
    ];
    for (name, host, status) in cases {
        let config = |protocol| Arc::new(certificates::curious_client(&[protocol]));
        let mut h1 = Client::over(try_tls(gateway.secure, name, config("http/1.1")).await.unwrap()).await;
        let mut h2 = Client::over_h2(try_tls(gateway.secure, name, config("h2")).await.unwrap()).await;
        for client in [&mut h1, &mut h2] {
            let answer = client.ask(Ask::get("/").host(host)).await;
            assert_eq!(answer.status, status, "{name} {host}");
            assert_eq!(!answer.header("proxy-status").is_empty(), status == 421, "{name} {host}");
            // The connection is as good as before for its own host.
            assert_eq!(client.ask(Ask::get("/").host(name)).await.status, 200, "{name}");
        }
    }
    assert_eq!(Client::plain(&gateway).await.ask(Ask::get("/").host(OTHER_HOST)).await.status, 200);
}

#[tokio::test]
async fn one_connection_may_ask_for_all_hosts_of_its_certificate() {
    let origin = Origin::start("a").await;
    let mut configuration = Configuration::of(&[&origin]);
    let sites = [("wild", &["*.apps.example"][..]), ("one", &["one.apps.example", "also.example"])];
    for (file, names) in sites {
        let site = certificates::site(names);
        configuration =
            configuration.file(&format!("{file}.pem"), &site.certificate).file(&format!("{file}.key"), &site.key);
    }
    let files =
        ["wild", "one"].map(|file| format!("{{ certificate = \"{file}.pem\", key = \"{file}.key\" }}")).join(", ");
    let listener = format!("[[listener]]\naddress = \"127.0.0.1:0\"\ntls.certificates = [{files}]");
    let gateway = Gateway::start(&configuration.tables(&listener)).await;
    let listening = gateway.log.wait_for("listening", |event| event.number("listener") == 2).await;
    let address = listening.text("address").parse().unwrap();
    for (name, host, status) in [
        ("two.apps.example", "three.apps.example", 200),
        // Its own certificate is another one; this one covers it all the same.
        ("two.apps.example", "one.apps.example", 200),
        ("two.apps.example", "also.example", 421),
        ("one.apps.example", "also.example", 200),
        ("one.apps.example", "two.apps.example", 421),
    ] {
        let mut client = Client::over_h2(tls(address, name, &["h2"]).await).await;
        assert_eq!(client.ask(Ask::get("/").host(name)).await.status, 200, "{name}");
        assert_eq!(client.ask(Ask::get("/").host(host)).await.status, status, "{name} {host}");
    }
}

#[tokio::test]
async fn the_protocol_is_agreed_on_and_h2_is_preferred() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    let cases: [(&[&str], Option<&[u8]>); 4] =
        [(&["http/1.1", "h2"], Some(b"h2")), (&["h2"], Some(b"h2")), (&["http/1.1"], Some(b"http/1.1")), (&[], None)];
    for (offered, agreed) in cases {
        let stream = try_tls(gateway.secure, HOST, certificates::client(offered).into()).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
    }
    let refused = try_tls(gateway.secure, HOST, certificates::client(&["imap"]).into()).await;
    assert!(refused.unwrap_err().to_string().contains("NoApplicationProtocol"));
}

#[tokio::test]
async fn a_client_without_alpn_is_served_http1() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    let stream = try_tls(gateway.secure, HOST, certificates::client(&[]).into()).await.unwrap();
    assert_eq!(Client::over(stream).await.get("/").await.version, http::Version::HTTP_11);
}

#[tokio::test]
async fn a_listener_without_h2_does_not_agree_on_it() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).listener(0, r#"protocols = ["http/1.1"]"#);
    let gateway = Gateway::start(&configuration).await;
    let stream = try_tls(gateway.secure, HOST, certificates::client(&["h2", "http/1.1"]).into()).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn sessions_are_resumed_whichever_worker_takes_the_connection() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let config = Arc::new(certificates::client_of(version, &["http/1.1"]));
        for number in 0..12 {
            let stream = try_tls(gateway.secure, HOST, config.clone()).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            let resumed = kind == Some(HandshakeKind::Resumed);
            assert_eq!(resumed, number > 0, "connection {number} of {version:?}: {kind:?}");
            // Tickets of TLS 1.3 come after the handshake.
            assert_eq!(Client::over(stream).await.get("/").await.status, 200);
        }
    }
    let exchanges = gateway.exchanges(24).await;
    let workers: std::collections::BTreeSet<_> = exchanges.iter().map(|event| event.number("worker")).collect();
    assert_eq!(workers.len(), 2);
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_and_keeps_nobody_waiting() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).tables("[timeouts]\nhandshake = \"1s\"")).await;
    let started = Instant::now();
    let mut silent = Vec::new();
    for number in 0..200 {
        let mut raw = Raw::to(gateway.secure).await;
        match number % 3 {
            0 => {}
            // The start of a ClientHello, and of nothing.
            1 => raw.say([22, 3, 1, 2, 0, 1, 0]).await,
            _ => raw.say([22]).await,
        }
        silent.push(raw);
    }
    let served = Instant::now();
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
    assert!(served.elapsed() < PATIENCE / 3, "a good client waited behind those that are silent");
    for raw in &mut silent {
        raw.hear_all().await;
    }
    assert!(started.elapsed() < PATIENCE, "silent clients were kept");
    assert_eq!(Client::h2(&gateway).await.get("/").await.status, 200);
}

#[tokio::test]
async fn what_is_no_tls_is_turned_away() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    let noise: Vec<u8> = (0..4096_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for bytes in [&b"GET / HTTP/1.1\r\nhost: app.test\r\n\r\n"[..], &noise, &[22, 3, 1, 0xff, 0xff], &[0; 100]] {
        let mut raw = Raw::to(gateway.secure).await;
        raw.say(bytes).await;
        let heard = raw.hear_all_after_end().await;
        assert!(!heard.contains("200 OK"), "{heard}");
    }
    drop(connect(gateway.secure).await);
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn versions_before_1_2_are_refused_by_an_alert() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    for minor in [0, 1, 2] {
        // Version, random, no session, one cipher suite, no compression, one kind of signature.
        let mut hello = vec![3, minor];
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
        let length = hello.len() as u8;
        let mut raw = Raw::to(gateway.secure).await;
        raw.say([&[22, 3, 1, 0, length + 4, 1, 0, 0, length], hello.as_slice()].concat()).await;
        // Fatal: protocol_version.
        let heard = raw.hear_all().await;
        assert!(heard.ends_with("\0\x02\x02\x46"), "version 3.{minor}: {heard:?}");
    }
}

#[tokio::test]
async fn a_handshake_byte_by_byte_is_as_good() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    let name = rustls::pki_types::ServerName::try_from(HOST).unwrap();
    let mut client = rustls::ClientConnection::new(certificates::client(&[]).into(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let mut stream = connect(gateway.secure).await;
    for byte in hello {
        stream.write_all(&[byte]).await.unwrap();
    }
    // A record of a handshake: the other side's hello.
    let mut heard = [0; 3];
    within("the gateway's hello", stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, [22, 3, 3]);
}

#[tokio::test]
async fn h2_is_spoken_on_a_plain_listener_that_names_it_and_on_no_other() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    assert_eq!(Client::plain_h2(&gateway).await.get("/").await.version, http::Version::HTTP_2);
    assert_eq!(Client::plain(&gateway).await.get("/").await.version, http::Version::HTTP_11);

    let only_http1 = Configuration::of(&[&origin]).listener(1, r#"protocols = ["http/1.1"]"#);
    let gateway = Gateway::start(&only_http1).await;
    let mut raw = Raw::plain(&gateway).await;
    raw.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let heard = raw.hear_all().await;
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 4") || heard.starts_with("HTTP/1.1 505"), "{heard:?}");
    assert_eq!(Client::plain(&gateway).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_stops_the_start_and_is_named() {
    let origin = Origin::start("a").await;
    let lines = "[[listener]]\naddress = \"127.0.0.1:0\"\ntls.certificates = [{ certificate = \"site.pem\", key = \"other.key\" }]";
    let output = Gateway::refuse(&Configuration::of(&[&origin]).tables(lines));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("other.key"), "{said}");
}
