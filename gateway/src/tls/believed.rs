//! Whom the gateway believes where a file says so: endpoints whose certificates one of its authorities has signed, and those that
//! show one of the very certificates in it, as `openssl req -x509` makes them. Those need no name, for nobody else has their key.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::clients::is_authority;
use super::endpoints::verifier;
use super::{Expiry, TlsError, files};

/// Believes what a file holds.
#[derive(Debug)]
pub(super) struct Believed {
    certificates: Vec<Listed>,
    /// None if the file has no authority in it.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A certificate of the file, with the seconds since 1970 in which it lives.
#[derive(Debug)]
struct Listed {
    certificate: CertificateDer<'static>,
    not_before: u64,
    not_after: u64,
}

impl Believed {
    /// With the ends of their lives. `content` is what stands in the file.
    pub(super) fn load(
        file: &Path,
        content: &[u8],
        provider: &Arc<CryptoProvider>,
    ) -> Result<(Self, Vec<Expiry>), TlsError> {
        let mut roots = RootCertStore::empty();
        let (mut certificates, mut expiries) = (Vec::new(), Vec::new());
        for certificate in files::certificates(file, content)? {
            let unusable = |reason: String| TlsError::Certificate { file: file.to_owned(), reason };
            let parsed = Certificate::from_der(&certificate).map_err(|reason| unusable(reason.to_string()))?;
            // The key of one that is no authority must not sign others.
            if is_authority(&parsed) {
                roots.add(certificate.clone()).map_err(|reason| unusable(reason.to_string()))?;
            }
            let validity = parsed.tbs_certificate().validity();
            let [not_before, not_after] =
                [validity.not_before, validity.not_after].map(|time| time.to_unix_duration().as_secs());
            certificates.push(Listed { certificate, not_before, not_after });
            expiries.push(Expiry::of_authority(file, &parsed));
        }
        let authorities = if roots.is_empty() { None } else { Some(verifier(roots.into(), provider)?) };
        Ok((Self { certificates, authorities, algorithms: provider.signature_verification_algorithms }, expiries))
    }
}

impl ServerCertVerifier for Believed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match (self.certificates.iter().find(|listed| listed.certificate == *end_entity), &self.authorities) {
            (Some(listed), _) if now.as_secs() < listed.not_before => Err(CertificateError::NotValidYet.into()),
            (Some(listed), _) if now.as_secs() > listed.not_after => Err(CertificateError::Expired.into()),
            (Some(_), _) => Ok(ServerCertVerified::assertion()),
            (None, Some(authorities)) => {
                authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            (None, None) => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
