//! Handshakes in memory, between the settings of a listener and clients of all kinds.

mod clients;

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection};
use tempfile::TempDir;

use super::*;
use crate::config::model::CertificateFiles;

/// A folder with a certificate for each list of names.
fn folder(sets: &[&[&str]]) -> (TempDir, Vec<CertificateFiles>) {
    let folder = tempfile::tempdir().expect("a folder");
    let files = sets.iter().enumerate().map(|(index, names)| {
        let files = CertificateFiles {
            certificate: folder.path().join(format!("{index}.pem")),
            key: folder.path().join(format!("{index}.key")),
        };
        let (certificate, key) = self_signed(names).expect("a certificate");
        std::fs::write(&files.certificate, certificate).expect("written");
        std::fs::write(&files.key, key).expect("written");
        files
    });
    let files = files.collect();
    (folder, files)
}

fn server(files: &[CertificateFiles], h2: bool, http1: bool) -> Result<Arc<Server>, TlsError> {
    let settings = model::Tls { certificates: files.to_vec(), clients: None };
    Server::load(&settings, h2, http1, None)
}

fn client(files: &[CertificateFiles], alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for files in files {
        roots.add_parsable_certificates(read_chain(&files.certificate));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A handshake in memory: what the client has got in the end.
fn shake(server: &Server, client: &Arc<ClientConfig>, name: &str) -> Result<ClientConnection, rustls::Error> {
    shake_hands(server, client, name).map(|(client, _)| client)
}

/// The same with both ends.
fn shake_hands(
    server: &Server,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut server = ServerConnection::new(server.config().clone()).expect("a server");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(client.clone(), name).expect("a client");
    for _ in 0..4 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("to memory");
        server.read_tls(&mut wire.as_slice()).expect("from memory");
        let result = server.process_new_packets();
        wire.clear();
        server.write_tls(&mut wire).expect("to memory");
        client.read_tls(&mut wire.as_slice()).expect("from memory");
        result?;
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

fn read_chain(file: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).expect("read").collect::<Result<_, _>>().expect("a chain")
}

fn own(files: &CertificateFiles) -> CertificateDer<'static> {
    read_chain(&files.certificate).remove(0)
}

#[test]
fn the_certificate_is_chosen_by_name() {
    let (_folder, files) =
        folder(&[&["first.example", "127.0.0.1"], &["*.Apps.example"], &["one.apps.example", "first.example"]]);
    let server = server(&files, true, true).expect("a config");
    let client = client(&files, &[]);
    for (name, index) in
        [("first.example", 0), ("FIRST.example", 0), ("127.0.0.1", 0), ("one.apps.example", 2), ("two.apps.example", 1)]
    {
        let found = shake(&server, &client, name).expect("a handshake");
        assert_eq!(found.peer_certificates(), Some(&[own(&files[index])][..]), "{name}");
    }
    // The default has another name: it is offered, and this client does not take it.
    for name in ["unknown.example", "a.two.apps.example", "apps.example"] {
        assert!(shake(&server, &client, name).is_err(), "{name}");
    }
}

#[test]
fn protocols_are_offered_as_the_listener_speaks_them() {
    let (_folder, files) = folder(&[&["a.example"]]);
    type Case<'a> = (bool, bool, &'a [&'a str], Result<Option<&'a [u8]>, ()>);
    let cases: &[Case<'_>] = &[
        (true, true, &["http/1.1", "h2"], Ok(Some(b"h2"))),
        (true, true, &["http/1.1"], Ok(Some(b"http/1.1"))),
        (false, true, &["h2", "http/1.1"], Ok(Some(b"http/1.1"))),
        (true, false, &["h2", "http/1.1"], Ok(Some(b"h2"))),
        (true, true, &[], Ok(None)),
        (false, true, &["h2"], Err(())),
        (true, true, &["spdy/3"], Err(())),
    ];
    for (h2, http1, asked, expected) in cases {
        let server = server(&files, *h2, *http1).expect("a config");
        let found = shake(&server, &client(&files, asked), "a.example");
        let found = found.as_ref().map(|found| found.alpn_protocol()).map_err(|_| ());
        assert_eq!(found, *expected, "{h2} {http1} {asked:?}");
    }
}

#[test]
fn sessions_are_resumed_and_outlive_new_certificates() {
    let (_folder, files) = folder(&[&["a.example"]]);
    let server = server(&files, true, true).expect("a server");
    let client = client(&files, &[]);
    let first = shake(&server, &client, "a.example").expect("a handshake");
    assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
    let second = shake(&server, &client, "a.example").expect("a handshake");
    assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed));

    let settings = model::Tls { certificates: files.clone(), clients: None };
    let unchanged = Server::load(&settings, true, true, Some(&server)).expect("a server");
    assert!(Arc::ptr_eq(&unchanged, &server));

    // Other contents of the same files.
    let (_folder, others) = folder(&[&["a.example"]]);
    std::fs::copy(&others[0].certificate, &files[0].certificate).expect("copied");
    std::fs::copy(&others[0].key, &files[0].key).expect("copied");
    let renewed = Server::load(&settings, true, true, Some(&server)).expect("a server");
    assert!(!Arc::ptr_eq(&renewed, &server) && renewed.has_clients_of(&server));
    let third = shake(&renewed, &client, "a.example").expect("a handshake");
    assert_eq!(third.handshake_kind(), Some(HandshakeKind::Resumed));
    let stranger = self::client(&others, &[]);
    let fourth = shake(&renewed, &stranger, "a.example").expect("a handshake");
    assert_eq!(fourth.peer_certificates(), Some(&[own(&others[0])][..]));
}

#[test]
fn a_connection_is_for_the_hosts_that_its_certificate_covers() {
    let (_folder, files) = folder(&[
        &["first.example", "also.example"],
        &["*.apps.example"],
        &["one.apps.example"],
        &["first.example"],
        &["both.example"],
    ]);
    let server = server(&files, true, true).expect("a server");
    // server name, host, whether that is another tenant's
    let cases = [
        ("first.example", "first.example", false),
        ("first.example", "also.example", false),
        ("also.example", "first.example", false),
        ("first.example", "both.example", true),
        ("both.example", "also.example", true),
        ("two.apps.example", "three.apps.example", false),
        ("two.apps.example", "one.apps.example", false),
        ("one.apps.example", "two.apps.example", true),
        ("first.example", "two.apps.example", true),
        ("two.apps.example", "a.two.apps.example", false),
        ("first.example", "nobody.example", false),
        ("first.example", "127.0.0.1", false),
        ("nobody.example", "first.example", false),
        ("nobody.example", "both.example", true),
        ("nobody.example", "another.example", false),
    ];
    for (name, host, expected) in cases {
        assert_eq!(server.is_misdirected(name, host), expected, "{name} {host}");
    }
}

#[test]
fn certificates_tell_when_they_end() {
    let (_folder, files) = folder(&[&["a.example", "b.example"]]);
    let server = server(&files, true, true).expect("a server");
    let [expiry] = server.expiries() else { panic!("{:?}", server.expiries()) };
    assert_eq!(
        (&expiry.file, &expiry.names[..]),
        (&files[0].certificate, &["a.example".into(), "b.example".into()][..])
    );
    assert!(expiry.not_after > SystemTime::now() + Duration::from_secs(86_400));
}

#[test]
fn what_is_wrong_is_said_with_its_file() {
    let (folder, files) = folder(&[&["a.example"], &["b.example"], &["10.0.0.1"]]);
    let [a, b, nameless] = files.as_slice() else { panic!("three certificates") };
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("empty"), "").expect("written");
    let certificate = std::fs::read_to_string(&a.certificate).expect("read");
    std::fs::write(path("cut"), certificate.trim_end().trim_end_matches('-')).expect("written");
    std::fs::write(path("bad"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("written");
    std::fs::write(path("bad.key"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").expect("written");

    let with =
        |certificate: &Path, key: &Path| CertificateFiles { certificate: certificate.to_owned(), key: key.to_owned() };
    let cases = [
        (vec![], "no certificate is configured".to_owned()),
        (vec![with(&path("none"), &a.key)], "none: No such file or directory".to_owned()),
        (vec![with(&a.certificate, &path("none"))], "none: No such file or directory".to_owned()),
        (vec![with(&path("empty"), &a.key)], "empty: no certificate in this file".to_owned()),
        (vec![with(&a.key, &a.key)], "0.key: no certificate in this file".to_owned()),
        (vec![with(&path("cut"), &a.key)], "cut: not a PEM file".to_owned()),
        (vec![with(&path("bad"), &a.key)], "bad: not a usable certificate".to_owned()),
        (vec![with(&a.certificate, &a.certificate)], "0.pem: no private key in this file".to_owned()),
        (vec![with(&a.certificate, &path("bad.key"))], "bad.key: not a usable private key".to_owned()),
        (
            vec![with(&a.certificate, &b.key)],
            format!("1.key: not the private key of the certificate in {}", a.certificate.display()),
        ),
        (vec![a.clone(), nameless.clone()], "2.pem: names no DNS host".to_owned()),
    ];
    for (files, expected) in cases {
        let found = self::server(&files, true, true).expect_err("refused").to_string();
        assert!(found.contains(&expected), "{expected} in {found}");
    }
    assert!(server(std::slice::from_ref(nameless), true, true).is_ok());
}
