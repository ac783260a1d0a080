//! A scenario file's own shape, key by key. As with configurations, these types are the one source of what may stand in it, and
//! their comments are written for users. What comes and how much work that is has a file of its own.

mod load;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{EndpointId, Name, Share, Time};
pub(super) use load::{Arrivals, Distribution, KeyPlace, Keys, Process, Service};

/// What `sluice simulate` plays, in TOML or as the same shape in JSON. Paths of files are relative to the folder of this one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "Sluice scenario")]
pub(crate) struct File {
    /// What it shows, in a sentence; stands on the report.
    #[serde(default)]
    pub(super) title: String,
    /// Where all random numbers come from. The same seed gives the same requests to every policy.
    #[serde(default = "one")]
    pub(super) seed: u64,
    /// How long requests come, in simulated time, with the warm-up; recorded ones no longer than there are some.
    #[serde(rename = "for")]
    pub(super) lasts: Time,
    /// How long of that does not count: queues fill up first. Default: all counts.
    pub(super) warm_up: Option<Time>,
    /// When requests come.
    pub(super) arrivals: Arrivals,
    /// How long an endpoint works on a request.
    pub(super) service: Service,
    /// Whose requests they are. Default: 10000 clients that ask equally often.
    #[serde(default)]
    pub(super) keys: Keys,
    /// The way between gateways and endpoints. Default: no time.
    #[serde(default)]
    pub(super) network: Network,
    /// What gateways do about endpoints that fail.
    #[serde(default)]
    pub(super) health: Health,
    /// The gateways, each of which sees only its own requests. Default: one with one worker.
    #[serde(default)]
    pub(super) gateway: Vec<Gateway>,
    /// The endpoints.
    #[schemars(length(min = 1))]
    pub(super) endpoint: Vec<Endpoint>,
    /// What happens on the way.
    #[serde(default)]
    pub(super) change: Vec<Change>,
    /// Policies with a configuration; `--policy` names them. Without `--policy`, all of them play.
    #[serde(default)]
    pub(super) policy: Vec<Policy>,
}

/// The way between gateways and endpoints, there and back.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Network {
    /// Within a zone, and where nothing is said of zones. Default: no time.
    pub(super) within: Option<Time>,
    /// From one zone to another. Default: as within.
    pub(super) across: Option<Time>,
}

/// What gateways do about endpoints that fail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Health {
    /// How long a gateway waits for an answer.
    pub(super) response_timeout: Time,
    /// How often a request is sent once more, to another endpoint, whose endpoint was not there or broke off.
    #[schemars(range(max = 10))]
    pub(super) extra_attempts: u32,
    /// After so many requests in a row without an answer an endpoint is taken out; 0: never.
    #[schemars(range(max = 1_000_000))]
    pub(super) consecutive_failures: u32,
    /// The same for requests with an error, or without an answer; 0: never.
    #[schemars(range(max = 1_000_000))]
    pub(super) consecutive_errors: u32,
    /// How long it is out, times how often in a row that was.
    pub(super) ejected_for: Time,
    /// How often gateways check whether endpoints are there. Default: they do not.
    pub(super) check_every: Option<Time>,
    /// So many checks in a row change the verdict.
    #[schemars(range(min = 1, max = 100))]
    pub(super) checks: u32,
    /// How long an endpoint that joins or comes back takes to its full weight. Default: no time.
    pub(super) slow_start: Option<Time>,
}

impl Default for Health {
    fn default() -> Self {
        let seconds = |seconds| Time(Duration::from_secs(seconds));
        Self {
            response_timeout: seconds(30),
            extra_attempts: 1,
            consecutive_failures: 5,
            consecutive_errors: 0,
            ejected_for: seconds(10),
            check_every: None,
            checks: 2,
            slow_start: None,
        }
    }
}

/// Gateways of one kind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Gateway {
    /// How many there are.
    #[schemars(range(min = 1, max = 100))]
    pub(super) count: u32,
    /// Threads that serve, each with an instance of the policy.
    #[schemars(range(min = 1, max = 256))]
    pub(super) workers: usize,
    /// Where they stand. Default: not said.
    pub(super) zone: String,
    /// How much of the requests each gets, relative to the others.
    #[schemars(range(min = 1, max = 1_000))]
    pub(super) share: u32,
}

impl Default for Gateway {
    fn default() -> Self {
        Self { count: 1, workers: 1, zone: String::new(), share: 1 }
    }
}

/// Endpoints of one kind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Endpoint {
    /// Its name; where there are several of the kind, `-1`, `-2` and so on are appended.
    pub(super) id: EndpointId,
    /// How many there are.
    #[serde(default = "one_of_them")]
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) count: u32,
    /// How many requests one works on at a time; others wait in line.
    #[serde(default = "one_of_them")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) servers: u32,
    /// How many wait; the next ones get 503. Default: any number.
    #[schemars(range(max = 1_000_000))]
    pub(super) queue: Option<u32>,
    /// How much quicker it works than the others. Default 1.
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub(super) speed: Option<f64>,
    /// Of its answers, so many are errors, which take no time. Default: none.
    pub(super) errors: Option<Share>,
    /// What is there at the beginning.
    #[serde(default)]
    pub(super) state: State,
    /// As in configurations.
    #[serde(default = "one_of_them")]
    #[schemars(range(min = 1, max = 1000))]
    pub(super) weight: u32,
    /// As in configurations.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub(super) priority: u32,
    /// As in configurations.
    #[serde(default)]
    pub(super) zone: String,
    /// As in configurations.
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    /// As in configurations.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) max_in_flight: Option<u32>,
}

/// What is there of an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// It works.
    #[default]
    Up,
    /// It works, and is to get nothing new.
    Draining,
    /// It takes requests and answers none.
    Hangs,
    /// It does not take connections; what it had is lost.
    Down,
    /// No gateway knows of it: not yet, or not any more. What it has is finished.
    Absent,
}

/// What happens on the way. Of what is not said, nothing changes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Change {
    /// When, from the beginning.
    pub(super) at: Time,
    /// To which endpoints: their names, or those of kinds.
    #[serde(default)]
    pub(super) endpoints: Vec<EndpointId>,
    /// What is there of them.
    pub(super) state: Option<State>,
    /// How quick they are; requests in work go on as they began.
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub(super) speed: Option<f64>,
    /// How many of their answers are errors.
    pub(super) errors: Option<Share>,
    /// How much comes from here on, times what the arrivals say; of `poisson` and `bursts`.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub(super) arrivals: Option<f64>,
}

/// A policy with its configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Policy {
    /// What it is called here and in the report.
    pub(super) name: Name,
    /// A built-in plugin, or the file of one. This or `chain`.
    pub(super) plugin: Option<String>,
    /// Its configuration, as in configurations.
    #[serde(default = "no_config")]
    pub(super) config: serde_json::Value,
    /// Several plugins in order, as in an upstream's `selection`: the first that has an opinion wins.
    #[serde(default)]
    pub(super) chain: Vec<Link>,
}

/// A plugin of a chain.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Link {
    /// A built-in plugin, or the file of one.
    pub(super) plugin: String,
    /// Its configuration, as in configurations.
    #[serde(default = "no_config")]
    pub(super) config: serde_json::Value,
}

fn no_config() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

fn one() -> u64 {
    1
}

fn one_of_them() -> u32 {
    1
}
