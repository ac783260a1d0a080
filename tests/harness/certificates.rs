//! The tests' own certificate authority: made once a run, believed by the tests' clients and by nobody else.

use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate and its key, as PEM.
pub struct Site {
    pub certificate: String,
    pub key: String,
}

/// A certificate for those names, signed by the tests' authority.
pub fn site(names: &[&str]) -> Site {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(names.clone()).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, names[0].clone());
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.signed_by(&key, &authority().issuer).unwrap();
    Site { certificate: certificate.pem(), key: key.serialize_pem() }
}

/// The authority's certificate as PEM, for tools.
pub fn authority_pem() -> String {
    authority().certificate.pem()
}

/// A client's settings: believes the authority, offers those protocols by ALPN.
pub fn client(protocols: &[&str]) -> ClientConfig {
    with_versions(rustls::DEFAULT_VERSIONS, protocols)
}

/// The same, of one version of TLS.
pub fn client_of(version: &'static SupportedProtocolVersion, protocols: &[&str]) -> ClientConfig {
    with_versions(&[version], protocols)
}

fn with_versions(versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority().certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// A client's settings that take any certificate, to look at which one comes.
pub fn curious_client(protocols: &[&str]) -> ClientConfig {
    let mut config = client(protocols);
    config.dangerous().set_certificate_verifier(Arc::new(Curious));
    config
}

/// Takes any certificate.
#[derive(Debug)]
struct Curious;

impl ServerCertVerifier for Curious {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// True if that certificate is good for that name.
pub fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    // A name stands in a certificate as it is; these names share no part.
    certificate.windows(name.len()).any(|window| window == name.as_bytes())
}

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "Sluice's tests");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Authority { issuer: Issuer::new(parameters, key), certificate }
    })
}
