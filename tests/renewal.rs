//! Certificates, authorities and keys are replaced while traffic flows.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustls::version::{TLS12, TLS13};
use tokio::task::JoinSet;

use crate::harness::certificates::{Authority, Site, client, client_as, site, site_until};
use crate::harness::client::try_tls;
use crate::harness::configuration::HOST;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, eventually, within};

#[tokio::test]
async fn certificates_are_replaced_live_and_no_handshake_fails() {
    let origin = Origin::start("a").await;
    let gateway = Arc::new(Gateway::start(&Configuration::of(&[&origin])).await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut handshakes = JoinSet::new();
    for protocol in ["h2", "http/1.1"] {
        let (gateway, stop) = (gateway.clone(), stop.clone());
        handshakes.spawn(async move {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                let stream = try_tls(gateway.secure, HOST, client(&[protocol]).into()).await;
                stream.unwrap_or_else(|error| panic!("handshake {count}: {error}"));
                count += 1;
            }
            count
        });
    }
    let mut kept = Client::h1(&gateway).await;
    let mut slowest = Duration::ZERO;
    for number in 0..20 {
        let fresh = site(&[HOST, "localhost"]);
        replace(&gateway, number, &fresh);
        let began = Instant::now();
        let wanted = der(&fresh);
        eventually("the new certificate", async || (shown(&gateway).await == wanted).then_some(())).await;
        slowest = slowest.max(began.elapsed());
        assert_eq!(kept.get("/").await.status, 200);
    }
    stop.store(true, Ordering::Relaxed);
    let count: usize = handshakes.join_all().await.into_iter().sum();
    eprintln!("{count} handshakes; the slowest of 20 replacements was seen after {slowest:?}");
    assert!(count >= 20 && slowest < Duration::from_secs(10), "{count} handshakes, {slowest:?}");
}

/// By renames, in place, or behind a link that is turned.
fn replace(gateway: &Gateway, number: usize, fresh: &Site) {
    let folder = gateway.folder();
    match number % 3 {
        0 => {
            gateway.put("site.key", &fresh.key);
            gateway.put("site.pem", &fresh.certificate);
        }
        1 => {
            fs::write(folder.join("site.pem"), &fresh.certificate).unwrap();
            fs::write(folder.join("site.key"), &fresh.key).unwrap();
        }
        _ => {
            let version = folder.join(format!("version-{number}"));
            fs::create_dir(&version).unwrap();
            for (name, content) in [("site.pem", &fresh.certificate), ("site.key", &fresh.key)] {
                fs::write(version.join(name), content).unwrap();
                let aside = folder.join("link");
                std::os::unix::fs::symlink(version.join(name), &aside).unwrap();
                fs::rename(&aside, folder.join(name)).unwrap();
            }
        }
    }
}

fn der(site: &Site) -> Vec<u8> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(site.certificate.as_bytes()).unwrap().to_vec()
}

/// The certificate that a new client gets.
async fn shown(gateway: &Gateway) -> Vec<u8> {
    let stream = try_tls(gateway.secure, HOST, client(&["http/1.1"]).into()).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_certificate_whose_key_does_not_fit_changes_nothing() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let before = shown(&gateway).await;
    gateway.put("site.pem", site(&[HOST]).certificate);
    let refused = gateway.log.wait_for("reload refused", |_| true).await;
    assert!(refused.text("reason").contains("site.key"), "{refused:?}");
    assert_eq!(shown(&gateway).await, before);
}

#[tokio::test]
async fn a_revoked_authority_lets_nobody_in_not_even_with_an_old_ticket() {
    let origin = Origin::start("a").await;
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let configuration = Configuration::of(&[&origin]).file("clients.pem", &old.pem());
    let gateway = Gateway::start(&configuration.listener(0, "tls.client-ca = \"clients.pem\"")).await;
    let (known, other) = (old.client("known"), new.client("other"));
    let configs = [&TLS12, &TLS13].map(|version| Arc::new(client_as(Some(&known), version, &["http/1.1"])));
    let mut connected = Vec::new();
    for config in &configs {
        for _ in 0..2 {
            let mut client = Client::over(try_tls(gateway.secure, HOST, config.clone()).await.unwrap()).await;
            assert_eq!(client.get("/").await.status, 200);
            connected.push(client);
        }
    }
    gateway.put("clients.pem", new.pem());
    gateway.log.wait_for("files read again", |_| true).await;
    for config in &configs {
        let refused = async {
            let Ok(stream) = try_tls(gateway.secure, HOST, config.clone()).await else { return true };
            Client::over(stream).await.try_ask(Ask::get("/")).await.is_err()
        };
        assert!(refused.await, "an old ticket went around the new authority");
    }
    // Those that are connected are sent away as well.
    for client in &mut connected {
        within("the end of a connection of before", client.closed()).await;
    }
    let config = Arc::new(client_as(Some(&other), &TLS13, &["http/1.1"]));
    let mut client = Client::over(try_tls(gateway.secure, HOST, config).await.unwrap()).await;
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn keys_of_cookies_rotate_live() {
    let origins: [Origin; 3] = Origin::several().await;
    let secrets = "[secrets]\nsealing = { current-file = \"current\", previous-file = \"previous\" }";
    let (first, second, third) = ("1".repeat(32), "2".repeat(32), "3".repeat(32));
    let configuration = Configuration::of(&origins.each_ref()).file("current", &first).file("previous", &first);
    let configuration = configuration.selection(r#"["sticky-session", "round-robin"]"#).tables(secrets);
    let gateway = Gateway::start(&configuration).await;
    let mut client = Client::h1(&gateway).await;
    let answer = client.get("/").await;
    let (home, cookie) =
        (answer.origin().to_owned(), answer.header("set-cookie").split(';').next().unwrap().to_owned());
    let held = async |client: &mut Client| {
        let answers = [
            client.ask(Ask::get("/").header("cookie", &cookie)).await,
            client.ask(Ask::get("/").header("cookie", &cookie)).await,
        ];
        answers.iter().all(|answer| answer.origin() == home && answer.header("set-cookie").is_empty())
    };
    for (number, (current, previous, holds)) in
        [(&second, &first, true), (&third, &second, false)].into_iter().enumerate()
    {
        gateway.put("previous", previous);
        gateway.put("current", current);
        gateway.log.wait_for_all("files read again", number + 1, |_| true).await;
        eventually("the keys", async || (held(&mut client).await == holds).then_some(())).await;
    }
}

#[tokio::test]
async fn certificates_are_renewed_also_while_a_configuration_is_refused() {
    let origin = Origin::start("a").await;
    let base = Configuration::of(&[&origin]);
    let gateway = Gateway::start(&base).await;
    gateway.refused_reload(&base.clone().top("zonee = \"a\"").text()).await;
    let fresh = site(&[HOST]);
    replace(&gateway, 0, &fresh);
    let wanted = der(&fresh);
    eventually("the new certificate", async || (shown(&gateway).await == wanted).then_some(())).await;
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_taken_and_said() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let ended = site_until(&[HOST], SystemTime::now() - Duration::from_secs(90 * 86_400));
    replace(&gateway, 0, &ended);
    let said = gateway.log.wait_for("a certificate ends", |_| true).await;
    assert!(said.text("file").ends_with("site.pem") && said.text("reason").contains("days ago"), "{said:?}");
}
