//! Who may ask and order at the admin address, where somebody has to prove it: by a token, by a certificate.

use std::sync::Arc;

use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::certificates::{Authority, client_as};
use crate::harness::client::try_tls;
use crate::harness::configuration::HOST;
use crate::harness::{Configuration, Gateway, Origin};

const TOKEN: &str = "correct-horse-battery";

fn with(origin: &Origin, lines: &str) -> Configuration {
    Configuration::of(&[origin])
        .tables(&format!("[admin]\naddress = \"127.0.0.1:0\"\n{lines}"))
        .file("admin.token", &format!("{TOKEN}\n"))
}

impl Gateway {
    async fn status_of(&self, lines: &str) -> String {
        self.ask_admin(lines).await.0[9..12].to_owned()
    }
}

#[tokio::test]
async fn without_the_token_nothing_is_told_but_that_it_serves() {
    let origin = Origin::start("a").await;
    let configuration = with(&origin, "token-file = \"admin.token\"");
    let gateway = Gateway::start(&configuration).await;
    for path in ["/metrics", "/api/v1/state", "/api/v1/events", "/api/v1/openapi.json", "/nowhere"] {
        for more in ["", "\r\nauthorization: Bearer wrong", "\r\nauthorization: Basic Y29ycmVjdA=="] {
            let (head, body) = gateway.ask_admin(&format!("GET {path} HTTP/1.1\r\nhost: localhost{more}")).await;
            assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("www-authenticate: Bearer"), "{path}: {head}");
            assert!(!body.contains("sluice_") && !body.contains(TOKEN), "{body}");
        }
    }
    let order = "POST /api/v1/reload HTTP/1.1\r\nhost: localhost\r\nx-sluice-admin: 1\r\ncontent-length: 0";
    assert_eq!(gateway.status_of(order).await, "401");
    assert_eq!(gateway.status_of("GET /readyz HTTP/1.1\r\nhost: localhost").await, "200");
    // Whoever has it may call the gateway by any name.
    let known = format!("\r\nauthorization: bearer {TOKEN}");
    assert_eq!(gateway.status_of(&format!("GET /metrics HTTP/1.1\r\nhost: gateway.internal{known}")).await, "200");
    assert_eq!(gateway.status_of(&format!("{order}{known}")).await, "200");
    // Not even then for a page of another origin.
    assert_eq!(gateway.status_of(&format!("{order}{known}\r\norigin: https://evil.example")).await, "403");

    // Another one, saved over it, holds without a restart.
    let before = gateway.log.filter("reload", |_| true).len();
    gateway.put("admin.token", "another-token-of-ours");
    gateway.hang_up();
    gateway.log.wait_for_all("reload", before + 1, |_| true).await;
    assert_eq!(gateway.status_of(&format!("GET /metrics HTTP/1.1\r\nhost: localhost{known}")).await, "401");
    let other = "\r\nauthorization: Bearer another-token-of-ours";
    assert_eq!(gateway.status_of(&format!("GET /metrics HTTP/1.1\r\nhost: localhost{other}")).await, "200");
    // One that is too short is refused, and the one before holds.
    gateway.put("admin.token", "short");
    let said = gateway.refused_reload(&configuration.text()).await;
    assert_eq!(said[0].text("key"), "admin.token-file");
    assert_eq!(gateway.status_of(&format!("GET /metrics HTTP/1.1\r\nhost: localhost{other}")).await, "200");
}

#[tokio::test]
async fn where_certificates_are_asked_for_nobody_comes_in_without() {
    let origin = Origin::start("a").await;
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let tls = "tls = { certificate = \"site.pem\", key = \"site.key\", client-ca = \"operators.pem\" }";
    let gateway = Gateway::start(&with(&origin, tls).file("operators.pem", &ours.pem())).await;
    let address = gateway.admin().await;
    for (identity, is_let_in) in [(None, false), (Some(theirs.client("x")), false), (Some(ours.client("x")), true)] {
        let config = Arc::new(client_as(identity.as_ref(), &TLS13, &["http/1.1"]));
        let mut heard = String::new();
        if let Ok(mut stream) = try_tls(address, HOST, config).await {
            // A client of TLS 1.3 learns that it is refused only when it reads.
            let _ = stream.write_all(b"GET /api/v1/state HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            let _ = stream.read_to_string(&mut heard).await;
        }
        assert_eq!(heard.starts_with("HTTP/1.1 200 "), is_let_in, "{heard:?}");
    }
}

#[tokio::test]
async fn an_address_that_others_reach_needs_a_token_or_certificates() {
    let origin = Origin::start("a").await;
    let check = |lines: &str| {
        let tables = format!("[admin]\naddress = \"0.0.0.0:0\"\n{lines}");
        let configuration = Configuration::of(&[&origin]).tables(&tables).file("admin.token", TOKEN);
        let said = Gateway::check(&configuration);
        (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
    };
    let (is_good, said) = check("");
    assert!(!is_good && said.contains("admin.address: expected a loopback address"), "{said}");
    let (is_good, said) = check("tls = { certificate = \"site.pem\", key = \"site.key\" }");
    assert!(!is_good && said.contains("admin.address"), "TLS alone says nothing of who comes: {said}");
    let (is_good, said) = check("token-file = \"admin.token\"");
    assert!(is_good, "{said}");
}
