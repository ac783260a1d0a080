//! Keys of an upstream whose members are found elsewhere, and the list that files and services answer with.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Endpoint, UpstreamTls};
use crate::config::units::Time;

/// Where an upstream's members are found: exactly one of the sources.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Discover {
    /// A file with `endpoints = [...]` as here, in TOML, or in JSON if its name ends in `.json`, where the list alone will do. It is
    /// watched.
    pub(in crate::config) file: Option<PathBuf>,
    /// The DNS: addresses of a name, or its SRV records.
    pub(in crate::config) dns: Option<Dns>,
    /// A service that answers with a list of endpoints in JSON.
    pub(in crate::config) http: Option<Http>,
    /// Consul: the instances of a service, with their health.
    pub(in crate::config) consul: Option<Consul>,
    /// How long the gateway waits for the first answer when it starts. Then it serves all the same, and answers 503 where nobody is
    /// known.
    #[serde(default = "wait")]
    pub(in crate::config) wait: Time,
}

fn wait() -> Time {
    Time(Duration::from_secs(5))
}

/// What the DNS is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Dns {
    /// A name whose addresses are the members, or with SRV records, as in `_http._tcp.app.internal`. One that ends in a dot is whole.
    pub(in crate::config) name: String,
    /// The port of all members. Default: SRV records are asked for, which name ports, weights and priorities.
    #[schemars(range(min = 1, max = 65_535))]
    pub(in crate::config) port: Option<u16>,
    /// Who is asked: IP addresses, with a port or without. Default: the servers that this system asks.
    #[serde(default)]
    pub(in crate::config) servers: Vec<String>,
    /// Which addresses are wanted.
    #[serde(default)]
    pub(in crate::config) families: Families,
    /// An answer holds for so long at least, whatever its TTL is; it is not asked more often either when requests fail.
    #[serde(default = "second")]
    pub(in crate::config) least_ttl: Time,
    /// An answer holds for so long at most.
    #[serde(default = "minutes")]
    pub(in crate::config) most_ttl: Time,
}

fn second() -> Time {
    Time(Duration::from_secs(1))
}

fn minutes() -> Time {
    Time(Duration::from_secs(300))
}

/// Kinds of addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Families {
    /// All there are.
    #[default]
    Any,
    /// A records.
    Ipv4,
    /// AAAA records.
    Ipv6,
}

/// Who is asked for a list, and how often.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Http {
    /// Where the list is: `[{ "address": "10.0.0.1:8080" }]`, with the keys of `endpoints`. An `ETag` spares what has not changed.
    pub(in crate::config) url: String,
    /// Between two questions.
    #[serde(default = "interval")]
    pub(in crate::config) interval: Time,
    /// For the head of an answer, and for its body.
    #[serde(default = "wait")]
    pub(in crate::config) timeout: Time,
    /// File with a token that is shown as `Authorization: Bearer …`. Default: none is.
    pub(in crate::config) token_file: Option<PathBuf>,
    /// Who is believed, with `https`. Default: the authorities that this system knows.
    pub(in crate::config) tls: Option<UpstreamTls>,
}

fn interval() -> Time {
    Time(Duration::from_secs(10))
}

/// What Consul is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Consul {
    /// The service.
    pub(in crate::config) service: String,
    /// Where Consul is.
    #[serde(default = "agent")]
    pub(in crate::config) url: String,
    /// Only instances that have all of these.
    #[serde(default)]
    pub(in crate::config) tags: Vec<String>,
    /// Default: that of the agent.
    pub(in crate::config) datacenter: Option<String>,
    /// Who may answer: `default` (the leader, most likely), `stale` (any server) or `consistent` (the leader, once it knows for sure).
    #[serde(default)]
    pub(in crate::config) consistency: Consistency,
    /// File with a token of Consul's access control. Default: none is shown.
    pub(in crate::config) token_file: Option<PathBuf>,
    /// Who is believed, with `https`. Default: the authorities that this system knows.
    pub(in crate::config) tls: Option<UpstreamTls>,
}

fn agent() -> String {
    "http://127.0.0.1:8500".to_owned()
}

/// How fresh Consul's answers are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum Consistency {
    #[default]
    Default,
    Stale,
    Consistent,
}

/// A list of endpoints, with a name around it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Endpoints {
    /// Members of an upstream, as in the configuration; there may be none.
    pub(in crate::config) endpoints: Vec<Endpoint>,
}
