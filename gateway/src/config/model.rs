//! The configuration as the program uses it: every name resolved to an index, every default filled in, every text parsed.
//! `resolve` makes it from the file; nothing below this line of the program ever sees a missing value or a name to look up.

mod discover;
mod health;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

pub use super::limits::{Limits, MinimumRate, PerClient};
use super::{KeyPath, Places};
pub use discover::{Consistency, Consul, Discover, Dns, Families, Finder, Http, Service};
pub use health::{Check, Ejection, Health, HttpCheck, Statuses, SuccessRate};

mod bounds;
mod reported;
mod traces;

pub use bounds::{Queue, Rate, RateKey, Retry, RouteLimits};
pub use reported::{Per, ReportFields, ReportedLoad, Scrape, Series, Shown, label};
pub use traces::{TraceParent, Traces};

/// A whole configuration, without contradictions in itself.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything stands in the file.
    pub places: Places,
    /// Threads that serve, 1 to 256. Default: one per core.
    pub workers: usize,
    /// Where this gateway stands; empty: not said.
    pub zone: String,
    /// Seed of all key hashes; the same on all replicas. Default 0.
    pub hash_seed: u64,
    /// Files with the keys of sealed cookies; none: one is made in the state directory.
    pub sealing: Option<SealingFiles>,
    /// What is logged.
    pub log: Log,
    /// Where clients come in; at least one.
    pub listeners: Vec<Listener>,
    /// Where operators come in; none: nowhere.
    pub admin: Option<Admin>,
    /// What is told of exchanges to a collector; none: nothing.
    pub traces: Option<Traces>,
    /// Bounds in time that belong to no route.
    pub timeouts: Timeouts,
    /// Bounds in size and number.
    pub limits: Limits,
    /// The plugins that some use needs.
    pub plugins: Vec<Plugin>,
    /// The uses, in order of their first appearance.
    pub uses: Vec<Use>,
    /// The routes, in file order.
    pub routes: Vec<Route>,
    /// The upstreams, in file order.
    pub upstreams: Vec<Upstream>,
}

/// Position in [`Config::plugins`].
pub type PluginIndex = usize;
/// Position in [`Config::uses`].
pub type UseIndex = usize;
/// Position in [`Config::routes`].
pub type RouteIndex = usize;
/// Position in [`Config::upstreams`].
pub type UpstreamIndex = usize;

/// Keys of sealed cookies: 32 bytes or more each, as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingFiles {
    /// Seals and opens.
    pub current: PathBuf,
    /// Opens only: the key before the last rotation.
    pub previous: Option<PathBuf>,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// One line per exchange. Default true.
    pub access: bool,
    /// The least severe level: `error`, `warn`, `info`, `debug`, `trace`. Default `info`.
    pub level: String,
}

/// Where clients come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The socket's address; port 0 takes a free one.
    pub address: SocketAddr,
    /// None: plain TCP.
    pub tls: Option<Tls>,
    /// Speaks HTTP/1.1. Default true.
    pub http1: bool,
    /// Speaks HTTP/2: by ALPN over TLS, by prior knowledge on plain TCP. Default: over TLS only.
    pub h2: bool,
    /// Peers whose `Forwarded` and `X-Forwarded-*` are believed. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// What becomes of request fields with an underscore in their names. Default: they are left out.
    pub underscore_headers: UnderscoreHeaders,
    /// Connections begin with a header of the PROXY protocol, from these networks only. Default: without header.
    pub proxy_protocol: Option<Vec<IpNet>>,
    /// The port of HTTPS that every request is sent to; none: requests are routed.
    pub redirect_to_https: Option<u16>,
}

/// What becomes of fields that CGI and its heirs cannot tell from those with a dash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnderscoreHeaders {
    /// They are left out.
    Drop,
    /// The request is refused.
    Refuse,
    /// They are sent on, but for those that read like a field that only the gateway sets.
    Keep,
}

/// TLS towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// At least one; the first is for clients that ask for no name, or for one that nobody has.
    pub certificates: Vec<CertificateFiles>,
    /// Mutual TLS; none: clients are not asked for certificates.
    pub clients: Option<ClientCertificates>,
}

/// Certificates of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// PEM file with the authorities that may have signed them.
    pub ca: PathBuf,
    /// A client without one is refused.
    pub required: bool,
    /// Header fields, by their names in lower case, that tell plugins and endpoints of them.
    pub headers: Vec<(String, ClientFact)>,
}

/// Something that a client's certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientFact {
    /// Its subject as RFC 4514 writes it.
    Subject,
    /// Its alternative names: DNS, URI, mail.
    Names,
    /// SHA-256 of it, hexadecimal.
    Sha256,
    /// All of it, as RFC 9440 writes it.
    Certificate,
}

/// Where operators come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// A loopback address, or one with a token or certificates of clients; port 0 takes a free one.
    pub address: SocketAddr,
    /// File with the password that requests must bring; none: none is asked for.
    pub token_file: Option<PathBuf>,
    /// None: plain TCP.
    pub tls: Option<Tls>,
    /// The last exchanges that are kept to be told, over all workers. Default 256; 0: none.
    pub exchanges: usize,
    /// What is kept of them. Default: their steps.
    pub record: Keeps,
    /// Who may ask for the decisions on a request in a field of its answer. Default: nobody.
    pub explain_to: Vec<IpNet>,
}

/// What is kept of exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// The steps on their way.
    Steps,
    /// All that plugins had to do with, without secrets.
    Masked,
    /// The same with them.
    Secrets,
}

impl Admin {
    /// True if only those may ask who prove that they may.
    pub fn asks_who(&self) -> bool {
        self.token_file.is_some() || self.tls.as_ref().is_some_and(|tls| tls.clients.is_some())
    }
}

/// One certificate chain with its key, PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Bounds in time. A route may override `connect`, `response_header`, `total` and `stream_idle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// TLS handshake, from accept. Default 10 s.
    pub handshake: Duration,
    /// Request head, from its first byte. Default 10 s.
    pub request_header: Duration,
    /// A client connection without a request. Default 60 s.
    pub client_idle: Duration,
    /// A pooled connection to an endpoint. Default 4 s.
    pub upstream_idle: Duration,
    /// A TCP connection to an endpoint, and TLS with it. Default 3 s.
    pub connect: Duration,
    /// From the request to the endpoint's response head. Default 30 s.
    pub response_header: Duration,
    /// From the request to the answer's head, over all attempts and waits. Default 60 s.
    pub total: Duration,
    /// A body or upgraded stream on which nothing moves. Default 5 min.
    pub stream_idle: Duration,
    /// A client that takes nothing of what waits for it. Default 30 s.
    pub send_stall: Duration,
    /// What exchanges get to finish when the gateway stops. Default 30 s.
    pub drain: Duration,
    /// The same for what streams by then; not less than `drain`. Default 1 h.
    pub drain_streams: Duration,
}

/// A plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// Its name in this configuration.
    pub name: String,
    /// Where it comes from.
    pub source: PluginSource,
    /// What an instance may use up.
    pub limits: PluginLimits,
    /// Instances of a use that all workers share; none: one for each worker.
    pub slots: Option<usize>,
    /// Where its table stands in the file; none for one that the gateway brings.
    pub place: Option<KeyPath>,
}

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginSource {
    /// One that the gateway brings, by the name of its component (`ip-hash` is `consistent-hash`).
    BuiltIn(&'static str),
    /// The user's file, watched. `sha256`: the only content that is accepted.
    File {
        /// The file.
        path: PathBuf,
        /// Its pinned digest.
        sha256: Option<[u8; 32]>,
    },
}

impl std::fmt::Display for PluginSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PluginSource::BuiltIn(name) => f.write_str(name),
            PluginSource::File { path, .. } => path.display().fmt(f),
        }
    }
}

/// What an instance may use up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLimits {
    /// Linear memory in bytes. Default 64 MiB.
    pub memory: usize,
    /// CPU time of one routing, selection or response call. Default 5 ms.
    pub deadline: Duration,
    /// Share of a worker's time in each second, per mille. Default 200.
    pub worker_share_per_mille: u32,
    /// Bytes that it may hand to the host in one call. Default 1 MiB.
    pub host_call: usize,
    /// Bytes of names and values of all edits of one call. Default 16 KiB.
    pub output: usize,
}

/// One appearance of a plugin.
///
/// A `[[use]]` table that is named at places with different upstreams appears here once for each, under one name: those
/// share cells, store and sealing, not instances.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// That of its `[[use]]` table, or `<route or upstream>/<hook>/<plugin>`; a second inline use of one plugin in one
    /// chain has `#2` appended, and so on.
    pub name: Arc<str>,
    /// Which plugin.
    pub plugin: PluginIndex,
    /// Its configuration as JSON text; `{}` if none is given.
    pub config: String,
    /// Where it stands in the file.
    pub place: KeyPath,
    /// What an exchange does when it fails; none: `Fallback` in selection, `Pass` elsewhere.
    pub on_error: Option<OnError>,
    /// The upstream whose endpoints it selects.
    pub upstream: Option<UpstreamIndex>,
    /// What it may choose as a routing plugin, the route's default first.
    pub upstreams: Vec<UpstreamIndex>,
}

/// What an exchange does when a plugin fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The host chooses: weighted random over what may be chosen.
    Fallback,
    /// As if the plugin had no opinion.
    Pass,
    /// 503.
    Fail,
}

/// A rule for requests, and what happens to those that fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// Which requests.
    pub matcher: Matcher,
    /// Routing chain.
    pub routing: Vec<UseIndex>,
    /// Where they go if no routing plugin says otherwise.
    pub upstream: UpstreamIndex,
    /// What its routing plugins may choose, the default first.
    pub upstreams: Vec<UpstreamIndex>,
    /// Cut from the front of the path before it is sent; ends without `/`.
    pub strip_prefix: Option<String>,
    /// Response plugins, asked from last to first.
    pub response: Vec<UseIndex>,
    /// Protocols that clients may change to, in lower case. Default: `websocket`.
    pub upgrades: Vec<String>,
    /// When a request is sent once more.
    pub retry: Retry,
    /// What it takes.
    pub limits: RouteLimits,
    /// Answers name this gateway in `Via`. Default false.
    pub via: bool,
    /// With this route's own values filled in.
    pub timeouts: Timeouts,
}

/// Protocols that are no others for an endpoint but other ways to reach this gateway.
pub const OF_THIS_HOP: &[&str] = &["h2", "h2c", "http", "tls"];

/// Which requests fit a route; all parts must.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Matcher {
    /// Any of these; empty: all.
    pub hosts: Vec<HostPattern>,
    /// The path.
    pub path: PathPattern,
    /// Any of these, case kept; empty: all.
    pub methods: Vec<String>,
    /// All of these: name in lower case, exact value of any field of that name.
    pub headers: BTreeMap<String, String>,
}

/// A host name of a route, lower case, without port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// `app.example.com`.
    Exact(String),
    /// `*.example.com`, kept as `.example.com`: any name that ends in it, one label or more before.
    Suffix(String),
}

/// A path of a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum PathPattern {
    /// Every path.
    #[default]
    Any,
    /// This path only.
    Exact(String),
    /// `/api/*`, kept as `/api`: that path and all below it.
    Prefix(String),
}

/// A named group of endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// Selection chain: `round-robin` where the file names none; empty where it says so, and the gateway chooses.
    pub selection: Vec<UseIndex>,
    /// What its endpoints speak. Default HTTP/1.1.
    pub protocol: UpstreamProtocol,
    /// None: plain TCP.
    pub tls: Option<UpstreamTls>,
    /// Connections begin with the client's address as PROXY protocol version 2. Default false.
    pub send_proxy_protocol: bool,
    /// Its members as configured; none where they are found elsewhere.
    pub endpoints: Vec<Endpoint>,
    /// Where they are found; none: the configuration names them.
    pub discover: Option<Arc<Discover>>,
    /// Idle connections kept for each endpoint, over all workers. Default 32.
    pub idle_per_endpoint: usize,
    /// Requests at a time over all endpoints; none: no bound.
    pub max_in_flight: Option<u32>,
    /// Where requests wait while it or all of its endpoints are full; none: nowhere.
    pub queue: Option<Queue>,
    /// How its endpoints are checked; none: not at all.
    pub health: Option<Arc<Health>>,
    /// How its endpoints report their own load; none: not at all.
    pub reported_load: Option<ReportedLoad>,
    /// When an endpoint is taken out.
    pub ejection: Ejection,
    /// How long an endpoint that joins or comes back takes to its full weight; none: no time.
    pub slow_start: Option<Duration>,
    /// What to do when none may be chosen.
    pub when_all_bad: WhenAllBad,
}

/// What endpoints speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by ALPN over TLS, by prior knowledge on plain TCP.
    H2,
    /// The one of the two that an endpoint chooses by ALPN. Over TLS only.
    Auto,
}

/// TLS towards endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The name that their certificates must be for; none: the host in each one's address.
    pub server_name: Option<String>,
    /// PEM file with the authorities that are believed, or with the endpoints' own certificates; none: those of the system.
    pub ca: Option<PathBuf>,
    /// What the gateway shows endpoints that ask for a certificate.
    pub own: Option<CertificateFiles>,
}

/// One member of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Stable identity; the address where the file gives none.
    pub id: Arc<str>,
    /// Host and port, as written: `10.0.0.1:8080`, `[::1]:8080`, `backend:8080`.
    pub address: Arc<str>,
    /// 1 to 1000. Default 1.
    pub weight: u32,
    /// 0 is the first choice. Default 0.
    pub priority: u32,
    /// Where it stands; empty: not said.
    pub zone: String,
    /// For plugins.
    pub labels: BTreeMap<String, String>,
    /// Requests at a time; none: no bound.
    pub max_in_flight: Option<u32>,
    /// Finishes what it has and gets no new sessions.
    pub draining: bool,
}

impl Endpoint {
    /// One at that address, and called by it; all else by default.
    pub fn at(address: &str) -> Self {
        Self {
            id: address.into(),
            address: address.into(),
            weight: 1,
            priority: 0,
            zone: String::new(),
            labels: BTreeMap::new(),
            max_in_flight: None,
            draining: false,
        }
    }
}

/// What to do when no endpoint may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAllBad {
    /// Choose among all. The default.
    UseAll,
    /// 503.
    Refuse,
}
