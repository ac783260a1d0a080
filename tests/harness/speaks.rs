//! What a backend speaks: HTTP/1.1 or HTTP/2, plain or over TLS.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::certificates::Site;
use super::raw::Stream;

/// What a backend speaks.
#[derive(Clone)]
pub enum Speaks {
    /// Plain HTTP/1.1.
    Http1,
    /// HTTP/2 by prior knowledge.
    H2,
    /// What the other side chooses by ALPN.
    Tls(Arc<ServerConfig>),
}

/// A connection after its handshake.
pub struct Opened {
    pub stream: Box<dyn Stream>,
    pub is_h2: bool,
    pub resumed: bool,
}

impl Speaks {
    /// TLS with that certificate and those protocols.
    pub fn tls(site: &Site, protocols: &[&str]) -> Self {
        Self::over(site, protocols, None)
    }

    /// The same, only for clients that this authority has signed.
    pub fn mutual_tls(site: &Site, protocols: &[&str], clients: &str) -> Self {
        Self::over(site, protocols, Some(clients))
    }

    fn over(site: &Site, protocols: &[&str], clients: Option<&str>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = CertificateDer::pem_slice_iter(site.certificate.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(site.key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Self::Tls(Arc::new(config))
    }

    /// The connection as it is after a handshake; none if that failed.
    pub async fn open(self, stream: TcpStream) -> Option<Opened> {
        match self {
            Self::Http1 => Some(Opened { stream: Box::new(stream), is_h2: false, resumed: false }),
            Self::H2 => Some(Opened { stream: Box::new(stream), is_h2: true, resumed: false }),
            Self::Tls(config) => {
                let stream = TlsAcceptor::from(config).accept(stream).await.ok()?;
                let session = stream.get_ref().1;
                let is_h2 = session.alpn_protocol() == Some(b"h2");
                let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
                Some(Opened { stream: Box::new(stream), is_h2, resumed })
            }
        }
    }
}
