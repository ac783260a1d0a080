//! The tests' own certificate authority: made once a run, believed by the tests' clients and by nobody else.

use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

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
    let mut roots = RootCertStore::empty();
    roots.add(authority().certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
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
