//! TLS to endpoints: who is believed and who is not, what the gateway shows of itself, and what happens when files change.

use std::time::{Duration, SystemTime};

use crate::harness::certificates::{Authority, Site, authority_pem, site, site_until};
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, Speaks, eventually};

/// An endpoint called `backend.test` whose upstream believes the tests' authority.
const NAMED: &str = r#"server-name = "backend.test", ca = "ca.pem""#;

fn towards(origin: &Origin, protocol: &str, tls: &str) -> Configuration {
    let lines = format!("protocol = \"{protocol}\"\ntls = {{ {tls} }}");
    Configuration::of(&[origin]).file("ca.pem", &authority_pem()).upstream(&lines)
}

async fn asked(configuration: &Configuration) -> (Answer, String) {
    let gateway = Gateway::start(configuration).await;
    let answer = Client::h2(&gateway).await.ask(Ask::post("/asked", "a body")).await;
    let why = gateway.exchange("/asked").await.text("why").to_owned();
    (answer, why)
}

fn assert_refused(outcome: &(Answer, String), kind: &str, why: &str) {
    let (answer, said) = outcome;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.header("proxy-status"), format!("sluice; error={kind}"), "{said}");
    assert!(said.contains(why), "{said:?} does not say {why:?}");
}

fn backend() -> Site {
    site(&["backend.test"])
}

#[tokio::test]
async fn requests_go_over_tls_in_each_protocol() {
    let cases: [(&str, &[&str], &str); 6] = [
        ("http/1.1", &["http/1.1"], "HTTP/1.1"),
        ("http/1.1", &[], "HTTP/1.1"),
        ("h2", &["h2", "http/1.1"], "HTTP/2.0"),
        ("auto", &["h2", "http/1.1"], "HTTP/2.0"),
        ("auto", &["http/1.1"], "HTTP/1.1"),
        ("auto", &[], "HTTP/1.1"),
    ];
    for (protocol, offered, spoken) in cases {
        let origin = Origin::start_as("a", Speaks::tls(&backend(), offered)).await;
        let gateway = Gateway::start(&towards(&origin, protocol, NAMED)).await;
        for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
            for _ in 0..3 {
                let answer = client.ask(Ask::post("/path?query", "a body")).await;
                assert_eq!(answer.status, 200, "{protocol} {offered:?}");
                assert_eq!(answer.seen()["version"], spoken, "{protocol} {offered:?}");
                assert_eq!(answer.seen()["body_start"], "a body", "{protocol} {offered:?}");
            }
        }
        assert!(origin.connections() <= 2, "{protocol} {offered:?}: {} connections", origin.connections());
    }
}

#[tokio::test]
async fn an_endpoint_of_an_unknown_authority_is_502_with_the_reason() {
    let origin = Origin::start_as("a", Speaks::tls(&backend(), &["h2", "http/1.1"])).await;
    for protocol in ["http/1.1", "h2", "auto"] {
        let configuration = towards(&origin, protocol, r#"server-name = "backend.test", ca = "other.ca""#);
        let outcome = asked(&configuration.file("other.ca", &Authority::new("another").pem())).await;
        assert_refused(&outcome, "tls_certificate_error", "UnknownIssuer");
    }
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn an_endpoint_with_another_name_is_502_with_the_reason() {
    let origin = Origin::start_as("a", Speaks::tls(&site(&["other.test"]), &["http/1.1"])).await;
    assert_refused(&asked(&towards(&origin, "http/1.1", NAMED)).await, "tls_certificate_error", "backend.test");
    // Without a name of its own it is the host of the address.
    let outcome = asked(&towards(&origin, "http/1.1", r#"ca = "ca.pem""#)).await;
    assert_refused(&outcome, "tls_certificate_error", "127.0.0.1");
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn the_name_is_the_host_of_the_address_if_none_is_given() {
    let origin = Origin::start_as("a", Speaks::tls(&site(&["127.0.0.1"]), &["h2"])).await;
    let (answer, _) = asked(&towards(&origin, "h2", r#"ca = "ca.pem""#)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn an_endpoint_whose_certificate_has_ended_is_502_with_the_reason() {
    let ended = site_until(&["backend.test"], SystemTime::now() - Duration::from_secs(86_400));
    let origin = Origin::start_as("a", Speaks::tls(&ended, &["h2", "http/1.1"])).await;
    for protocol in ["http/1.1", "h2"] {
        assert_refused(&asked(&towards(&origin, protocol, NAMED)).await, "tls_certificate_error", "expired");
    }
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn an_endpoint_that_signed_itself_is_believed_if_the_file_has_its_very_certificate() {
    let (alone, other) = (Authority::new("alone"), Authority::new("other"));
    let origin = Origin::start_as("a", Speaks::tls(&alone.itself(), &["http/1.1"])).await;
    for (listed, status) in [(&alone, 200), (&other, 502)] {
        let configuration = towards(&origin, "http/1.1", r#"ca = "itself.pem""#).file("itself.pem", &listed.pem());
        assert_eq!(asked(&configuration).await.0.status, status);
    }
    // One that is no authority signs nobody else.
    let leaf = backend();
    let signed = Origin::start_as("b", Speaks::tls(&leaf, &["http/1.1"])).await;
    let believed = towards(&signed, "http/1.1", r#"ca = "leaf.pem""#).file("leaf.pem", &leaf.certificate);
    assert_eq!(asked(&believed).await.0.status, 200);
    let not = towards(&signed, "http/1.1", r#"ca = "leaf.pem""#).file("leaf.pem", &site(&["backend.test"]).certificate);
    assert_refused(&asked(&not).await, "tls_certificate_error", "UnknownIssuer");
}

#[tokio::test]
async fn an_endpoint_that_asks_for_a_certificate_gets_the_one_of_the_upstream() {
    let own = site(&["gateway.test"]);
    let speaks = Speaks::mutual_tls(&backend(), &["h2", "http/1.1"], &authority_pem());
    let origin = Origin::start_as("a", speaks).await;
    for protocol in ["http/1.1", "h2"] {
        let with_own = format!(r#"{NAMED}, certificate = "own.pem", key = "own.key""#);
        let configuration = towards(&origin, protocol, &with_own).file("own.pem", &own.certificate);
        let (answer, _) = asked(&configuration.file("own.key", &own.key)).await;
        assert_eq!(answer.status, 200, "{protocol}");
        let requests = origin.requests();
        let (answer, why) = asked(&towards(&origin, protocol, NAMED)).await;
        assert_eq!(answer.status, 502, "{protocol}");
        assert_eq!(answer.header("proxy-status"), "sluice; error=tls_alert_received", "{why}");
        assert!(why.contains("CertificateRequired"), "{why}");
        assert_eq!(origin.requests(), requests);
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_speak_what_it_should_is_502_with_the_reason() {
    let plain = Origin::start("a").await;
    assert_refused(&asked(&towards(&plain, "http/1.1", NAMED)).await, "tls_protocol_error", "TLS");
    let old = Origin::start_as("b", Speaks::tls(&backend(), &["http/1.1"])).await;
    assert_refused(&asked(&towards(&old, "h2", NAMED)).await, "tls_alert_received", "NoApplicationProtocol");
    let mute = Origin::start_as("c", Speaks::tls(&backend(), &[])).await;
    assert_refused(&asked(&towards(&mute, "h2", NAMED)).await, "http_protocol_error", "HTTP/2");
    assert_eq!(plain.requests() + old.requests() + mute.requests(), 0);
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_504_at_the_connect_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let lines = format!("tls = {{ {NAMED} }}");
    let configuration = Configuration::at(&[("mute", listener.local_addr().unwrap())]).upstream(&lines);
    let configuration = configuration.file("ca.pem", &authority_pem()).route(r#"timeouts = { connect = "200ms" }"#);
    let (answer, why) = asked(&configuration).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("proxy-status")),
        (504, "sluice; error=connection_timeout"),
        "{why}"
    );
}

#[tokio::test]
async fn new_connections_resume_the_session_of_old_ones() {
    let origin = Origin::start_as("a", Speaks::tls(&backend(), &["http/1.1"])).await;
    let configuration = towards(&origin, "http/1.1", NAMED).workers(1).upstream("pool = { idle-per-endpoint = 0 }");
    let gateway = Gateway::start(&configuration).await;
    let mut client = Client::h1(&gateway).await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(origin.connections(), 5);
    assert_eq!(origin.resumed(), 4);
}

#[tokio::test]
async fn authorities_and_own_certificates_are_replaced_live() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let origin = Origin::start_as("a", Speaks::tls(&new.site(&["backend.test"]), &["h2"])).await;
    let configuration = towards(&origin, "h2", r#"server-name = "backend.test", ca = "live.pem""#);
    let gateway = Gateway::start(&configuration.file("live.pem", &old.pem())).await;
    let mut client = Client::h2(&gateway).await;
    assert_eq!(client.get("/").await.status, 502);

    gateway.put("live.pem", "no certificate at all");
    let refused = gateway.log.wait_for("reload refused", |_| true).await;
    assert_eq!(refused.text("key"), "upstream[0].tls.ca");
    assert!(refused.text("reason").contains("live.pem"), "{refused:?}");

    gateway.put("live.pem", new.pem());
    gateway.log.wait_for("files read again", |_| true).await;
    assert_eq!(client.get("/").await.status, 200);

    // What is not believed any more is not spoken to over a connection of before.
    gateway.put("live.pem", old.pem());
    gateway.log.wait_for_all("files read again", 2, |_| true).await;
    assert_eq!(client.get("/").await.status, 502);
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_told_at_the_key_that_names_them() {
    let origin = Origin::start("a").await;
    let (one, other) = (site(&["a.test"]), site(&["b.test"]));
    let cases = [
        (r#"ca = "empty""#, "upstream[0].tls.ca", "no certificate in this file"),
        (r#"ca = "ca.pem", certificate = "one.pem", key = "other.key""#, "upstream[0].tls.key", "not the private key"),
        (r#"ca = "ca.pem", certificate = "empty", key = "other.key""#, "upstream[0].tls.certificate", "no certificate"),
        (r#"ca = "ca.pem", server-name = "a b""#, "upstream[0].tls.server-name", "is no name"),
    ];
    for (tls, key, reason) in cases {
        let configuration = towards(&origin, "http/1.1", tls).file("empty", "");
        let configuration = configuration.file("one.pem", &one.certificate).file("other.key", &other.key);
        for output in [Gateway::check(&configuration), Gateway::refuse(&configuration)] {
            let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            assert!(!output.status.success() && said.contains(key) && said.contains(reason), "{tls}: {said}");
        }
    }
}

#[tokio::test]
async fn the_systems_authorities_are_believed_if_none_are_named() {
    let origin = Origin::start_as("a", Speaks::tls(&backend(), &["http/1.1"])).await;
    let configuration = towards(&origin, "http/1.1", r#"server-name = "backend.test""#);
    // Which the tests' own is not.
    assert_refused(&asked(&configuration).await, "tls_certificate_error", "UnknownIssuer");
    let folder = tempfile::tempdir().unwrap();
    let system = folder.path().join("system.pem");
    std::fs::write(&system, authority_pem()).unwrap();
    let gateway = Gateway::start_by(&configuration, |mut command| {
        command.env("SSL_CERT_FILE", &system);
        command
    });
    let gateway = gateway.await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
}

#[tokio::test]
async fn endpoints_are_checked_over_what_requests_go_over() {
    let health = "\nhealth = { path = \"/status/200\", interval = \"100ms\" }\nwhen-all-bad = \"refuse\"";
    let tls = |protocol: &str, ca: &str| {
        format!("protocol = \"{protocol}\"\ntls = {{ server-name = \"backend.test\", ca = \"{ca}\" }}{health}")
    };
    let ways = [
        (Speaks::H2, format!("protocol = \"h2\"{health}")),
        (Speaks::tls(&backend(), &["http/1.1"]), tls("http/1.1", "ca.pem")),
        (Speaks::tls(&backend(), &["h2"]), tls("h2", "ca.pem")),
        (Speaks::tls(&backend(), &["h2"]), tls("auto", "ca.pem")),
    ];
    for (speaks, lines) in ways {
        let origin = Origin::start_as("a", speaks).await;
        let configuration = Configuration::of(&[&origin]).file("ca.pem", &authority_pem()).upstream(&lines);
        let gateway = Gateway::start(&configuration).await;
        eventually("checks", async || (origin.requests() >= 3).then_some(())).await;
        assert_eq!(Client::h2(&gateway).await.get("/").await.status, 200, "{lines}");
    }
    let origin = Origin::start_as("a", Speaks::tls(&backend(), &["h2"])).await;
    let configuration = Configuration::of(&[&origin]).file("stranger.pem", &Authority::new("other").pem());
    let gateway = Gateway::start(&configuration.upstream(&tls("h2", "stranger.pem"))).await;
    let unhealthy = gateway.log.wait_for("unhealthy", |_| true).await;
    assert!(unhealthy.text("reason").contains("UnknownIssuer"), "{unhealthy:?}");
    assert_eq!(Client::h2(&gateway).await.get("/").await.status, 503);
}
