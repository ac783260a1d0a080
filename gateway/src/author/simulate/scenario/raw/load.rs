//! Keys of arrivals, of the work that requests are, and of whose they are.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Share, Time};

/// When requests come.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::simulate::scenario) struct Arrivals {
    /// By which rule.
    #[serde(default)]
    pub(in crate::author::simulate::scenario) process: Process,
    /// How much comes, as a part of what all endpoints together can take: 0.9 leaves a tenth of them idle. Each is a run of its
    /// own. For `poisson` and `bursts`.
    #[serde(default)]
    #[schemars(inner(range(min = 0.001, max = 10.0)))]
    pub(in crate::author::simulate::scenario) load: Vec<f64>,
    /// The same in requests a second.
    #[serde(default)]
    #[schemars(inner(range(min = 0.001, max = 10_000_000.0)))]
    pub(in crate::author::simulate::scenario) rate: Vec<f64>,
    /// For `bursts`: how much more comes in a burst than between two. Default 5.
    #[schemars(range(min = 1.0, max = 1000.0))]
    pub(in crate::author::simulate::scenario) burst: Option<f64>,
    /// For `bursts`: how long one lasts. Default 1s.
    pub(in crate::author::simulate::scenario) burst_for: Option<Time>,
    /// For `bursts`: from the beginning of one to that of the next. Default 10s.
    pub(in crate::author::simulate::scenario) burst_every: Option<Time>,
    /// For `closed`: how many clients there are, each of which waits for its answer; each number is a run of its own.
    #[serde(default)]
    #[schemars(inner(range(min = 1, max = 1_000_000)))]
    pub(in crate::author::simulate::scenario) clients: Vec<u32>,
    /// For `closed`: how long a client thinks before it asks again, on average. Default: not at all.
    pub(in crate::author::simulate::scenario) think: Option<Time>,
    /// For `recorded`, and for `service.time = "recorded"`: the gateway's access log in JSON, a line each.
    pub(in crate::author::simulate::scenario) log: Option<PathBuf>,
    /// For `recorded`: how much quicker it is played than it was recorded; each is a run of its own. Default 1.
    #[serde(default)]
    #[schemars(inner(range(min = 0.001, max = 1000.0)))]
    pub(in crate::author::simulate::scenario) speed: Vec<f64>,
}

/// By which rule requests come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::author::simulate::scenario) enum Process {
    /// Of many clients that know nothing of each other.
    #[default]
    Poisson,
    /// The same, at times much more of them.
    Bursts,
    /// Of a number of clients, each of which waits for its answer before it asks again.
    Closed,
    /// As they came once.
    Recorded,
}

/// How long an endpoint works on a request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::simulate::scenario) struct Service {
    /// By which distribution.
    #[serde(default)]
    pub(in crate::author::simulate::scenario) time: Distribution,
    /// On average, at an endpoint of speed 1. Not for `recorded`.
    pub(in crate::author::simulate::scenario) mean: Option<Time>,
    /// For `log-normal`: standard deviation by mean. Default 1.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub(in crate::author::simulate::scenario) spread: Option<f64>,
    /// For `pareto`: the exponent of the tail, the smaller, the heavier. Default 2.
    #[schemars(range(min = 1.01, max = 100.0))]
    pub(in crate::author::simulate::scenario) tail: Option<f64>,
}

/// A distribution of times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::author::simulate::scenario) enum Distribution {
    /// All alike.
    Constant,
    /// As waiting for something that may happen at any time.
    #[default]
    Exponential,
    /// Most near the middle, a few much longer.
    LogNormal,
    /// A heavy tail: now and then one that takes very long.
    Pareto,
    /// Those of the access log: each request's own where arrivals are recorded too, else drawn from all.
    Recorded,
}

/// Whose requests they are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::simulate::scenario) struct Keys {
    /// How many there are.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::author::simulate::scenario) count: u32,
    /// By how much a popular one comes more often: the n-th most popular one as often as 1 / n to the power of this (Zipf). Default:
    /// all alike.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub(in crate::author::simulate::scenario) zipf: Option<f64>,
    /// Where it stands in a request.
    #[serde(rename = "in")]
    pub(in crate::author::simulate::scenario) place: KeyPlace,
    /// For `header`, `cookie` and `query-param`: its name. Default `key`.
    pub(in crate::author::simulate::scenario) name: Option<String>,
    /// What endpoints keep of keys that they have seen. Default: nothing.
    pub(in crate::author::simulate::scenario) cache: Option<Cache>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { count: 10_000, zipf: None, place: KeyPlace::ClientIp, name: None, cache: None }
    }
}

/// Where a key stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::author::simulate::scenario) enum KeyPlace {
    /// The client's address.
    ClientIp,
    /// The path.
    Path,
    /// A header.
    Header,
    /// A cookie.
    Cookie,
    /// A parameter of the query.
    QueryParam,
}

/// What an endpoint keeps of keys that it has seen.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::simulate::scenario) struct Cache {
    /// The keys that one endpoint keeps; the least recently used goes first.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::author::simulate::scenario) keys: usize,
    /// What a request takes whose key is there, as a share of its time.
    pub(in crate::author::simulate::scenario) hit: Share,
}
