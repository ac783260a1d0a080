//! An exchange recorded whole, where an operator asks for that: what each hook was told, what it has seen of what changes beside
//! it (cells, store, endpoints), and what it said. From it the same components give the same decision again, whatever has become
//! of the gateway since. What a plugin keeps in the memory of its instance is no part of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What stands in place of a secret.
pub const MASK: &str = "**masked**";

/// An exchange, as far as plugins have to do with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Values of cookies and of fields that prove who somebody is are left out.
    pub masked: bool,
    /// What came in.
    pub request: Request,
    /// What the routing chain said, in order.
    pub routing: Vec<Call>,
    /// Each time that an endpoint was chosen.
    pub rounds: Vec<Round>,
    /// Each time that response hooks were asked.
    pub answers: Vec<Answer>,
}

/// A request as routes and plugins get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// As sent.
    pub method: String,
    /// `1.0`, `1.1` or `2`.
    pub version: String,
    /// As the client spoke, to this gateway or a trusted proxy before it.
    pub scheme: String,
    /// Host and port.
    pub authority: String,
    /// Path in normal form, and query.
    pub target: String,
    /// Names and values; of bytes beyond ASCII each is the character of that number.
    pub headers: Vec<(String, String)>,
    /// The client, after trusted proxies.
    pub client: IpAddr,
    /// The other end of its connection.
    pub peer: IpAddr,
    /// From the TLS handshake.
    #[serde(default)]
    pub server_name: Option<String>,
    /// The beginning of its body, as far as a routing plugin wanted to see it; Base64.
    #[serde(default)]
    pub body: String,
    /// That is all of it.
    #[serde(default)]
    pub body_complete: bool,
}

impl Default for Request {
    fn default() -> Self {
        let nobody = IpAddr::from([0, 0, 0, 0]);
        Self {
            method: "GET".to_owned(),
            version: "1.1".to_owned(),
            scheme: "http".to_owned(),
            authority: String::new(),
            target: "/".to_owned(),
            headers: Vec::new(),
            client: nobody,
            peer: nobody,
            server_name: None,
            body: String::new(),
            body_complete: true,
        }
    }
}

/// A hook that was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The use.
    pub r#use: String,
    /// Its plugin.
    pub plugin: String,
    /// Of the plugin's version, 12 digits.
    pub digest: String,
    /// `routing`, `selection` or `response`.
    pub hook: String,
    /// The random number that it was told, 16 hexadecimal digits.
    pub random: String,
    /// The time that it was told, microseconds since 1970.
    pub now_us: u64,
    /// The key of the request by its sources, 16 hexadecimal digits; null: none, or it wants none.
    pub key: Option<String>,
    /// `pass`, `chose`, `answered`, `retry`, `failed`.
    pub said: String,
    /// The upstream or endpoint that it chose, the status that it answered with, the kind of its failure; null: nothing of that.
    pub what: Option<String>,
    /// What it changed in the head at hand.
    pub edits: Vec<Edit>,
    /// What it saw of what changes by itself.
    pub seen: Seen,
}

/// A change of a head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// A field, `:path` or `:status`.
    pub name: String,
    /// All its values before; empty: it was not there.
    pub before: Vec<String>,
    /// All its values after; empty: it is not there.
    pub after: Vec<String>,
}

/// What a call saw, each in the order in which it looked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Seen {
    /// Values of cells by their names, each as it was just before the plugin read or changed it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cells: BTreeMap<String, Vec<i64>>,
    /// Entries of the store by their keys; null: none there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub entries: BTreeMap<String, Vec<Option<Entry>>>,
    /// Whether a conditional write to that key was made.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub written: BTreeMap<String, Vec<bool>>,
    /// Requests in flight by endpoint.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub in_flight: BTreeMap<String, Vec<u32>>,
    /// Latency by endpoint, microseconds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub latency_us: BTreeMap<String, Vec<u32>>,
    /// What an endpoint's answers bring, bytes per second, by endpoint.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub bytes_per_second: BTreeMap<String, Vec<u64>>,
    /// Load that endpoints have reported, by endpoint; null: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reports: BTreeMap<String, Vec<Option<Report>>>,
    /// Figures of it, by `endpoint figure`; null: not said.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub named: BTreeMap<String, Vec<Option<String>>>,
    /// Healthy endpoints by upstream.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub healthy: BTreeMap<String, Vec<u32>>,
    /// What was in sealed tokens, Base64, by a digest of the token, or the mask; null: nothing good.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub opened: BTreeMap<String, Vec<Option<String>>>,
}

/// Load that an endpoint has reported. Shares and rates are texts, since numbers of JSON lose a digit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// How old it was.
    pub age_us: u64,
    /// How long it had reported without a pause.
    pub steady_us: u64,
    /// A share, as the next two.
    pub cpu: String,
    /// See `cpu`.
    pub memory: String,
    /// See `cpu`.
    pub utilization: String,
    /// As the next one.
    pub requests_per_second: String,
    /// Of those, the ones that failed.
    pub errors_per_second: String,
}

/// An entry of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Base64.
    pub value: String,
    /// For conditional writes.
    pub version: u64,
}

/// An endpoint as a selection chain found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// `healthy`, `degraded`, `draining`, `unhealthy`.
    pub health: String,
    /// What it takes of its weight, per mille.
    pub warm_up: u32,
    /// Requests in flight.
    pub in_flight: u32,
    /// Microseconds; null: nothing is known.
    pub latency_us: Option<u32>,
}

/// An endpoint is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// Of that upstream.
    pub upstream: String,
    /// Its endpoints.
    pub members: Vec<Member>,
    /// Those that this exchange has tried, by id.
    pub tried: Vec<String>,
    /// What the selection chain said, in order.
    pub calls: Vec<Call>,
    /// Random numbers of the gateway's own choice, 16 hexadecimal digits each.
    pub draws: Vec<String>,
    /// Who was chosen; null: nobody.
    pub endpoint: Option<String>,
    /// By whom: a use, or `fallback`.
    pub chosen_by: String,
}

/// Response hooks are asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Of the answer, before they were.
    pub status: u16,
    /// Its fields.
    pub headers: Vec<(String, String)>,
    /// Who answered; null: the gateway.
    pub endpoint: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// From the choice to the head of the answer.
    pub upstream_us: u64,
    /// What they said, in order.
    pub calls: Vec<Call>,
}
