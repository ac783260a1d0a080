//! TLS towards the endpoints of an upstream: who is believed, what the gateway shows of itself, whose name is asked for. There
//! is no way to believe everybody: who has no authority names the endpoints' own certificates.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{IpAddr as NamedAddress, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};

use super::believed::Believed;
use super::certificates::certify;
use super::{Expiry, TlsError, files};
use crate::config::model::{self, UpstreamProtocol};

/// Sessions that are kept for each user of [`ToEndpoints::sessions`]: a ticket resumes one handshake.
const SESSIONS: usize = 16;

/// TLS to the endpoints of one upstream. Never changed: another takes its place whole.
#[derive(Debug)]
pub struct ToEndpoints {
    config: ClientConfig,
    server_name: Option<ServerName<'static>>,
    expiries: Vec<Expiry>,
    origin: Origin,
}

/// What it was made from.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    settings: model::UpstreamTls,
    protocol: UpstreamProtocol,
    digests: Vec<Vec<u8>>,
}

impl ToEndpoints {
    /// Reads the files. TLS 1.2 and 1.3, by ALPN what the upstream speaks, no early data. If nothing has changed since `before`,
    /// that itself comes back.
    ///
    /// # Errors
    /// What is wrong with the first file that cannot be used, or with the name that is to be asked for.
    pub fn load(
        upstream: &model::Upstream,
        settings: &model::UpstreamTls,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, TlsError> {
        let addresses = upstream.endpoints.iter().map(|endpoint| &*endpoint.address);
        Self::load_for(addresses, upstream.protocol, settings, before)
    }

    /// The same for any that are reached at these addresses, each a host and a port.
    ///
    /// # Errors
    /// As [`ToEndpoints::load`].
    pub fn load_for<'a>(
        mut addresses: impl Iterator<Item = &'a str>,
        protocol: UpstreamProtocol,
        settings: &model::UpstreamTls,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, TlsError> {
        let server_name = settings.server_name.as_deref().map(name).transpose()?;
        if server_name.is_none() {
            addresses.try_for_each(|address| name(host(address)).map(drop))?;
        }
        let ca = settings.ca.as_deref().map(files::read).transpose()?;
        let own = match &settings.own {
            Some(own) => Some((own, files::read(&own.certificate)?, files::read(&own.key)?)),
            None => None,
        };
        let contents = ca.iter().chain(own.iter().flat_map(|(_, chain, key)| [chain, key]));
        let digests = contents.map(|content| digest(&SHA256, content).as_ref().to_vec()).collect();
        let origin = Origin { settings: settings.clone(), protocol, digests };
        if let Some(before) = before.filter(|before| before.origin == origin) {
            return Ok(before.clone());
        }
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let mut expiries = Vec::new();
        let verifier: Arc<dyn ServerCertVerifier> = match (&settings.ca, &ca) {
            (Some(file), Some(content)) => {
                let (believed, ends) = Believed::load(file, content, &provider)?;
                expiries.extend(ends);
                Arc::new(believed)
            }
            _ => verifier(system_roots()?, &provider)?,
        };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &own {
            Some((own, chain, key)) => {
                let chain = files::certificates(&own.certificate, chain)?;
                expiries.extend(Expiry::of_chain(&own.certificate, &chain));
                let (certified, _) = certify(own, chain, key, &provider)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = match protocol {
            UpstreamProtocol::Http1 => vec![b"http/1.1".to_vec()],
            UpstreamProtocol::H2 => vec![b"h2".to_vec()],
            UpstreamProtocol::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        Ok(Arc::new(Self { config, server_name, expiries, origin }))
    }

    /// For handshakes of one user, whose sessions are resumed: what keeps them has a lock, so that workers take one each.
    pub fn sessions(&self) -> Arc<ClientConfig> {
        let mut config = self.config.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Arc::new(config)
    }

    /// The same for those who speak HTTP/2 whatever the upstream does.
    pub fn sessions_of_h2(&self) -> Arc<ClientConfig> {
        let mut config = self.config.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }

    /// The name that the endpoint at `address` (host and port) must have a certificate for.
    ///
    /// # Errors
    /// If its host is none. [`ToEndpoints::load`] has looked at those that it was made for.
    pub fn name_of(&self, address: &str) -> Result<ServerName<'static>, TlsError> {
        self.server_name.clone().map_or_else(|| name(host(address)), Ok)
    }

    /// When the authorities that were named end, and the gateway's own certificate.
    pub fn expiries(&self) -> &[Expiry] {
        &self.expiries
    }
}

/// Without port, and an IPv6 address without brackets.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn name(text: &str) -> Result<ServerName<'static>, TlsError> {
    // What is an address in any notation is no name.
    let address = text.parse::<IpAddr>().map(|address| ServerName::IpAddress(NamedAddress::from(address)));
    address.or_else(|_| ServerName::try_from(text.to_owned())).map_err(|_| TlsError::ServerName(text.to_owned()))
}

/// Signed by one of these authorities, for that name, and not over.
pub(super) fn verifier(
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let builder = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
    builder.build().map_err(|reason| rustls::Error::General(reason.to_string()).into())
}

/// The authorities that this system knows, as they were when they were first needed: some 150 of them, milliseconds.
fn system_roots() -> Result<Arc<RootCertStore>, TlsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(known) = ROOTS.get() {
        return Ok(known.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Old ones that nobody can read any more are in many systems.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError::NoSystemAuthorities(reasons.join("; ")));
    }
    Ok(ROOTS.get_or_init(|| Arc::new(roots)).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_endpoint_is_its_host() {
        let cases = [
            ("10.0.0.1:8080", Some("10.0.0.1")),
            ("[::1]:8080", Some("::1")),
            ("backend:8080", Some("backend")),
            ("a_b.internal:1", Some("a_b.internal")),
            ("a..b:1", None),
            ("[fe80::1%2]:80", None),
        ];
        for (address, expected) in cases {
            let found = name(host(address)).ok();
            assert_eq!(found.as_ref().map(|name| name.to_str().into_owned()).as_deref(), expected, "{address}");
        }
    }
}
