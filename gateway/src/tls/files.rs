//! The files of a listener's TLS: read all at once, so that what is checked, compared and used is the same.

use std::path::Path;

use aws_lc_rs::digest::SHA256;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;
use crate::config::model;

/// What stands in the files, in the order of the configuration.
pub(super) struct Files {
    /// Chain and key.
    pub(super) certificates: Vec<(Vec<u8>, Vec<u8>)>,
    /// The authorities of clients.
    pub(super) ca: Option<Vec<u8>>,
}

/// Tells one content of the files from another, without keeping keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digests {
    pub(super) certificates: Vec<[Vec<u8>; 2]>,
    pub(super) ca: Option<Vec<u8>>,
}

impl Files {
    pub(super) fn read(settings: &model::Tls) -> Result<Self, TlsError> {
        let pairs = settings.certificates.iter().map(|files| Ok((read(&files.certificate)?, read(&files.key)?)));
        Ok(Self {
            certificates: pairs.collect::<Result<_, TlsError>>()?,
            ca: settings.clients.as_ref().map(|clients| read(&clients.ca)).transpose()?,
        })
    }

    pub(super) fn digests(&self) -> Digests {
        let digest = |content: &Vec<u8>| aws_lc_rs::digest::digest(&SHA256, content).as_ref().to_vec();
        let pairs = self.certificates.iter().map(|(certificate, key)| [digest(certificate), digest(key)]);
        Digests { certificates: pairs.collect(), ca: self.ca.as_ref().map(digest) }
    }
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|reason| TlsError::Read { file: file.to_owned(), reason })
}

/// The certificates in a file; one at least. `file` is for messages.
pub(super) fn certificates(file: &Path, content: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
    let found = found.map_err(|reason| TlsError::Pem { file: file.to_owned(), reason })?;
    if found.is_empty() { Err(TlsError::NoCertificate { file: file.to_owned() }) } else { Ok(found) }
}

/// The private key in a file. `file` is for messages.
pub(super) fn key(file: &Path, content: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    // The older kinds of keys say so in a line of their own, which is no base64.
    let is_encrypted = content.windows(9).any(|word| word == b"ENCRYPTED");
    PrivateKeyDer::from_pem_slice(content).map_err(|reason| match reason {
        _ if is_encrypted => TlsError::NoKey { file: file.to_owned() },
        pem::Error::NoItemsFound => TlsError::NoKey { file: file.to_owned() },
        reason => TlsError::Pem { file: file.to_owned(), reason },
    })
}
