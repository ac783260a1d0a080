//! The configuration file's own shape, key by key. These types are the one source of what may stand in it: `shape` checks
//! against the JSON Schema that is made from them, and their comments are its descriptions, so they are written for users. This file
//! has what concerns the whole gateway; listeners, plugins, routes, upstreams and what bounds traffic have files of their own.

mod bounds;
mod discover;
mod health;
mod listener;
mod plugin;
mod reported;
mod route;
mod traces;
mod upstream;

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use bounds::{Queue, RateKey, Retry, RetryCause, RouteLimits};
pub(super) use discover::{Consistency, Consul, Discover, Dns, Endpoints, Families, Http};
pub(super) use health::{CheckKind, Ejection, Health};
pub(super) use listener::{ClientCertificate, ClientFact, ClientProtocol, Listener, Tls, UnderscoreHeaders};
pub(super) use plugin::{InlineUse, OnError, Plugin, PluginLimits, Use, UseHere};
pub(super) use reported::{ReportedLoad, Scrape};
pub(super) use route::{Match, Route, RouteTimeouts};
pub(super) use traces::{CollectorUrl, TraceParent, Traces};
pub(super) use upstream::{Endpoint, EndpointState, Upstream, UpstreamProtocol, UpstreamTls, WhenAllBad};

use super::texts::{Cidr, ListenAddress};
use super::units::{Size, Time};

/// Keys of the design that this version does not have, without the positions in lists.
pub(super) const NOT_BUILT_YET: &[&str] = &["listener.tls.acme", "state"];

/// The configuration of Sluice, in TOML or as the same shape in JSON. Paths of files are relative to the folder of this one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "Sluice configuration")]
pub(super) struct File {
    /// Where an editor finds the JSON Schema of this file; the gateway does not look at it.
    #[serde(rename = "$schema")]
    pub(super) _schema: Option<String>,
    /// Threads that serve, 1 to 256. Default: one per core.
    #[schemars(range(min = 1, max = 256))]
    pub(super) workers: Option<usize>,
    /// Where this gateway stands, for plugins that prefer near endpoints. Default: not said.
    pub(super) zone: String,
    /// Seed of all key hashes; the same on all replicas, so that they choose alike.
    pub(super) hash_seed: u64,
    /// Keys of what the gateway seals.
    pub(super) secrets: Secrets,
    /// What is logged.
    pub(super) log: Log,
    /// Where clients come in; at least one.
    pub(super) listener: Vec<Listener>,
    /// Where operators come in. Default: nowhere.
    pub(super) admin: Option<Admin>,
    /// What is told of exchanges to a collector of traces. Default: nothing.
    pub(super) traces: Option<Traces>,
    /// Bounds in time. A route may set some of them for itself.
    pub(super) timeouts: Timeouts,
    /// Bounds in size and number.
    pub(super) limits: Limits,
    /// Plugins of your own; the built-in ones need no entry.
    pub(super) plugin: Vec<Plugin>,
    /// Configured appearances of plugins, to be named wherever a plugin may stand. One that stands in several places has one state.
    #[serde(rename = "use")]
    pub(super) uses: Vec<Use>,
    /// Rules for requests. The most specific one that fits decides: exact host before longest wildcard before none; exact path
    /// before longest prefix; then more methods and headers; then order in this file.
    pub(super) route: Vec<Route>,
    /// Named groups of endpoints.
    pub(super) upstream: Vec<Upstream>,
}

/// Keys of what the gateway seals.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Secrets {
    /// Keys of sealed cookies. Default: one is made in the state directory.
    pub(super) sealing: Option<Sealing>,
}

/// Files with keys of sealed cookies, each of 32 bytes or more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Sealing {
    /// File with the key that seals and opens.
    pub(super) current_file: PathBuf,
    /// File with the key before the last rotation; it only opens. Default: none.
    pub(super) previous_file: Option<PathBuf>,
}

/// What is logged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Log {
    /// One line per exchange.
    pub(super) access: bool,
    /// The least severe level that is logged.
    pub(super) level: Level,
}

impl Default for Log {
    fn default() -> Log {
        Log { access: true, level: Level::Info }
    }
}

/// How severe an event is.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Where operators come in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Admin {
    /// Where operators come in: `GET /metrics`, `/api/v1`, `/healthz`, `/readyz`. Port 0 takes a free one. Any other address than a
    /// loopback one needs `token-file` or `tls.client-ca`, since whoever may ask may order.
    pub(super) address: ListenAddress,
    /// File with a password that every request but `/healthz` and `/readyz` has to bring as `Authorization: Bearer …`: 16 to 1024
    /// visible characters without spaces. Default: none is asked for.
    pub(super) token_file: Option<PathBuf>,
    /// TLS for operators. Default: plain TCP.
    pub(super) tls: Option<AdminTls>,
    /// The last exchanges that `GET /api/v1/exchanges` tells, with what was decided on their way; as many again of those where
    /// something did not go by the first word. 0: none are kept.
    #[serde(default = "exchanges")]
    #[schemars(range(max = 100_000))]
    pub(super) exchanges: usize,
    /// What is kept of them besides. A record is all that plugins were told and saw, for `sluice explain --exchange`; each costs what
    /// it takes to write that down, some tens of microseconds.
    #[serde(default)]
    pub(super) record: Keeps,
    /// Networks of clients that may ask by `X-Sluice-Explain: 1` for the same in a field of the answer. What counts is the other end
    /// of the connection, and not what it says of others. Default: none.
    #[serde(default)]
    pub(super) explain_to: Vec<Cidr>,
}

/// What is kept of exchanges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Keeps {
    /// The steps on their way; and a record of those whose client may ask for it, by `X-Sluice-Explain: record`.
    #[default]
    Steps,
    /// A record of each, without the values of cookies, `Authorization` and `Proxy-Authorization`.
    Masked,
    /// A record of each with them. Whoever may ask for exchanges may use them.
    Secrets,
}

fn exchanges() -> usize {
    256
}

/// TLS for operators.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct AdminTls {
    /// PEM file with the certificate chain, the gateway's own certificate first.
    pub(super) certificate: PathBuf,
    /// PEM file with its private key.
    pub(super) key: PathBuf,
    /// PEM file with the authorities whose certificates operators must show. Default: none is asked for.
    pub(super) client_ca: Option<PathBuf>,
}

/// Bounds in time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Timeouts {
    /// TLS handshake, from accept.
    pub(super) handshake: Time,
    /// Head of a request, from its first byte.
    pub(super) request_header: Time,
    /// A client's connection without a request.
    pub(super) client_idle: Time,
    /// A pooled connection to an endpoint; below the 5 s after which many backends close theirs.
    pub(super) upstream_idle: Time,
    /// TCP connection to an endpoint, and TLS with it.
    pub(super) connect: Time,
    /// From the request to the head of the endpoint's response.
    pub(super) response_header: Time,
    /// From the request to the head of the answer, over all attempts and waits; begins anew while the client still sends.
    pub(super) total: Time,
    /// A body or upgraded stream on which nothing moves.
    pub(super) stream_idle: Time,
    /// A client that takes nothing of what waits for it.
    pub(super) send_stall: Time,
    /// What exchanges get to finish when the gateway stops.
    pub(super) drain: Time,
    /// The same for what streams by then: upgraded connections, and answers that have begun. At least as long as `drain`.
    pub(super) drain_streams: Time,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let seconds = |seconds| Time(Duration::from_secs(seconds));
        Timeouts {
            handshake: seconds(10),
            request_header: seconds(10),
            client_idle: seconds(60),
            upstream_idle: seconds(4),
            connect: seconds(3),
            response_header: seconds(30),
            total: seconds(60),
            stream_idle: seconds(300),
            send_stall: seconds(30),
            drain: seconds(30),
            drain_streams: seconds(3600),
        }
    }
}

/// Bounds in size and number.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Limits {
    /// Client connections over all listeners.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(super) connections: usize,
    /// Connections of one client: an IPv4 address, or the first 64 bits of an IPv6 one. Trusted proxies are not counted.
    /// Default: 200, and none for addresses of this machine, behind which any number of clients may stand.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(super) connections_per_client: Option<usize>,
    /// Head of a request in bytes, 8KiB to 16MiB.
    pub(super) header_bytes: Size,
    /// Fields of a request's head, each cookie and each range of `Range` counted as one; and those of its trailers.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) headers: usize,
    /// Request line in bytes, 1KiB to 64KiB: method, target and version. Over HTTP/2 it is the target's.
    pub(super) request_line: Size,
    /// Extensions of one chunk of a request's body in bytes, 1B to 16KiB; nobody uses them. All chunks of a body together have
    /// 16KiB.
    pub(super) chunk_extensions: Size,
    /// Trailers behind a chunked body of a request in bytes, 1B to 1MiB.
    pub(super) trailers: Size,
    /// What a client must send of a body whose length it has declared, and take of what waits for it: bytes per second on
    /// average, after the first 5 s. What it waits for itself does not count.
    pub(super) minimum_rate: Size,
    /// Streams of an HTTP/2 connection that the client resets, or makes the gateway reset, in any 30 s.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) resets: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 10_000,
            connections_per_client: None,
            header_bytes: Size(32 << 10),
            headers: 100,
            request_line: Size(8 << 10),
            chunk_extensions: Size(1 << 10),
            trailers: Size(8 << 10),
            minimum_rate: Size(240),
            resets: 100,
        }
    }
}
