//! A connection of the bench's own, blocking, with TLS 1.3 or without. It believes any certificate: who the proxy is, is
//! no question here, and what a client computes must not be what is measured.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, ProtocolVersion, SignatureScheme, StreamOwned,
};

use super::answer::Answer;

/// Nothing here takes longer but what has gone wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection.
#[derive(Debug)]
pub(crate) enum Wire {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// Over plain TCP.
    pub(crate) fn plain(address: SocketAddr) -> Result<Self> {
        Ok(Self::Plain(connect(address)?))
    }

    /// Over TLS, with a full handshake.
    pub(crate) fn secure(address: SocketAddr) -> Result<Self> {
        Self::secure_by(&settings(false), address)
    }

    /// Over TLS, with the sessions that those settings have seen. The handshake is done with the first bytes.
    pub(super) fn secure_by(settings: &Arc<ClientConfig>, address: SocketAddr) -> Result<Self> {
        let name = ServerName::IpAddress(address.ip().into());
        let connection = ClientConnection::new(settings.clone(), name).context("cannot begin a handshake")?;
        Ok(Self::Secure(Box::new(StreamOwned::new(connection, connect(address)?))))
    }

    /// Sends a request, and reads the answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.write_all(request).and_then(|()| self.flush()).context("cannot send a request")?;
        let answer = Answer::read(self)?;
        if let Self::Secure(stream) = self
            && stream.conn.protocol_version() != Some(ProtocolVersion::TLSv1_3)
        {
            bail!("it does not speak TLS 1.3");
        }
        Ok(answer)
    }

    /// True if the handshake took up an earlier session.
    pub(super) fn is_resumed(&self) -> bool {
        matches!(self, Self::Secure(stream) if stream.conn.handshake_kind() == Some(HandshakeKind::Resumed))
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(buffer),
            Self::Secure(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}

pub(super) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// One key exchange and one cipher, which all servers know: so all of them do the same work.
pub(super) fn settings(resumes: bool) -> Arc<ClientConfig> {
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519];
    provider.cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).expect("TLS 1.3 and its cipher fit");
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Believes(schemes)));
    let mut settings = builder.with_no_client_auth();
    settings.alpn_protocols = vec![b"http/1.1".to_vec()];
    if !resumes {
        settings.resumption = Resumption::disabled();
    }
    Arc::new(settings)
}

/// Takes any certificate and any signature of these kinds.
#[derive(Debug)]
struct Believes(Vec<SignatureScheme>);

impl ServerCertVerifier for Believes {
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
        self.0.clone()
    }
}
