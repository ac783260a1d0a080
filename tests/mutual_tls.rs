//! Mutual TLS: who is let in, what plugins and endpoints are told of a client, and that nobody else can tell them.

use std::sync::Arc;

use base64::Engine;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion};

use crate::harness::certificates::{Authority, Identity, client_as};
use crate::harness::client::try_tls;
use crate::harness::configuration::HOST;
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, Raw};

const HEADERS: &str = r#"tls.client-headers = { x-client = "subject", X-Names = "names", x-sha256 = "sha256", client-cert = "certificate" }"#;

/// A gateway whose TLS listener takes clients of that authority.
fn configuration(origin: &Origin, authority: &Authority, lines: &str) -> Configuration {
    let configuration = Configuration::of(&[origin]).file("clients.pem", &authority.pem());
    configuration.listener(0, &format!("tls.client-ca = \"clients.pem\"\n{HEADERS}\n{lines}"))
}

/// A request over a connection of its own; none where the gateway does not let the client in. With TLS 1.3 a client learns
/// that only when it reads.
async fn ask(gateway: &Gateway, config: &Arc<ClientConfig>, ask: Ask) -> Option<(Answer, HandshakeKind)> {
    let stream = try_tls(gateway.secure, HOST, config.clone()).await.ok()?;
    let session = stream.get_ref().1;
    let kind = session.handshake_kind().unwrap();
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    let mut client = if is_h2 { Client::over_h2(stream).await } else { Client::over(stream).await };
    Some((client.try_ask(ask).await.ok()?, kind))
}

async fn status(gateway: &Gateway, config: ClientConfig) -> Option<u16> {
    ask(gateway, &Arc::new(config), Ask::get("/")).await.map(|(answer, _)| answer.status.as_u16())
}

/// Each version of TLS with each of HTTP.
const KINDS: [(&SupportedProtocolVersion, &str); 4] =
    [(&TLS12, "http/1.1"), (&TLS12, "h2"), (&TLS13, "http/1.1"), (&TLS13, "h2")];

#[tokio::test]
async fn a_client_without_the_right_certificate_is_refused() {
    let origin = Origin::start("a").await;
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let gateway = Gateway::start(&configuration(&origin, &ours, "")).await;
    let wrong: [Option<Identity>; 3] = [None, Some(theirs.client("known")), Some(ours.expired_client("known"))];
    for (version, protocol) in KINDS {
        for identity in &wrong {
            let refused = status(&gateway, client_as(identity.as_ref(), version, &[protocol])).await;
            assert_eq!(refused, None, "{version:?} {protocol}");
        }
    }
    assert_eq!(origin.requests(), 0);
    let known = ours.client("known");
    for (version, protocol) in KINDS {
        let served = status(&gateway, client_as(Some(&known), version, &[protocol])).await;
        assert_eq!(served, Some(200), "{version:?} {protocol}");
    }
}

#[tokio::test]
async fn an_endpoint_is_told_of_the_certificate() {
    let origin = Origin::start("a").await;
    let ours = Authority::new("ours");
    let gateway = Gateway::start(&configuration(&origin, &ours, "")).await;
    let known = ours.client("known.example");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &known.certificate);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let whole = format!(":{}:", base64::engine::general_purpose::STANDARD.encode(&known.certificate));
    for (version, protocol) in KINDS {
        let config = Arc::new(client_as(Some(&known), version, &[protocol]));
        // A session that is resumed is that of the same client.
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let spoofed =
                Ask::get("/").header("x-client", "CN=admin").header("x-names", "admin").header("x_client", "a");
            let (answer, kind) = ask(&gateway, &config, spoofed).await.unwrap();
            assert_eq!(kind, expected, "{version:?} {protocol}");
            let seen =
                ["x-client", "x-names", "x-sha256", "client-cert", "x_client"].map(|name| answer.seen_field(name));
            assert_eq!(seen, ["CN=known.example", "known.example", &hex, &whole, ""], "{version:?} {protocol}");
        }
    }
}

#[tokio::test]
async fn nobody_else_tells_of_a_certificate_on_any_listener() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&configuration(&origin, &Authority::new("ours"), "")).await;
    let spoofed = || Ask::get("/").header("x-client", "CN=admin").header("X-NAMES", "admin").header("x-other", "kept");
    for mut client in [Client::plain(&gateway).await, Client::plain_h2(&gateway).await] {
        let answer = client.ask(spoofed().header("client-cert", ":AAAA:").header("connection", "x-client")).await;
        let seen = ["x-client", "x-names", "client-cert", "x-other"].map(|name| answer.seen_field(name));
        assert_eq!(seen, ["", "", "", "kept"]);
    }
    let mut raw = Raw::plain(&gateway).await;
    let fields = "host: app.test\r\ntrailer: x-client, x-sum, x-names\r\ntransfer-encoding: chunked";
    raw.say(format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n")).await;
    raw.say("1\r\na\r\n0\r\nx-client: CN=admin\r\nx-sum: 7\r\nX-Names: admin\r\n\r\n").await;
    let heard = raw.hear_until("\"version\"").await;
    assert!(heard.contains("x-sum") && !heard.contains("admin"), "{heard}");
}

#[tokio::test]
async fn a_plugin_sees_what_the_certificate_says() {
    let [one, other] = Origin::several().await;
    let ours = Authority::new("ours");
    let next =
        format!("[[upstream]]\nname = \"next\"\nendpoints = [{{ id = \"b\", address = \"{}\" }}]", other.address);
    let split = r#"[{ plugin = "traffic-split", config = { shares = { app = 100, next = 0 }, header = "x-names" } }]"#;
    let configuration = configuration(&one, &ours, "").tables(&next).routing(split).route(r#"upstreams = ["next"]"#);
    let gateway = Gateway::start(&configuration).await;
    for (name, origin) in [("next", "b"), ("app", "a")] {
        let config = Arc::new(client_as(Some(&ours.client(name)), &TLS13, &["h2"]));
        let (answer, _) = ask(&gateway, &config, Ask::get("/").header("x-names", "app")).await.unwrap();
        assert_eq!(answer.origin(), origin);
    }
    let spoofed = Client::plain(&gateway).await.ask(Ask::get("/").header("x-names", "next")).await;
    assert_eq!(spoofed.origin(), "a");
}

#[tokio::test]
async fn a_certificate_may_be_optional_and_is_then_still_not_wrong() {
    let origin = Origin::start("a").await;
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let gateway = Gateway::start(&configuration(&origin, &ours, r#"tls.client-certificate = "optional""#)).await;
    for (version, protocol) in KINDS {
        let seen = async |identity: Option<Identity>| {
            let config = Arc::new(client_as(identity.as_ref(), version, &[protocol]));
            let spoofed = Ask::get("/").header("x-client", "CN=admin");
            ask(&gateway, &config, spoofed).await.map(|(answer, _)| answer.seen_field("x-client"))
        };
        assert_eq!(seen(None).await.as_deref(), Some(""));
        assert_eq!(seen(Some(ours.client("known"))).await.as_deref(), Some("CN=known"));
        assert_eq!(seen(Some(theirs.client("known"))).await, None, "{version:?} {protocol}");
        assert_eq!(seen(Some(ours.expired_client("known"))).await, None, "{version:?} {protocol}");
    }
}

#[tokio::test]
async fn mistakes_are_told_before_anybody_is_let_in() {
    let origin = Origin::start("a").await;
    let listener = |lines: &str| Configuration::of(&[&origin]).listener(0, lines).file("empty.pem", "");
    let ca = r#"tls.client-ca = "site.pem""#;
    let cases = [
        (r#"tls.client-ca = "empty.pem""#.to_owned(), "empty.pem: no certificate in this file"),
        (r#"tls.client-ca = "site.key""#.to_owned(), "site.key: no certificate in this file"),
        (ca.to_owned(), "is not the certificate of an authority"),
        (format!("{ca}\ntls.client-headers = {{ Host = \"subject\" }}"), "listener[0].tls.client-headers.host: "),
        (format!("{ca}\ntls.client-headers = {{ x_user = \"subject\" }}"), "listener[0].tls.client-headers.x_user: "),
    ];
    for (lines, expected) in cases {
        for output in [Gateway::refuse(&listener(&lines)), Gateway::check(&listener(&lines))] {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains(expected), "{expected} in {said}");
        }
    }
}
