//! TLS towards clients: certificates from files, chosen by the name that a client asks for, the certificates of clients
//! themselves, and the settings of a listener's handshakes. TLS towards endpoints: who is believed, and what the gateway shows.
//! Reads files when it is asked to and never by itself; handshakes and their deadlines are `server`'s and `upstream`'s.

mod believed;
mod certificates;
mod clients;
mod endpoints;
mod error;
mod expiry;
mod facts;
mod files;
mod self_signed;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::UnixTime;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ServerConfig, ServerConnection};

use crate::config::model;
use certificates::Certificates;
use clients::Clients;
pub use endpoints::ToEndpoints;
pub use error::TlsError;
pub use expiry::Expiry;
use files::{Digests, Files};
pub use self_signed::self_signed;

/// TLS of one listener. Never changed: another takes its place whole.
#[derive(Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
    /// None: clients are not asked for certificates.
    clients: Option<Clients>,
    expiries: Vec<Expiry>,
    origin: Origin,
}

/// What a [`Server`] was made from.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    settings: model::Tls,
    h2: bool,
    http1: bool,
    digests: Digests,
}

impl Server {
    /// Reads the files. TLS 1.2 and 1.3, `h2` and `http/1.1` by ALPN as the listener speaks them, no early data.
    ///
    /// Sessions are resumed by tickets, under keys that belong to this listener, change every six hours and never leave the
    /// process; nothing is stored here, so workers share no lock. A TLS 1.3 client gets two tickets.
    ///
    /// `before` is what this one takes the place of. If nothing has changed, that itself comes back; otherwise tickets that
    /// it gave out stay good, unless the certificates of clients are taken by another rule now: rustls does not verify them
    /// when it resumes a session, so that a ticket of then would go around the rule of now.
    ///
    /// # Errors
    /// What is wrong with the first file that cannot be used.
    pub fn load(
        settings: &model::Tls,
        h2: bool,
        http1: bool,
        before: Option<&Arc<Server>>,
    ) -> Result<Arc<Server>, TlsError> {
        let files = Files::read(settings)?;
        let origin = Origin { settings: settings.clone(), h2, http1, digests: files.digests() };
        if let Some(before) = before.filter(|before| before.origin == origin) {
            return Ok(before.clone());
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let (certificates, mut expiries) = Certificates::load(settings, &files, &provider)?;
        let certificates = Arc::new(certificates);
        let mut clients = None;
        if let (Some(settings), Some(ca)) = (&settings.clients, &files.ca) {
            let (loaded, authorities) = Clients::load(settings, ca, &provider)?;
            expiries.extend(authorities);
            clients = Some(loaded);
        }
        let verifier = clients.as_ref().map_or_else(WebPkiClientVerifier::no_client_auth, Clients::verifier);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(certificates.clone());
        if h2 {
            config.alpn_protocols.push(b"h2".to_vec());
        }
        if http1 {
            config.alpn_protocols.push(b"http/1.1".to_vec());
        }
        config.ticketer = match before.filter(|before| before.origin.has_clients_of(&origin)) {
            Some(before) => before.config.ticketer.clone(),
            None => aws_lc_rs::Ticketer::new()?,
        };
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 2;
        config.max_early_data_size = 0;
        Ok(Arc::new(Server { config: Arc::new(config), certificates, clients, expiries, origin }))
    }

    /// For handshakes.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Whether both take certificates of clients by the same rule, and say the same of them.
    pub fn has_clients_of(&self, other: &Server) -> bool {
        self.origin.has_clients_of(&other.origin)
    }

    /// What a client said of itself in the handshake that has just ended, as fields for its requests. Once per connection;
    /// with certificates of clients, tens of microseconds.
    ///
    /// # Errors
    /// The session was resumed, and its certificate would not be taken any more: the connection must not be used.
    pub fn client_fields(&self, session: &ServerConnection) -> Result<Vec<(HeaderName, HeaderValue)>, rustls::Error> {
        match &self.clients {
            Some(clients) => clients.fields(session, UnixTime::now()),
            None => Ok(Vec::new()),
        }
    }

    /// Whether a request for `host` came over a connection that began with another's name (RFC 9110 §7.4). Both in lower
    /// case, without port. False for a host that no certificate names.
    pub fn is_misdirected(&self, server_name: &str, host: &str) -> bool {
        self.certificates.is_misdirected(server_name, host)
    }

    /// When its certificates end, in the order of the configuration, then the authorities of clients. A certificate that
    /// does not tell is left out.
    pub fn expiries(&self) -> &[Expiry] {
        &self.expiries
    }
}

impl Origin {
    fn has_clients_of(&self, other: &Origin) -> bool {
        self.settings.clients == other.settings.clients && self.digests.ca == other.digests.ca
    }
}
