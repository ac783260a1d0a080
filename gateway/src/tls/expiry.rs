//! When certificates end: for warnings and figures, long before clients find out.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::facts;

/// Seconds.
const DAY: u64 = 24 * 60 * 60;
/// A certificate that ends within so many days is to be renewed.
const SOON_DAYS: u64 = 21;

/// The end of a certificate's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// The file that it stands in.
    pub file: PathBuf,
    /// DNS names of a server's certificate; of an authority, and of a certificate without names, the subject (RFC 4514).
    pub names: Vec<String>,
    /// Its last moment; in a chain, that of the certificate that ends first.
    pub not_after: SystemTime,
}

impl Expiry {
    /// That of a server's chain; none if it cannot be read.
    pub(super) fn of_chain(file: &Path, chain: &[CertificateDer<'_>]) -> Option<Expiry> {
        let chain: Vec<Certificate> = chain.iter().filter_map(|one| Certificate::from_der(one).ok()).collect();
        let own = chain.first()?;
        let mut names = facts::dns_names(own);
        if names.is_empty() {
            names.push(own.tbs_certificate().subject().to_string());
        }
        Some(Expiry { file: file.to_owned(), names, not_after: chain.iter().map(not_after).min()? })
    }

    /// What to say of a certificate that has ended or ends within 21 days; none if there is time yet.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        let days = |time: Duration| time.as_secs() / DAY;
        let whose = self.names.join(", ");
        match self.not_after.duration_since(now) {
            Ok(left) if days(left) < SOON_DAYS => {
                Some(format!("the certificate of {whose} ends in {} days", days(left)))
            }
            Ok(_) => None,
            Err(past) => Some(format!("the certificate of {whose} ended {} days ago", days(past.duration()))),
        }
    }

    pub(super) fn of_authority(file: &Path, certificate: &Certificate) -> Expiry {
        let subject = certificate.tbs_certificate().subject().to_string();
        Expiry { file: file.to_owned(), names: vec![subject], not_after: not_after(certificate) }
    }
}

fn not_after(certificate: &Certificate) -> SystemTime {
    certificate.tbs_certificate().validity().not_after.to_system_time()
}
