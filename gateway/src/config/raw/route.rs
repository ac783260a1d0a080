//! Keys of routes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Retry, RouteLimits, UseHere};
use crate::config::texts::Name;
use crate::config::units::Time;

/// A rule for requests, and what happens to those that fit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Route {
    /// Its name, in logs and metrics.
    pub(in crate::config) name: Name,
    /// Which requests; all parts must fit. Default: every request.
    #[serde(default, rename = "match")]
    pub(in crate::config) matcher: Match,
    /// Plugins that may choose another upstream, edit the request or answer it; the first that does not pass wins.
    #[serde(default)]
    pub(in crate::config) routing: Vec<UseHere>,
    /// The upstream that requests go to if no routing plugin says otherwise.
    pub(in crate::config) upstream: String,
    /// Upstreams that routing plugins may choose besides.
    #[serde(default)]
    pub(in crate::config) upstreams: Vec<String>,
    /// How a request is changed before it is sent.
    #[serde(default)]
    pub(in crate::config) rewrite: Rewrite,
    /// Plugins that see, and may edit, what the client gets back; asked from last to first.
    #[serde(default)]
    pub(in crate::config) response: Vec<UseHere>,
    /// Protocols that clients may change to, by an upgrade of HTTP/1.1 or by extended CONNECT of HTTP/2. Others are not passed on.
    #[serde(default = "websocket")]
    pub(in crate::config) upgrades: Vec<String>,
    /// When a request is sent once more, and how often.
    #[serde(default)]
    pub(in crate::config) retry: Retry,
    /// What requests may bring, and how many may come.
    #[serde(default)]
    pub(in crate::config) limits: RouteLimits,
    /// Names this gateway in the field `Via` of answers, as it is named in that of requests.
    #[serde(default)]
    pub(in crate::config) via: bool,
    /// This route's own bounds in time; what is not given is as in `[timeouts]`.
    #[serde(default)]
    pub(in crate::config) timeouts: RouteTimeouts,
}

fn websocket() -> Vec<String> {
    vec!["websocket".to_owned()]
}

/// Which requests fit a route.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Match {
    /// Host names without port, any of them: `app.example.com`, or `*.example.com` for all names below. Default: every host.
    #[schemars(length(min = 1))]
    pub(in crate::config) hosts: Option<Vec<String>>,
    /// The path: `/login`, or `/api/*` for `/api` and all below it. Default: every path.
    pub(in crate::config) path: Option<String>,
    /// Methods, any of them, in their own case. Default: every method.
    #[schemars(length(min = 1))]
    pub(in crate::config) methods: Option<Vec<String>>,
    /// Header fields and their exact values, all of them.
    pub(in crate::config) headers: BTreeMap<String, String>,
}

/// How a request is changed before it is sent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Rewrite {
    /// Cut from the front of the path: with `/api`, `/api/users` is sent as `/users`.
    pub(in crate::config) strip_prefix: Option<String>,
}

/// A route's own bounds in time. Default: those of `[timeouts]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct RouteTimeouts {
    /// TCP connection to an endpoint, and TLS with it.
    pub(in crate::config) connect: Option<Time>,
    /// From the request to the head of the endpoint's response.
    pub(in crate::config) response_header: Option<Time>,
    /// From the request to the head of the answer, over all attempts and waits; begins anew while the client still sends.
    pub(in crate::config) total: Option<Time>,
    /// A body or upgraded stream on which nothing moves.
    pub(in crate::config) stream_idle: Option<Time>,
}
