//! Keys of an upstream that say how its endpoints report their own load.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::series::Series;
use crate::config::units::{Share, Size, Time};

/// How endpoints report their own load: by `header` or by `scrape`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct ReportedLoad {
    /// In the field `endpoint-load-metrics` of their answers, or in their trailers, as ORCA says: `TEXT cpu_utilization=0.3`,
    /// `JSON {…}`, `BIN …`; or in `endpoint-load-metrics-bin`, as gRPC does.
    pub(in crate::config) header: bool,
    /// With `header`: clients get the fields too. Else they are taken off.
    pub(in crate::config) pass_on: bool,
    /// With `header`: which of the named metrics are kept for plugins, at most 16.
    #[schemars(length(max = 16))]
    pub(in crate::config) named: Vec<String>,
    /// Where each endpoint shows series as Prometheus reads them. Default: nowhere.
    pub(in crate::config) scrape: Option<Scrape>,
    /// After so long without another, a report is as good as none.
    pub(in crate::config) expire: Time,
}

impl Default for ReportedLoad {
    fn default() -> ReportedLoad {
        ReportedLoad {
            header: false,
            pass_on: false,
            named: Vec::new(),
            scrape: None,
            expire: Time(Duration::from_secs(180)),
        }
    }
}

/// Where each endpoint shows its figures, and how often they are read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Scrape {
    /// Path and query that are asked for with `GET`.
    pub(in crate::config) path: String,
    /// The `Host` of the request. Default: the endpoint's address.
    pub(in crate::config) host: Option<String>,
    /// The port that is asked. Default: the endpoint's own.
    #[schemars(range(min = 1, max = 65_535))]
    pub(in crate::config) port: Option<u16>,
    /// From one scrape of an endpoint to the next. The first one is made at once.
    pub(in crate::config) interval: Time,
    /// The interval is so much longer or shorter at most, by chance, so that scrapes do not come in swarms.
    pub(in crate::config) jitter: Share,
    /// For all of a scrape: connection, answer, body.
    pub(in crate::config) timeout: Time,
    /// Bytes of an answer's body, 1KiB to 16MiB; a longer one is no report.
    pub(in crate::config) size: Size,
    /// What is read.
    pub(in crate::config) series: ReadSeries,
}

impl Default for Scrape {
    fn default() -> Scrape {
        Scrape {
            path: "/metrics".to_owned(),
            host: None,
            port: None,
            interval: Time(Duration::from_secs(5)),
            jitter: Share(100),
            timeout: Time(Duration::from_secs(1)),
            size: Size(1 << 20),
            series: ReadSeries::default(),
        }
    }
}

/// Which series are which figure, in a part of PromQL: a name, with labels that must be equal; in `rate(…)` what it grows by in a
/// second; divided by a number or by another. Several that fit are added up.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct ReadSeries {
    /// CPU in use, as a share of what there is. Default: not read.
    pub(in crate::config) cpu: Option<Series>,
    /// Memory in use, as a share of what there is. Default: not read.
    pub(in crate::config) memory: Option<Series>,
    /// What the application calls its utilization, as a share. Default: not read.
    pub(in crate::config) utilization: Option<Series>,
    /// Requests per second. Default: not read.
    pub(in crate::config) requests_per_second: Option<Series>,
    /// Errors per second. Default: not read.
    pub(in crate::config) errors_per_second: Option<Series>,
    /// Other figures that plugins ask for, by name; at most 16.
    pub(in crate::config) named: BTreeMap<String, Series>,
}
