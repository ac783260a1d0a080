//! A step of a scenario as its file says it: what changes, what is asked, what is expected. Every key is documented here.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::raw::{Endpoint, one_u32};
use crate::config::Time;

/// What happens next; what is given happens in the order of the keys here.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::kit) struct Step {
    /// What it is about, for messages.
    #[serde(default)]
    pub(in crate::author::kit) name: String,
    /// Other endpoints, all of them; what is seen of one stays with its id. May be empty.
    pub(in crate::author::kit) endpoints: Option<Vec<Endpoint>>,
    /// What the gateway says of endpoints, by id.
    #[serde(default)]
    pub(in crate::author::kit) health: BTreeMap<String, Condition>,
    /// Requests in flight at endpoints beside those of this scenario, by id; at most a million each.
    #[serde(default)]
    pub(in crate::author::kit) in_flight: BTreeMap<String, u32>,
    /// One more sample of the time that an endpoint takes to answer, by id.
    #[serde(default)]
    pub(in crate::author::kit) latency: BTreeMap<String, Time>,
    /// Bytes of bodies that go to endpoints and come from them, a second, by id.
    #[serde(default)]
    pub(in crate::author::kit) bytes_per_second: BTreeMap<String, u64>,
    /// What endpoints report of their own load, by id and by figure as ORCA writes it: `cpu_utilization`, `rps_fractional`, `eps`,
    /// `named_metrics.x`. A report counts for three minutes.
    #[serde(default)]
    pub(in crate::author::kit) reports: BTreeMap<String, BTreeMap<String, f64>>,
    /// Time passes.
    pub(in crate::author::kit) advance: Option<Time>,
    /// Fresh instances take the place of those that serve, as in a swap.
    #[serde(default)]
    pub(in crate::author::kit) swap: bool,
    /// Requests come.
    pub(in crate::author::kit) request: Option<Request>,
    /// What becomes of them.
    pub(in crate::author::kit) expect: Option<Expect>,
}

/// The gateway's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::author::kit) enum Condition {
    /// In full use.
    Healthy,
    /// No new sessions.
    Draining,
    /// Not to be used.
    Unhealthy,
}

/// Requests. In texts, `{n}` stands for the number of the request in its step, from 0.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::kit) struct Request {
    /// How many.
    #[serde(default = "one_u32")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(in crate::author::kit) times: u32,
    /// Numbers begin again after so many. Default: never.
    #[schemars(range(min = 1))]
    pub(in crate::author::kit) cycle: Option<u32>,
    /// The method.
    #[serde(default = "get")]
    pub(in crate::author::kit) method: String,
    /// Path and query.
    #[serde(default = "slash")]
    pub(in crate::author::kit) path: String,
    /// Fields.
    #[serde(default)]
    pub(in crate::author::kit) headers: BTreeMap<String, String>,
    /// Who sends it: an address.
    #[serde(default = "somebody")]
    pub(in crate::author::kit) client: String,
    /// Body.
    #[serde(default)]
    pub(in crate::author::kit) body: String,
    /// Time between two of them.
    #[serde(default = "millisecond")]
    pub(in crate::author::kit) every: Time,
    /// So many of them stay in flight; the oldest ends when one more comes.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub(in crate::author::kit) hold: u32,
    /// Time to the answer.
    #[serde(default = "millisecond")]
    pub(in crate::author::kit) latency: Time,
    /// How often an exchange may be sent: endpoints that fail are left for others.
    #[serde(default = "one_u32")]
    #[schemars(range(min = 1, max = 16))]
    pub(in crate::author::kit) attempts: u32,
    /// Endpoints that fail, by id. Default: none, and all answer 200.
    #[serde(default)]
    pub(in crate::author::kit) fails: BTreeMap<String, Fault>,
    /// Fields of the answer.
    #[serde(default)]
    pub(in crate::author::kit) answer: BTreeMap<String, String>,
}

/// How an endpoint fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::author::kit) enum Fault {
    /// It answers 503.
    ServerError,
    /// No connection.
    ConnectFailed,
    /// No answer in time.
    TimedOut,
    /// The connection breaks.
    Reset,
    /// The client goes away.
    Cancelled,
}

/// What is expected of the requests of a step.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::kit) struct Expect {
    /// What the plugin says to each of them.
    pub(in crate::author::kit) says: Option<Says>,
    /// They go to no others than these.
    #[serde(default)]
    pub(in crate::author::kit) only: Vec<String>,
    /// They go to none of these.
    #[serde(default)]
    pub(in crate::author::kit) never: Vec<String>,
    /// They go there, one after the other.
    #[serde(default)]
    pub(in crate::author::kit) order: Vec<String>,
    /// Each of these gets that part of them, 0 to 1.
    #[serde(default)]
    pub(in crate::author::kit) shares: BTreeMap<String, f64>,
    /// How far from its part in `shares` each may be.
    #[serde(default = "two_hundredths")]
    #[schemars(range(max = 1))]
    pub(in crate::author::kit) within: f64,
    /// Those of the same number go to the same endpoint.
    #[serde(default)]
    pub(in crate::author::kit) same: bool,
    /// The gateway answers each with that status: `reply` of a routing plugin, `reject` of a selecting one.
    pub(in crate::author::kit) status: Option<u16>,
    /// They go to that upstream.
    pub(in crate::author::kit) upstream: Option<String>,
    /// Each upstream gets that part of them, 0 to 1.
    #[serde(default)]
    pub(in crate::author::kit) upstream_shares: BTreeMap<String, f64>,
    /// Fields of each request after the routing hook.
    #[serde(default)]
    pub(in crate::author::kit) request_headers: BTreeMap<String, String>,
    /// Fields of each answer after the response hook; an empty text: no such field.
    #[serde(default)]
    pub(in crate::author::kit) answer_headers: BTreeMap<String, String>,
    /// Counters and gauges of the plugin afterwards.
    #[serde(default)]
    pub(in crate::author::kit) metrics: BTreeMap<String, f64>,
}

/// What a plugin says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::author::kit) enum Says {
    /// It chooses.
    Choice,
    /// It has no opinion.
    Pass,
    /// The gateway is to answer.
    Answer,
}

fn get() -> String {
    "GET".to_owned()
}

fn slash() -> String {
    "/".to_owned()
}

fn somebody() -> String {
    "192.0.2.1".to_owned()
}

fn millisecond() -> Time {
    Time(Duration::from_millis(1))
}

fn two_hundredths() -> f64 {
    0.02
}
