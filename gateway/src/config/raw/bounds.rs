//! Keys that bound traffic: what is sent once more, what a route takes, and who waits before an upstream that is full.

use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{Share, Size, Time};

/// When a request is sent once more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Retry {
    /// Attempts after the first one, each at another endpoint as long as there is one; 0: none, and plugins get none either.
    #[schemars(range(max = 10))]
    pub(in crate::config) extra_attempts: u32,
    /// After what: `connect-failure` (no endpoint got the request: the only one that holds for every method), `reset` (the
    /// connection broke before an answer), `timeout` (no answer in time), or the status of an answer, 400 to 599. All but the
    /// first only for methods that may be repeated (GET, HEAD, PUT, DELETE and their like).
    pub(in crate::config) on: Vec<RetryCause>,
    /// Of the requests that an upstream got in the last 10 to 20 seconds, at most this share is sent once more; 30 always may be.
    pub(in crate::config) budget: Share,
    /// Of one attempt, from the choice of the endpoint to the head of its answer. Default: only `timeouts` bound it.
    pub(in crate::config) per_try: Option<Time>,
    /// Bytes of a request's body that are kept, so that it can be sent once more; longer ones cannot, 1B to 16MiB.
    pub(in crate::config) body: Size,
}

impl Default for Retry {
    fn default() -> Retry {
        let on = vec![RetryCause::Unsent, RetryCause::Reset];
        Retry { extra_attempts: 1, on, budget: Share(200), per_try: None, body: Size(64 << 10) }
    }
}

/// After what a request is sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(in crate::config) enum RetryCause {
    Unsent,
    Reset,
    TimedOut,
    Status(u16),
}

impl FromStr for RetryCause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "connect-failure" => Ok(RetryCause::Unsent),
            "reset" => Ok(RetryCause::Reset),
            "timeout" => Ok(RetryCause::TimedOut),
            _ if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                let status = text.parse().ok().filter(|status| (400..600).contains(status));
                status.map(RetryCause::Status).ok_or_else(|| "only errors are, 400 to 599".to_owned())
            }
            _ => Err("it is none of these".to_owned()),
        }
    }
}

impl From<RetryCause> for String {
    fn from(cause: RetryCause) -> String {
        match cause {
            RetryCause::Unsent => "connect-failure".to_owned(),
            RetryCause::Reset => "reset".to_owned(),
            RetryCause::TimedOut => "timeout".to_owned(),
            RetryCause::Status(status) => status.to_string(),
        }
    }
}

/// What a route takes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct RouteLimits {
    /// Bytes of a request's body; beyond it 413. Default: no bound, bodies stream.
    pub(in crate::config) body: Option<Size>,
    /// Requests of one client in a time; beyond it 429. Default: no bound.
    pub(in crate::config) rate: Option<Rate>,
}

/// Requests of one client in a time, over all workers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Rate {
    /// So many, evenly.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) requests: u32,
    /// In so long.
    #[serde(default = "a_second")]
    pub(in crate::config) per: Time,
    /// So many at once, after a time without any. Default: as many as `requests`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) burst: Option<u32>,
    /// Who is one client. Requests without the header are told apart by their address.
    #[serde(default)]
    pub(in crate::config) key: RateKey,
}

fn a_second() -> Time {
    Time(Duration::from_secs(1))
}

/// Who is one client.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RateKey {
    /// By its address, of IPv6 the first 64 bits.
    Address(ByAddress),
    /// By a field of the request.
    Field(ByField),
}

impl Default for RateKey {
    fn default() -> RateKey {
        RateKey::Address(ByAddress::Client)
    }
}

/// Clients by their addresses.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum ByAddress {
    /// Its address, after trusted proxies; of IPv6 the first 64 bits.
    Client,
}

/// Clients by what they send.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ByField {
    /// The name of the field.
    pub(in crate::config) header: String,
}

/// Where requests wait before an upstream that is full, first come first served.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Queue {
    /// So many at a time, over all workers; those that come beyond get 503.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) length: u32,
    /// Each for so long; then it gets 503.
    pub(in crate::config) timeout: Time,
}

impl Default for Queue {
    fn default() -> Queue {
        Queue { length: 100, timeout: a_second() }
    }
}
