//! What travels: the request in the form that routes, plugins and endpoints see, and the bodies that stream past. Knows
//! nothing of sockets, plugins or upstreams; what may be in a header is decided in `proxy::headers`.

pub mod body;
pub mod cookies;
pub mod fields;
mod interim;
mod patience;
pub mod query;
mod replay;
mod streamed;
pub mod target;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Version};

pub use body::Body;
pub use interim::Interims;
pub use patience::Patience;
pub use replay::Replay;

/// The request as the gateway took it in: checked, hop-by-hop fields gone, target in normal form. Routes match it, plugins
/// see it, and what an endpoint gets is made from it.
#[derive(Debug)]
pub struct RequestHead {
    /// Case kept.
    pub method: Method,
    /// As the client spoke: HTTP/1.0, 1.1 or 2.
    pub version: Version,
    /// As the client spoke to this gateway, or to a trusted proxy before it.
    pub scheme: Scheme,
    /// Host and port that the client asked for, in lower case.
    pub authority: Authority,
    /// Path in normal form, and query as sent.
    pub target: PathAndQuery,
    /// End-to-end fields, without `host`; cookies in one field.
    pub headers: HeaderMap,
    /// The client, after trusted proxies; IPv4-mapped addresses unmapped.
    pub client: IpAddr,
    /// From the TLS handshake.
    pub server_name: Option<Arc<str>>,
    /// The first bytes of the body, for a routing plugin that asked for them.
    pub prefix: BodyPrefix,
}

/// The first bytes of a body.
#[derive(Debug, Default, Clone)]
pub struct BodyPrefix {
    /// As many as were asked for, or fewer.
    pub bytes: Bytes,
    /// True if that is all of it.
    pub complete: bool,
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As in a URI.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}
