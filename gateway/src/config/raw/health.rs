//! Keys of an upstream that say when its endpoints may be used.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::statuses::{Factor, StatusRange};
use crate::config::units::{Share, Time};

/// How endpoints are asked whether they may be used.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Health {
    /// What an endpoint is asked.
    pub(in crate::config) kind: CheckKind,
    /// With `kind = "http"`: path and query that are asked for with `GET`. Default: `/`.
    pub(in crate::config) path: Option<String>,
    /// With `kind = "http"` or `"grpc"`: the `Host` of the request. Default: the endpoint's address.
    pub(in crate::config) host: Option<String>,
    /// With `kind = "http"`: the statuses that are good. Default: `["200-299"]`.
    #[schemars(length(min = 1))]
    pub(in crate::config) status: Option<Vec<StatusRange>>,
    /// With `kind = "http"`: a text that the first 64 KiB of the answer's body must have in them. Default: none.
    pub(in crate::config) body: Option<String>,
    /// With `kind = "grpc"`: the service whose health is asked for. Default: that of the server as a whole.
    pub(in crate::config) service: Option<String>,
    /// The port that is asked. Default: the endpoint's own.
    #[schemars(range(min = 1, max = 65_535))]
    pub(in crate::config) port: Option<u16>,
    /// From one check of an endpoint to the next. The first one is made at once.
    pub(in crate::config) interval: Time,
    /// The interval is so much longer or shorter at most, by chance, so that checks do not come in swarms.
    pub(in crate::config) jitter: Share,
    /// For all of a check: connection, answer, body.
    pub(in crate::config) timeout: Time,
    /// Good checks in a row after which an endpoint is used again. The first of all counts alone.
    #[schemars(range(min = 1, max = 1_000))]
    pub(in crate::config) healthy_after: u32,
    /// Bad checks in a row after which it is used no more. The first of all counts alone.
    #[schemars(range(min = 1, max = 1_000))]
    pub(in crate::config) unhealthy_after: u32,
}

impl Default for Health {
    fn default() -> Health {
        Health {
            kind: CheckKind::Http,
            path: None,
            host: None,
            status: None,
            body: None,
            service: None,
            port: None,
            interval: Time(Duration::from_secs(2)),
            jitter: Share(100),
            timeout: Time(Duration::from_secs(1)),
            healthy_after: 2,
            unhealthy_after: 3,
        }
    }
}

/// What an endpoint is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum CheckKind {
    /// A request, whose answer must be as expected.
    Http,
    /// A connection.
    Tcp,
    /// The standard health service of gRPC, `grpc.health.v1.Health`.
    Grpc,
}

/// When an endpoint is taken out for what requests meet there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Ejection {
    /// After so many requests in a row without an answer: no connection, none in time, broken off, or nonsense; 0: never.
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) consecutive_failures: u32,
    /// After so many requests in a row with an error, or without an answer; 0: never.
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) consecutive_errors: u32,
    /// The statuses that are errors, for `consecutive-errors` and `success-rate`. Default: `["500-599"]`.
    #[schemars(length(min = 1))]
    pub(in crate::config) error_status: Option<Vec<StatusRange>>,
    /// When its answers are worse than the others'. Default: that is not compared.
    pub(in crate::config) success_rate: Option<SuccessRate>,
    /// For so long; the second time in a row twice as long, and so on. Each such time that goes well makes it one less.
    #[serde(rename = "for")]
    pub(in crate::config) period: Time,
    /// For so long at most.
    pub(in crate::config) longest: Time,
    /// Of the endpoints at most this share; of two or more, one may always go.
    pub(in crate::config) at_most: Share,
}

impl Default for Ejection {
    fn default() -> Ejection {
        Ejection {
            consecutive_failures: 5,
            consecutive_errors: 0,
            error_status: None,
            success_rate: None,
            period: Time(Duration::from_secs(10)),
            longest: Time(Duration::from_secs(300)),
            at_most: Share(500),
        }
    }
}

/// When an endpoint's answers are worse than the others': its share of good ones is far below their mean.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct SuccessRate {
    /// Between two comparisons.
    pub(in crate::config) interval: Time,
    /// Only among so many endpoints that had enough requests.
    #[schemars(range(min = 2, max = 100_000))]
    pub(in crate::config) endpoints: usize,
    /// So many requests in an interval are enough.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) requests: u32,
    /// How many standard deviations below the mean is too far. Of n endpoints none is ever further than the root of n - 1.
    pub(in crate::config) deviations: Factor,
}

impl Default for SuccessRate {
    fn default() -> SuccessRate {
        SuccessRate { interval: Time(Duration::from_secs(10)), endpoints: 5, requests: 100, deviations: Factor(1900) }
    }
}
