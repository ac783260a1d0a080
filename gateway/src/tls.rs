//! TLS towards clients: certificates from files, chosen by the name that a client asks for, and the settings of a listener's
//! handshakes. Reads files when it is asked to and never by itself; handshakes and their deadline are `server`'s.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};

use crate::config::model::CertificateFiles;

/// Why there is no TLS to be had from a configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A listener with TLS needs one at least.
    #[error("no certificate is configured")]
    NoCertificates,
    /// The file cannot be read.
    #[error("{}: {reason}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The file is not PEM.
    #[error("{}: not a PEM file: {reason}", file.display())]
    Pem {
        /// Which file.
        file: PathBuf,
        /// Why.
        reason: pem::Error,
    },
    /// The file has no certificate in it.
    #[error("{}: no certificate in this file", file.display())]
    NoCertificate {
        /// Which file.
        file: PathBuf,
    },
    /// The file has no private key in it that could be used.
    #[error("{}: no private key in this file (PKCS#8, PKCS#1 or SEC1, not encrypted)", file.display())]
    NoKey {
        /// Which file.
        file: PathBuf,
    },
    /// The server's own certificate cannot be understood.
    #[error("{}: not a usable certificate: {reason}", file.display())]
    Certificate {
        /// Which file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The private key is of a kind that is not supported.
    #[error("{}: not a usable private key: {reason}", file.display())]
    Key {
        /// Which file.
        file: PathBuf,
        /// Why.
        reason: rustls::Error,
    },
    /// The key belongs to another certificate.
    #[error("{}: not the private key of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Only the first certificate, which is the default, can do without a DNS name.
    #[error("{}: names no DNS host, so that no client can ask for it", file.display())]
    NoNames {
        /// Which file.
        file: PathBuf,
    },
    /// From the TLS library.
    #[error("TLS: {0}")]
    Library(#[from] rustls::Error),
    /// A certificate could not be made.
    #[error("no certificate could be made: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

/// The settings of a listener: TLS 1.2 and 1.3, `h2` and `http/1.1` by ALPN as the listener speaks them, no early data.
///
/// Sessions are resumed by tickets, under keys that belong to this listener, change every six hours and never leave the
/// process; nothing is stored here, so workers share no lock. A TLS 1.3 client gets two tickets.
pub fn server_config(certificates: &[CertificateFiles], h2: bool, http1: bool) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let resolver = Certificates::load(certificates, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    if h2 {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    if http1 {
        config.alpn_protocols.push(b"http/1.1".to_vec());
    }
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 2;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// The same settings with certificates read anew; tickets given out before stay good.
pub fn renew(config: &ServerConfig, certificates: &[CertificateFiles]) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = config.clone();
    config.cert_resolver = Arc::new(Certificates::load(certificates, config.crypto_provider())?);
    Ok(Arc::new(config))
}

/// A certificate that nobody has signed but itself, and its key, both as PEM: for the demo.
pub fn self_signed(names: &[&str]) -> Result<(String, String), TlsError> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names)?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "Sluice, self-signed");
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// The certificates of a listener by the names in them. Never changed: a new set takes the place of the old one whole.
#[derive(Debug)]
struct Certificates {
    /// For clients that ask for no name, or for one that nobody has: the first.
    default: Arc<CertifiedKey>,
    /// Host name to certificates, in the order of the configuration; wildcards without their `*`, as `.example.com`.
    names: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    fn load(files: &[CertificateFiles], provider: &CryptoProvider) -> Result<Certificates, TlsError> {
        let mut default = None;
        let mut names: HashMap<Box<str>, Vec<Arc<CertifiedKey>>> = HashMap::new();
        for files in files {
            let (key, found) = load(files, provider)?;
            if found.is_empty() && default.is_some() {
                return Err(TlsError::NoNames { file: files.certificate.clone() });
            }
            for name in found {
                names.entry(name).or_default().push(key.clone());
            }
            default.get_or_insert(key);
        }
        Ok(Certificates { default: default.ok_or(TlsError::NoCertificates)?, names })
    }

    /// An exact name before a wildcard, which stands for one label (RFC 6125 §6.4.3).
    fn named(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        let wildcard = || self.names.get(name.get(name.find('.')?..)?);
        self.names.get(name).or_else(wildcard).map(Vec::as_slice)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls hands the name over in lower case.
        let found = hello.server_name().and_then(|name| self.named(name)).unwrap_or_default();
        let key = match found {
            [] => &self.default,
            [only] => only,
            // One name with keys of several kinds: the first that this client can verify.
            [first, ..] => {
                let can_sign = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
                found.iter().find(can_sign).unwrap_or(first)
            }
        };
        Some(key.clone())
    }
}

/// A certificate with its key, and the names in it.
fn load(files: &CertificateFiles, provider: &CryptoProvider) -> Result<(Arc<CertifiedKey>, Vec<Box<str>>), TlsError> {
    let chain = read_chain(&files.certificate)?;
    let key = read_key(&files.key)?;
    let names = chain.first().map(|own| names(own, &files.certificate)).transpose()?.unwrap_or_default();
    let signing = provider
        .key_provider
        .load_private_key(key)
        .map_err(|reason| TlsError::Key { file: files.key.clone(), reason })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok((Arc::new(certified), names)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() })
        }
        Err(reason) => Err(TlsError::Certificate { file: files.certificate.clone(), reason: reason.to_string() }),
    }
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_reader_iter(open(file)?);
    let chain: Result<Vec<_>, _> = certificates.collect();
    let chain = chain.map_err(|reason| TlsError::Pem { file: file.to_owned(), reason })?;
    if chain.is_empty() { Err(TlsError::NoCertificate { file: file.to_owned() }) } else { Ok(chain) }
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_reader(open(file)?).map_err(|reason| match reason {
        pem::Error::NoItemsFound => TlsError::NoKey { file: file.to_owned() },
        reason => TlsError::Pem { file: file.to_owned(), reason },
    })
}

fn open(file: &Path) -> Result<File, TlsError> {
    File::open(file).map_err(|reason| TlsError::Read { file: file.to_owned(), reason })
}

/// The DNS names of a certificate as keys of the map, in lower case.
fn names(certificate: &CertificateDer<'_>, file: &Path) -> Result<Vec<Box<str>>, TlsError> {
    let parsed = webpki::EndEntityCert::try_from(certificate)
        .map_err(|reason| TlsError::Certificate { file: file.to_owned(), reason: reason.to_string() })?;
    let key = |name: &str| name.strip_prefix('*').unwrap_or(name).to_ascii_lowercase().into_boxed_str();
    Ok(parsed.valid_dns_names().map(key).collect())
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection};
    use tempfile::TempDir;

    use super::*;

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

    fn client(files: &[CertificateFiles], alpn: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for files in files {
            roots.add_parsable_certificates(read_chain(&files.certificate).expect("a chain"));
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
    fn shake(
        server: &Arc<ServerConfig>,
        client: &Arc<ClientConfig>,
        name: &str,
    ) -> Result<ClientConnection, rustls::Error> {
        let mut server = ServerConnection::new(server.clone()).expect("a server");
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
        Ok(client)
    }

    fn own(files: &CertificateFiles) -> CertificateDer<'static> {
        read_chain(&files.certificate).expect("a chain").remove(0)
    }

    #[test]
    fn the_certificate_is_chosen_by_name() {
        let (_folder, files) =
            folder(&[&["first.example", "127.0.0.1"], &["*.Apps.example"], &["one.apps.example", "first.example"]]);
        let server = server_config(&files, true, true).expect("a config");
        let client = client(&files, &[]);
        for (name, index) in [
            ("first.example", 0),
            ("FIRST.example", 0),
            ("127.0.0.1", 0),
            ("one.apps.example", 2),
            ("two.apps.example", 1),
        ] {
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
            let server = server_config(&files, *h2, *http1).expect("a config");
            let found = shake(&server, &client(&files, asked), "a.example");
            let found = found.as_ref().map(|found| found.alpn_protocol()).map_err(|_| ());
            assert_eq!(found, *expected, "{h2} {http1} {asked:?}");
        }
    }

    #[test]
    fn sessions_are_resumed_and_outlive_new_certificates() {
        let (_folder, files) = folder(&[&["a.example"]]);
        let server = server_config(&files, true, true).expect("a config");
        let client = client(&files, &[]);
        let first = shake(&server, &client, "a.example").expect("a handshake");
        assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
        let second = shake(&server, &client, "a.example").expect("a handshake");
        assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed));

        let (_folder, others) = folder(&[&["a.example"]]);
        let renewed = renew(&server, &others).expect("a config");
        let third = shake(&renewed, &client, "a.example").expect("a handshake");
        assert_eq!(third.handshake_kind(), Some(HandshakeKind::Resumed));
        let stranger = self::client(&others, &[]);
        let fourth = shake(&renewed, &stranger, "a.example").expect("a handshake");
        assert_eq!(fourth.peer_certificates(), Some(&[own(&others[0])][..]));
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
        std::fs::write(path("bad.key"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
            .expect("written");

        let with = |certificate: &Path, key: &Path| CertificateFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
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
            let found = server_config(&files, true, true).expect_err("refused").to_string();
            assert!(found.contains(&expected), "{expected} in {found}");
        }
        assert!(server_config(std::slice::from_ref(nameless), true, true).is_ok());
    }
}
