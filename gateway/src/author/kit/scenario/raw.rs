//! A scenario as its file says it: what stands around the plugin, and what the plugin promises. Every key is documented here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::step::Step;
use crate::config::{Share, Size, Time};

/// A scenario file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::kit) struct Scenario {
    /// The plugin's configuration, as in a use. Default: empty.
    #[serde(default)]
    pub(in crate::author::kit) config: Map<String, Value>,
    /// What all randomness comes from.
    #[serde(default = "one")]
    pub(in crate::author::kit) seed: u64,
    /// Workers of the gateway; requests go to them in turn.
    #[serde(default = "one_u32")]
    #[schemars(range(min = 1, max = 64))]
    pub(in crate::author::kit) workers: u32,
    /// The gateway's `hash-seed`.
    #[serde(default)]
    pub(in crate::author::kit) hash_seed: u64,
    /// Where the gateway stands. Default: not said.
    #[serde(default)]
    pub(in crate::author::kit) zone: String,
    /// What an instance may use up.
    #[serde(default)]
    pub(in crate::author::kit) limits: Limits,
    /// The upstreams that a routing plugin may choose from, the route's own first. Default: one, `app`.
    #[serde(default)]
    pub(in crate::author::kit) upstreams: Vec<String>,
    /// The endpoints of the upstream. Default: `a`, `b` and `c`, all alike.
    #[serde(default)]
    pub(in crate::author::kit) endpoint: Vec<Endpoint>,
    /// What the policy promises beyond what every plugin must keep.
    #[serde(default)]
    pub(in crate::author::kit) claims: Claims,
    /// What happens, in order.
    #[serde(default)]
    pub(in crate::author::kit) step: Vec<Step>,
}

/// What an instance may use up.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::kit) struct Limits {
    /// Linear memory. Default: that of a configuration, 64MiB.
    pub(in crate::author::kit) memory: Option<Size>,
    /// CPU time of a call. Default: that of a configuration, 5ms.
    pub(in crate::author::kit) deadline: Option<Time>,
}

/// An endpoint.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::kit) struct Endpoint {
    /// Its id.
    pub(in crate::author::kit) id: String,
    /// Host and port. Default: its id, and port 80.
    pub(in crate::author::kit) address: Option<String>,
    /// Its share of requests relative to the others'.
    #[serde(default = "one_u32")]
    #[schemars(range(min = 1, max = 1000))]
    pub(in crate::author::kit) weight: u32,
    /// Its group; 0 is the first choice.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub(in crate::author::kit) priority: u32,
    /// Where it stands. Default: not said.
    #[serde(default)]
    pub(in crate::author::kit) zone: String,
    /// Facts for plugins.
    #[serde(default)]
    pub(in crate::author::kit) labels: BTreeMap<String, String>,
    /// Requests at a time. Default: no bound.
    #[schemars(range(min = 1))]
    pub(in crate::author::kit) max_in_flight: Option<u32>,
}

/// What a policy promises.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::kit) struct Claims {
    /// Over many requests, no endpoint's share is further from its weight's than this.
    pub(in crate::author::kit) weights: Option<Share>,
    /// The same key goes to the same endpoint, and few keys move when endpoints come or go.
    pub(in crate::author::kit) affinity: Option<Affinity>,
    /// A client stays where it is as long as that endpoint may be used, and goes elsewhere when it may not.
    pub(in crate::author::kit) sticky: Option<Sticky>,
    /// Every endpoint that may be used gets a request now and then.
    #[serde(default)]
    pub(in crate::author::kit) explores: bool,
    /// A retry goes to an endpoint that was not tried while there is one.
    #[serde(default)]
    pub(in crate::author::kit) retries: bool,
    /// After a swap in the middle, it decides as if there had been none.
    #[serde(default)]
    pub(in crate::author::kit) continues: bool,
}

/// Where the key of a request is; one of them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::kit) struct Affinity {
    /// In the client's address.
    #[serde(default)]
    pub(in crate::author::kit) client_ip: bool,
    /// In the first field of that name.
    pub(in crate::author::kit) header: Option<String>,
    /// In the cookie of that name.
    pub(in crate::author::kit) cookie: Option<String>,
    /// In the query parameter of that name.
    pub(in crate::author::kit) query_param: Option<String>,
}

/// How a client is known.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::author::kit) struct Sticky {
    /// By the cookie of that name, which the endpoints set. Default: by those that the plugin sets.
    pub(in crate::author::kit) backend_cookie: Option<String>,
}

fn one() -> u64 {
    1
}

pub(super) fn one_u32() -> u32 {
    1
}
