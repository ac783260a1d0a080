//! The admin listener: for this machine only, at `/metrics` only, and whoever is slow there holds up nobody. What the
//! figures say is in `metrics`, but for those that nothing changes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::harness::scrape::{OPEN, OPEN_TYPE, PLAIN_TYPE};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, load};

async fn with_admin(origin: &Origin) -> Gateway {
    Gateway::start(&Configuration::of(&[origin]).tables("[admin]\naddress = \"127.0.0.1:0\"")).await
}

#[tokio::test]
async fn only_figures_are_there_and_only_for_this_machine() {
    let origin = Origin::start("a").await;
    let gateway = with_admin(&origin).await;
    let host = gateway.admin().await;
    let cases = [
        (format!("GET /metrics HTTP/1.1\r\nhost: {host}"), "200", PLAIN_TYPE),
        (format!("GET /metrics?x=y HTTP/1.1\r\nhost: localhost:1\r\naccept: {OPEN};q=0.5, */*"), "200", OPEN_TYPE),
        (format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\naccept: {OPEN};q=0.5, text/plain"), "200", PLAIN_TYPE),
        (format!("HEAD /metrics HTTP/1.1\r\nhost: {host}"), "200", PLAIN_TYPE),
        (format!("GET http://localhost/metrics HTTP/1.1\r\nhost: {host}"), "200", PLAIN_TYPE),
        (format!("POST /metrics HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0"), "405", "allow: GET, HEAD"),
        (format!("GET /dashboard/ HTTP/1.1\r\nhost: {host}"), "404", "text/plain"),
        (format!("GET /metrics/ HTTP/1.1\r\nhost: {host}"), "404", "text/plain"),
        ("GET /metrics HTTP/1.1\r\nhost: evil.example".to_owned(), "421", "text/plain"),
        (format!("GET http://evil.example/metrics HTTP/1.1\r\nhost: {host}"), "421", "text/plain"),
        ("GET /metrics HTTP/1.1\r\nx: y".to_owned(), "421", "text/plain"),
    ];
    for (request, status, field) in cases {
        let (head, body) = gateway.ask_admin(&request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains(field), "{request:?}: {head:?}");
        assert_eq!(body.is_empty(), request.starts_with("HEAD"), "{request:?}: {body:?}");
        assert_eq!(body.contains("sluice_"), status == "200" && !body.is_empty(), "{request:?}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert!(length.is_some_and(|length| length.parse::<usize>().unwrap() > 0), "{head:?}");
    }
    // Clients do not get there, whatever they ask for.
    assert_eq!(Client::h1(&gateway).await.get("/metrics").await.origin(), "a");
}

#[tokio::test]
async fn slow_scrapers_hold_up_no_client_and_others_of_their_kind_not_for_long() {
    let origin = Origin::start("a").await;
    let gateway = with_admin(&origin).await;
    let mut slow = Vec::new();
    // As many as it takes at a time.
    for _ in 0..16 {
        let mut raw = Raw::to(gateway.admin().await).await;
        raw.say("GET /metrics HTTP/1.1\r\nhost: loc").await;
        slow.push(raw);
    }
    let began = Instant::now();
    let answers = load(&gateway, 4, 200, |_| Ask::get("/")).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let served = began.elapsed();
    gateway.shows(&[(r#"sluice_requests_total{route="all",code="2xx"}"#, 200.0)]).await;
    let told = began.elapsed();
    eprintln!("200 requests took {served:?}, the next scrape {told:?}");
    // The slow ones were cut off for it.
    for raw in &mut slow {
        assert_eq!(raw.hear_all().await, "");
    }
    assert!(served < told && told < Duration::from_secs(15), "{served:?}, {told:?}");
}

#[tokio::test]
async fn an_admin_address_that_is_taken_is_a_mistake_like_any_other() {
    let origin = Origin::start("a").await;
    let taken = origin.address;
    let configuration = Configuration::of(&[&origin]).tables(&format!("[admin]\naddress = \"{taken}\"\n"));
    let wrong = configuration.tables(&format!("[[listener]]\naddress = \"{taken}\"\n"));
    let said = Gateway::refuse(&wrong);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    for key in ["admin.address", "listener[2].address"] {
        assert!(said.contains(&format!("{key}: cannot listen on {taken}")), "{said}");
    }
}

#[tokio::test]
async fn it_tells_its_version_and_when_certificates_end() {
    let origin = Origin::start("a").await;
    let gateway = with_admin(&origin).await;
    let scrape = gateway.scrape().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    for name in ["app.test", "localhost", "second.example"] {
        let listener = gateway.secure;
        let series = format!(r#"sluice_certificate_expiry_timestamp_seconds{{listener="{listener}",name="{name}"}}"#);
        assert!(scrape.value(&series) > now, "{name}");
    }
    assert_eq!(scrape.by("sluice_certificate_expiry_timestamp_seconds", "name").len(), 3);
    let version = scrape.by("sluice_build_info", "version");
    assert_eq!(version, [(env!("CARGO_PKG_VERSION").to_owned(), 1.0)]);
}
