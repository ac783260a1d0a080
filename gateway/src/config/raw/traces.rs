//! Keys of what is told of exchanges to a collector of traces.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{Share, Time};

/// Traces for a collector of OpenTelemetry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Traces {
    /// Where they are sent: OTLP over HTTP, in its binary form. Without a path it is `/v1/traces`.
    pub(in crate::config) endpoint: CollectorUrl,
    /// Header fields that go with them. What nobody is to read stands in `header-files` instead.
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<String, String>,
    /// The same, each value the content of a file, without white space at its end.
    #[serde(default)]
    pub(in crate::config) header_files: BTreeMap<String, PathBuf>,
    /// With `https`: PEM file with the authorities that may have signed the collector's certificate, or with that certificate
    /// itself. Default: the authorities that this system knows.
    pub(in crate::config) ca: Option<PathBuf>,
    /// Of the exchanges whose trace begins here, so many are told of.
    #[serde(default = "sample")]
    pub(in crate::config) sample: Share,
    /// Whose `traceparent` is gone on with, and whose word on whether to tell of it is taken.
    #[serde(default)]
    pub(in crate::config) parent: TraceParent,
    /// What the gateway calls itself there.
    #[serde(default = "service_name")]
    pub(in crate::config) service_name: String,
    /// What else is said of it, as `deployment.environment.name`.
    #[serde(default)]
    pub(in crate::config) resource: BTreeMap<String, String>,
    /// Spans that wait to be sent, over all workers; what comes beyond is left out and counted. An exchange has one, and one for each
    /// call of a plugin and each attempt.
    #[serde(default = "queue")]
    #[schemars(range(min = 128, max = 1_000_000))]
    pub(in crate::config) queue: u32,
    /// How long they wait for others to be sent with.
    #[serde(default = "interval")]
    pub(in crate::config) interval: Time,
    /// For one request to the collector, connection and answer.
    #[serde(default = "timeout")]
    pub(in crate::config) timeout: Time,
}

fn sample() -> Share {
    Share(10)
}

fn service_name() -> String {
    "sluice".to_owned()
}

fn queue() -> u32 {
    4_096
}

fn interval() -> Time {
    Time(Duration::from_secs(1))
}

fn timeout() -> Time {
    Time(Duration::from_secs(10))
}

/// Whose word on a trace is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum TraceParent {
    /// That of the listener's `trusted-proxies`. Others could have everything told of.
    #[default]
    Trusted,
    /// Everybody's.
    All,
    /// Nobody's: each exchange begins a trace.
    None,
}

/// Where a collector is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct CollectorUrl {
    /// Over TLS.
    pub(in crate::config) secure: bool,
    /// Host, and port where it is not the usual one.
    pub(in crate::config) authority: String,
    /// Host and port.
    pub(in crate::config) address: String,
    /// Path and query.
    pub(in crate::config) target: String,
}

impl FromStr for CollectorUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url: Uri = text.parse().map_err(|_| "it is no URL".to_owned())?;
        let (secure, usual) = match url.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err("it must begin with http:// or https://".to_owned()),
        };
        let authority = url.authority().ok_or("it has no host")?;
        if authority.as_str().contains('@') {
            return Err("who asks is said by `headers` or `header-files`".to_owned());
        }
        if text.contains('#') {
            return Err("a fragment means nothing there".to_owned());
        }
        let port = match (authority.port(), authority.as_str().rsplit_once(':')) {
            (Some(port), _) => port.as_str().parse::<u16>().ok().filter(|port| *port > 0),
            (None, Some((_, after))) if !after.ends_with(']') => None,
            (None, _) => Some(usual),
        };
        let port = port.ok_or("its port is none, 1 to 65535")?;
        let target = match url.path_and_query().map_or("/", |target| target.as_str()) {
            "/" => "/v1/traces",
            target => target,
        };
        let address = format!("{}:{port}", authority.host());
        Ok(Self { secure, authority: authority.as_str().to_owned(), address, target: target.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_url() {
        let cases = [
            ("http://a", false, "a", "a:80", "/v1/traces"),
            ("https://a/", true, "a", "a:443", "/v1/traces"),
            ("http://[::1]:4318/x?y", false, "[::1]:4318", "[::1]:4318", "/x?y"),
            ("https://[::1]", true, "[::1]", "[::1]:443", "/v1/traces"),
        ];
        for (text, secure, authority, address, target) in cases {
            let [authority, address, target] = [authority, address, target].map(str::to_owned);
            assert_eq!(text.parse(), Ok(CollectorUrl { secure, authority, address, target }), "{text}");
        }
        let begins = "it must begin with http:// or https://";
        let wrong = [
            ("collector:4318", begins),
            ("grpc://a", begins),
            ("/v1/traces", begins),
            ("http://", "it is no URL"),
            ("http://u:p@a", "who asks is said by `headers` or `header-files`"),
            ("http://a/#b", "a fragment means nothing there"),
            ("http://a:0", "its port is none, 1 to 65535"),
            ("http://a:", "its port is none, 1 to 65535"),
        ];
        for (text, reason) in wrong {
            assert_eq!(text.parse::<CollectorUrl>(), Err(reason.to_owned()), "{text}");
        }
    }
}
