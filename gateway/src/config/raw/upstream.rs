//! Keys of upstreams and their endpoints.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::discover::Discover;
use super::health::{Ejection, Health};
use super::{Queue, ReportedLoad, UseHere};
use crate::config::texts::{EndpointAddress, EndpointId, Name};
use crate::config::units::Time;

/// A named group of endpoints.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Upstream {
    /// Its name, in routes, logs and metrics.
    pub(in crate::config) name: Name,
    /// What its endpoints speak. `h2` is by ALPN over TLS and by prior knowledge without; `auto`, only with `tls`, is what they choose
    /// by ALPN.
    #[serde(default)]
    pub(in crate::config) protocol: UpstreamProtocol,
    /// TLS to its endpoints; without it, connections are plain TCP. `{}` takes all defaults.
    pub(in crate::config) tls: Option<UpstreamTls>,
    /// Begins each connection with the client's address (PROXY protocol); it then carries one request only. Default: not said.
    pub(in crate::config) send_proxy_protocol: Option<ProxyProtocol>,
    /// Plugins that choose an endpoint; the first that does not pass wins. Where none does, and in an empty list, the
    /// gateway draws one by weight. Default: `round-robin`.
    pub(in crate::config) selection: Option<Vec<UseHere>>,
    /// Its members; this or `discover` is required.
    #[schemars(length(min = 1))]
    pub(in crate::config) endpoints: Option<Vec<Endpoint>>,
    /// Where its members are found, in place of `endpoints`; they may change at any time.
    pub(in crate::config) discover: Option<Discover>,
    /// Connections that are kept.
    #[serde(default)]
    pub(in crate::config) pool: Pool,
    /// Requests at a time over all endpoints. Default: no bound.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) max_in_flight: Option<u32>,
    /// Where requests wait while the upstream or all of its endpoints have as many as they may. Default: they get 503 at once.
    pub(in crate::config) queue: Option<Queue>,
    /// How endpoints are asked whether they may be used. Default: they are not.
    pub(in crate::config) health: Option<Health>,
    /// How endpoints report their own load. Default: what they say of it passes by.
    pub(in crate::config) reported_load: Option<ReportedLoad>,
    /// When an endpoint is taken out for what requests meet there.
    #[serde(default)]
    pub(in crate::config) ejection: Ejection,
    /// How long an endpoint that joins or comes back takes to its full weight, from a tenth on. Default: no time.
    pub(in crate::config) slow_start: Option<Time>,
    /// What to do when no endpoint may be chosen.
    #[serde(default)]
    pub(in crate::config) when_all_bad: WhenAllBad,
}

/// What endpoints speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub(in crate::config) enum UpstreamProtocol {
    #[default]
    #[serde(rename = "http/1.1")]
    Http1,
    #[serde(rename = "h2")]
    H2,
    #[serde(rename = "auto")]
    Auto,
}

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum ProxyProtocol {
    /// Version 2, which is binary.
    V2,
}

/// TLS towards endpoints. They are always verified.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct UpstreamTls {
    /// The name that their certificates must be for, and that they are asked for (SNI). Default: the host in each one's address.
    pub(in crate::config) server_name: Option<String>,
    /// PEM file with the authorities that may have signed their certificates, or with those certificates themselves. Default: the
    /// authorities that this system knows.
    pub(in crate::config) ca: Option<PathBuf>,
    /// PEM file with the chain that the gateway shows endpoints which ask for a certificate (mutual TLS). Default: none.
    pub(in crate::config) certificate: Option<PathBuf>,
    /// PEM file with its private key; only with `certificate`.
    pub(in crate::config) key: Option<PathBuf>,
}

/// One member of an upstream.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Endpoint {
    /// Stable identity; hashes and sticky sessions hold on to it. Default: its address.
    pub(in crate::config) id: Option<EndpointId>,
    /// Host and port.
    pub(in crate::config) address: EndpointAddress,
    /// Its share of requests relative to the others', 1 to 1000.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub(in crate::config) weight: u32,
    /// Group for plugins that fail over; 0 is the first choice.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub(in crate::config) priority: u32,
    /// Where it stands. Default: not said.
    #[serde(default)]
    pub(in crate::config) zone: String,
    /// Facts for plugins.
    #[serde(default)]
    pub(in crate::config) labels: BTreeMap<String, String>,
    /// Requests at a time. Default: no bound.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) max_in_flight: Option<u32>,
    /// Whether it gets new sessions.
    #[serde(default)]
    pub(in crate::config) state: EndpointState,
}

fn one() -> u32 {
    1
}

/// Whether an endpoint gets new sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum EndpointState {
    /// It takes part.
    #[default]
    Active,
    /// It finishes what it has, and gets no new sessions.
    Draining,
}

/// Connections to endpoints that are kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Pool {
    /// Idle connections kept for each endpoint, over all workers.
    #[schemars(range(max = 65_536))]
    pub(in crate::config) idle_per_endpoint: usize,
}

impl Default for Pool {
    fn default() -> Pool {
        Pool { idle_per_endpoint: 32 }
    }
}

/// What to do when no endpoint may be chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum WhenAllBad {
    /// Choose among all.
    #[default]
    UseAll,
    /// Answer 503.
    Refuse,
}
