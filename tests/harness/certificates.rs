//! The tests' own certificate authorities: one for servers, made once a run, believed by the tests' clients and by nobody
//! else, and as many for clients as a test makes.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};

/// Somebody who signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A client's certificate and its key.
pub struct Identity {
    pub certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(parameters, key), certificate }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Its own certificate, as a server would show it.
    pub fn itself(&self) -> Site {
        Site { certificate: self.certificate.pem(), key: self.issuer.key().serialize_pem() }
    }

    /// A certificate for those names.
    pub fn site(&self, names: &[&str]) -> Site {
        self.signed(names, |_| {})
    }

    /// Its subject is `CN=<name>`, and its one alternative name the DNS name `<name>`.
    pub fn client(&self, name: &str) -> Identity {
        self.sign(name, |_| {})
    }

    /// The same, over since long ago.
    pub fn expired_client(&self, name: &str) -> Identity {
        self.sign(name, |parameters| parameters.not_after = rcgen::date_time_ymd(2001, 1, 1))
    }

    fn signed(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Site {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names.clone()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, names[0].clone());
        change(&mut parameters);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Site { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        change(&mut parameters);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap().der().clone();
        Identity { certificate, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    }
}

/// A certificate and its key, as PEM.
pub struct Site {
    pub certificate: String,
    pub key: String,
}

/// A certificate for those names, signed by the tests' authority.
pub fn site(names: &[&str]) -> Site {
    authority().site(names)
}

/// The same, over at that time.
pub fn site_until(names: &[&str], end: SystemTime) -> Site {
    authority().signed(names, |parameters| parameters.not_after = end.into())
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

/// The same, with a certificate of its own.
pub fn client_as(
    identity: Option<&Identity>,
    version: &'static SupportedProtocolVersion,
    protocols: &[&str],
) -> ClientConfig {
    let mut config = client_of(version, protocols);
    if let Some(Identity { certificate, key }) = identity {
        let provider = config.crypto_provider();
        let own = CertifiedKey::from_der(vec![certificate.clone()], key.clone_key(), provider).unwrap();
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(own));
    }
    config
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
    AUTHORITY.get_or_init(|| Authority::new("Sluice's tests"))
}
