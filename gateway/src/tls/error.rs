//! Why there is no TLS to be had from a configuration: each reason with the file that it lies in.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem;

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
    /// A certificate cannot be understood: the server's own, or one of an authority.
    #[error("{}: not a usable certificate: {reason}", file.display())]
    Certificate {
        /// Which file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A certificate among the authorities of clients is none of an authority: its key must not sign others.
    #[error("{}: {subject} is not the certificate of an authority (its basic constraints do not say so)", file.display())]
    NoAuthority {
        /// Which file.
        file: PathBuf,
        /// Whose certificate.
        subject: String,
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
    /// An endpoint cannot be asked for it.
    #[error("{0:?} is no name that a certificate could be for: a `server-name` is needed")]
    ServerName(String),
    /// Nobody is believed.
    #[error("this system names no authorities: a `ca` is needed ({0})")]
    NoSystemAuthorities(String),
    /// From the TLS library.
    #[error("TLS: {0}")]
    Library(#[from] rustls::Error),
    /// A certificate could not be made.
    #[error("no certificate could be made: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

impl TlsError {
    /// The file that has to be mended; none if no file is to blame.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Read { file, .. }
            | Self::Pem { file, .. }
            | Self::NoCertificate { file }
            | Self::NoKey { file }
            | Self::Certificate { file, .. }
            | Self::NoAuthority { file, .. }
            | Self::Key { file, .. }
            | Self::Mismatch { key: file, .. }
            | Self::NoNames { file } => Some(file),
            Self::NoCertificates
            | Self::ServerName(_)
            | Self::NoSystemAuthorities(_)
            | Self::Library(_)
            | Self::SelfSigned(_) => None,
        }
    }
}
