//! `[[listener]]` and its TLS, key by key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::texts::{Cidr, ListenAddress};

/// Where clients come in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Listener {
    /// IP address and port. Port 0 takes a free one.
    pub(in crate::config) address: ListenAddress,
    /// TLS; without it, connections are plain TCP.
    pub(in crate::config) tls: Option<Tls>,
    /// Versions of HTTP that are spoken: by ALPN over TLS; on plain TCP, h2 by prior knowledge. Default: both over TLS, only
    /// http/1.1 on plain TCP.
    #[schemars(length(min = 1))]
    pub(in crate::config) protocols: Option<Vec<ClientProtocol>>,
    /// Networks of peers whose `Forwarded` and `X-Forwarded-*` are believed. Default: none.
    #[serde(default)]
    pub(in crate::config) trusted_proxies: Vec<Cidr>,
    /// What becomes of request fields with an underscore in their names, which some backends cannot tell from those with a dash.
    #[serde(default)]
    pub(in crate::config) underscore_headers: UnderscoreHeaders,
    /// Every connection begins with a header of the PROXY protocol, version 1 or 2, before TLS: its client's address is the peer
    /// from then on. One without is closed.
    #[serde(default)]
    pub(in crate::config) proxy_protocol: bool,
    /// Networks of the balancers that may send that header; connections of others are closed. Default: everybody.
    pub(in crate::config) proxy_protocol_from: Option<Vec<Cidr>>,
    /// Answers every request with 308 to the same place over HTTPS, and routes none.
    pub(in crate::config) redirect_to_https: Option<RedirectToHttps>,
}

/// What becomes of fields like `x_user`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum UnderscoreHeaders {
    /// They are left out.
    #[default]
    Drop,
    /// The request is answered with 400.
    Refuse,
    /// They are sent on, but for those that read like a field that only the gateway sets.
    Keep,
}

/// Where HTTPS is spoken.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct RedirectToHttps {
    /// The port that clients are sent to.
    #[schemars(range(min = 1, max = 65_535))]
    pub(in crate::config) port: u16,
}

impl Default for RedirectToHttps {
    fn default() -> RedirectToHttps {
        RedirectToHttps { port: 443 }
    }
}

/// A version of HTTP that clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub(in crate::config) enum ClientProtocol {
    #[serde(rename = "http/1.1")]
    Http1,
    #[serde(rename = "h2")]
    H2,
}

/// TLS towards clients.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// Certificates with their keys, chosen by the name that the client asks for; the first where none fits.
    #[schemars(length(min = 1))]
    pub(in crate::config) certificates: Vec<Certificate>,
    /// PEM file with the authorities whose certificates clients may show (mutual TLS). Default: none is asked for.
    pub(in crate::config) client_ca: Option<PathBuf>,
    /// Whether a client without certificate is refused; only with `client-ca`.
    #[serde(default)]
    pub(in crate::config) client_certificate: ClientCertificate,
    /// Header fields that tell plugins and endpoints of the client's certificate, by their names: `subject` (RFC 4514), `names`
    /// (DNS names, URIs and mail addresses, separated by commas), `sha256` (fingerprint, hexadecimal) or `certificate` (RFC 9440).
    /// What clients send under these names is removed, on all listeners. Default: none.
    #[serde(default)]
    pub(in crate::config) client_headers: BTreeMap<String, ClientFact>,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum ClientCertificate {
    /// A handshake without one fails.
    #[default]
    Required,
    /// One without is as good; a wrong one fails.
    Optional,
}

/// Something that a client's certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum ClientFact {
    /// Whom it is for.
    Subject,
    /// Its alternative names.
    Names,
    /// Its fingerprint.
    Sha256,
    /// All of it.
    Certificate,
}

/// One certificate chain with its key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Certificate {
    /// PEM file with the chain, the server's own certificate first.
    pub(in crate::config) certificate: PathBuf,
    /// PEM file with its private key.
    pub(in crate::config) key: PathBuf,
}
