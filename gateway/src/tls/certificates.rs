//! The certificates of a listener: which of them a client gets for the name that it asks for, and which hosts it may ask
//! for over a connection that began with one of them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::files::{self, Files};
use super::{Expiry, TlsError};
use crate::config::model::{self, CertificateFiles};

/// The certificates of a listener by the names in them. Never changed: a new set takes the place of the old one whole.
#[derive(Debug)]
pub(super) struct Certificates {
    /// For clients that ask for no name, or for one that nobody has: the first.
    default: [Arc<CertifiedKey>; 1],
    /// Host name to certificates, in the order of the configuration; wildcards without their `*`, as `.example.com`.
    names: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// With the ends of their lives, one for each file.
    pub(super) fn load(
        settings: &model::Tls,
        files: &Files,
        provider: &CryptoProvider,
    ) -> Result<(Certificates, Vec<Expiry>), TlsError> {
        let mut default = None;
        let mut names: HashMap<Box<str>, Vec<Arc<CertifiedKey>>> = HashMap::new();
        let mut expiries = Vec::new();
        for (settings, (chain, key)) in settings.certificates.iter().zip(&files.certificates) {
            let chain = files::certificates(&settings.certificate, chain)?;
            expiries.extend(Expiry::of_chain(&settings.certificate, &chain));
            let (certified, found) = certify(settings, chain, key, provider)?;
            if found.is_empty() && default.is_some() {
                return Err(TlsError::NoNames { file: settings.certificate.clone() });
            }
            for name in found {
                names.entry(name).or_default().push(certified.clone());
            }
            default.get_or_insert(certified);
        }
        Ok((Certificates { default: [default.ok_or(TlsError::NoCertificates)?], names }, expiries))
    }

    /// What a client gets that asks for that name: an exact name before a wildcard.
    fn presented(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let named = |name| self.exact(name).or_else(|| self.wildcard(name));
        name.and_then(named).unwrap_or(&self.default)
    }

    fn exact(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        self.names.get(name).map(Vec::as_slice)
    }

    /// A wildcard stands for one label (RFC 6125 §6.4.3).
    fn wildcard(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        self.names.get(name.get(name.find('.')?..)?).map(Vec::as_slice)
    }

    /// Whether `host` belongs to others than those who answer to `name`: some certificates cover it, and none of them is
    /// one that the client may have got (RFC 9110 §7.4). What the one certificate covers is of one tenant, and so is a name
    /// with certificates of several kinds.
    pub(super) fn is_misdirected(&self, name: &str, host: &str) -> bool {
        let covering = || [self.exact(host), self.wildcard(host)].into_iter().flatten().flatten();
        let presented = self.presented(Some(name));
        let is_presented = |key: &Arc<CertifiedKey>| presented.iter().any(|other| Arc::ptr_eq(key, other));
        covering().next().is_some() && !covering().any(is_presented)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls hands the name over in lower case.
        let found = self.presented(hello.server_name());
        // One name with keys of several kinds: the first that this client can verify.
        let can_sign = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        found.iter().find(can_sign).or(found.first()).cloned()
    }
}

/// A certificate with its key, and the names in it.
pub(super) fn certify(
    settings: &CertificateFiles,
    chain: Vec<CertificateDer<'static>>,
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<(Arc<CertifiedKey>, Vec<Box<str>>), TlsError> {
    let names = chain.first().map(|own| names(own, &settings.certificate)).transpose()?.unwrap_or_default();
    let signing = provider
        .key_provider
        .load_private_key(files::key(&settings.key, key)?)
        .map_err(|reason| TlsError::Key { file: settings.key.clone(), reason })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok((Arc::new(certified), names)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { certificate: settings.certificate.clone(), key: settings.key.clone() })
        }
        Err(reason) => Err(TlsError::Certificate { file: settings.certificate.clone(), reason: reason.to_string() }),
    }
}

/// The DNS names of a certificate as keys of the map, in lower case.
fn names(certificate: &CertificateDer<'_>, file: &Path) -> Result<Vec<Box<str>>, TlsError> {
    let parsed = webpki::EndEntityCert::try_from(certificate)
        .map_err(|reason| TlsError::Certificate { file: file.to_owned(), reason: reason.to_string() })?;
    let key = |name: &str| name.strip_prefix('*').unwrap_or(name).to_ascii_lowercase().into_boxed_str();
    Ok(parsed.valid_dns_names().map(key).collect())
}
