//! Mutual TLS: whose certificates a listener takes from clients, and what it tells plugins and endpoints of them.

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConnection};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::BasicConstraints;

use super::{Expiry, TlsError, facts, files};
use crate::config::model::{ClientCertificates, ClientFact};

/// Whose certificates are taken, and what is said of them.
#[derive(Debug)]
pub(super) struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    required: bool,
    headers: Vec<(HeaderName, ClientFact)>,
}

impl Clients {
    /// With the ends of the authorities' lives. `ca`: what stands in the file of the authorities.
    pub(super) fn load(
        settings: &ClientCertificates,
        ca: &[u8],
        provider: &Arc<CryptoProvider>,
    ) -> Result<(Clients, Vec<Expiry>), TlsError> {
        let file = &settings.ca;
        let mut roots = RootCertStore::empty();
        let mut expiries = Vec::new();
        for authority in files::certificates(file, ca)? {
            let unusable = |reason| TlsError::Certificate { file: file.clone(), reason };
            let parsed = Certificate::from_der(&authority).map_err(|reason| unusable(reason.to_string()))?;
            if !is_authority(&parsed) {
                let subject = parsed.tbs_certificate().subject().to_string();
                return Err(TlsError::NoAuthority { file: file.clone(), subject });
            }
            roots.add(authority).map_err(|reason| unusable(reason.to_string()))?;
            expiries.push(Expiry::of_authority(file, &parsed));
        }
        let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let builder = if settings.required { builder } else { builder.allow_unauthenticated() };
        let verifier = builder.build().map_err(|reason| rustls::Error::General(reason.to_string()))?;
        // Names are checked where the listener's settings are; one that is none is left out there as well.
        let header = |(name, fact): &(String, ClientFact)| Some((HeaderName::from_bytes(name.as_bytes()).ok()?, *fact));
        let headers = settings.headers.iter().filter_map(header).collect();
        Ok((Clients { verifier, required: settings.required, headers }, expiries))
    }

    /// For handshakes.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.verifier.clone()
    }

    /// What is said of the client. A resumed session brings its certificates along in the ticket, and rustls takes them as
    /// they are: they are verified here once more, so that a session ends when its certificate does.
    pub(super) fn fields(
        &self,
        session: &ServerConnection,
        now: UnixTime,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, rustls::Error> {
        let chain: &[CertificateDer<'_>] = session.peer_certificates().unwrap_or_default();
        let Some((own, intermediates)) = chain.split_first() else {
            return if self.required { Err(rustls::Error::NoCertificatesPresented) } else { Ok(Vec::new()) };
        };
        if session.handshake_kind() == Some(HandshakeKind::Resumed) {
            self.verifier.verify_client_cert(own, intermediates, now)?;
        }
        Ok(facts::fields(own, &self.headers))
    }
}

/// RFC 5280 §4.2.1.9; version 1 of certificates has no place to say so.
pub(super) fn is_authority(certificate: &Certificate) -> bool {
    let certificate = certificate.tbs_certificate();
    match certificate.get_extension::<BasicConstraints>() {
        Ok(Some((_, constraints))) => constraints.ca,
        Ok(None) => certificate.version() == x509_cert::certificate::Version::V1,
        Err(_) => false,
    }
}
