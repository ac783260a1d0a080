//! Where members of upstreams are found that the configuration does not name.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::UpstreamTls;

/// Where an upstream's members are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discover {
    /// Who is asked.
    pub source: Finder,
    /// How long the start of the gateway waits for the first answer. Default 5 s.
    pub wait: Duration,
}

/// Who is asked for endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finder {
    /// A file that lists them.
    File(PathBuf),
    /// The DNS.
    Dns(Dns),
    /// A service that lists them.
    Http(Http),
    /// Consul.
    Consul(Consul),
}

/// What the DNS is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// The name.
    pub name: String,
    /// The port of all its addresses; none: SRV records are wanted.
    pub port: Option<u16>,
    /// Who is asked; empty: whom the system asks.
    pub servers: Vec<SocketAddr>,
    /// Which addresses are wanted. Default: all.
    pub families: Families,
    /// Bounds of what is believed of a TTL. Default 1 s and 5 min.
    pub least_ttl: Duration,
    /// See `least_ttl`.
    pub most_ttl: Duration,
}

/// Kinds of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    /// All.
    Any,
    /// Of IPv4.
    Ipv4,
    /// Of IPv6.
    Ipv6,
}

impl Families {
    /// Whether addresses of that kind are wanted.
    pub fn has(self, is_ipv6: bool) -> bool {
        match self {
            Families::Any => true,
            Families::Ipv4 => !is_ipv6,
            Families::Ipv6 => is_ipv6,
        }
    }
}

/// A service that is asked over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Host and port.
    pub address: String,
    /// The same as requests name it: the port where the URL has one.
    pub host: String,
    /// None: plain TCP.
    pub tls: Option<UpstreamTls>,
    /// File with the token that is shown.
    pub token_file: Option<PathBuf>,
}

/// A service that lists endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// It.
    pub service: Service,
    /// Path and query of the list.
    pub path: String,
    /// Between two questions. Default 10 s.
    pub interval: Duration,
    /// For the head of an answer, and for its body. Default 5 s.
    pub timeout: Duration,
}

/// What Consul is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consul {
    /// Consul.
    pub service: Service,
    /// The service whose instances are wanted.
    pub name: String,
    /// Tags that an instance must have.
    pub tags: Vec<String>,
    /// Where; none: that of the agent.
    pub datacenter: Option<String>,
    /// How fresh answers are.
    pub consistency: Consistency,
}

/// How fresh Consul's answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// The leader answers, most likely.
    Default,
    /// Any server answers.
    Stale,
    /// The leader answers, once it knows for sure that it is one.
    Consistent,
}

impl fmt::Display for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finder::File(path) => write!(f, "file {}", path.display()),
            Finder::Dns(Dns { name, port: Some(port), .. }) => write!(f, "dns {name}, port {port}"),
            Finder::Dns(Dns { name, .. }) => write!(f, "dns {name}, SRV"),
            // What stands behind a question mark may be a secret.
            Finder::Http(Http { service, path, .. }) => {
                write!(f, "http {}{}", service.host, path.split('?').next().unwrap_or_default())
            }
            Finder::Consul(Consul { service, name, .. }) => write!(f, "consul {}, service {name}", service.host),
        }
    }
}
