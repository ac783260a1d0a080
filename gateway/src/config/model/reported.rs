//! How endpoints report their own load.

use std::sync::Arc;
use std::time::Duration;

pub use crate::config::series::{Per, Series, Shown, label};

/// How endpoints report their own load.
#[derive(Debug, Clone, PartialEq)]
pub enum ReportedLoad {
    /// In fields of their answers.
    Header(Arc<ReportFields>),
    /// Where they show series.
    Scrape(Arc<Scrape>),
}

impl ReportedLoad {
    /// Named figures that are kept.
    pub fn names(&self) -> &Arc<[Arc<str>]> {
        match self {
            Self::Header(fields) => &fields.named,
            Self::Scrape(scrape) => &scrape.named,
        }
    }
}

/// Reports in fields of answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFields {
    /// The fields go on to clients. Default false.
    pub pass_on: bool,
    /// Named figures that are kept, at most 16.
    pub named: Arc<[Arc<str>]>,
    /// After so long a report is none. Default 3 min.
    pub expire: Duration,
}

/// Where each endpoint shows series, and how often they are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Scrape {
    /// Path and query. Default `/metrics`.
    pub path: String,
    /// `Host`; none: the endpoint's address.
    pub host: Option<String>,
    /// Asked at this port; none: the endpoint's own.
    pub port: Option<u16>,
    /// From one scrape of an endpoint to the next. Default 5 s.
    pub interval: Duration,
    /// That is so much longer or shorter at most, by chance, per mille. Default 100.
    pub jitter_per_mille: u32,
    /// For all of a scrape: connection, answer, body. Default 1 s.
    pub timeout: Duration,
    /// Bytes of a body. Default 1 MiB.
    pub size: usize,
    /// What is read: the name of a figure as ORCA writes it (`cpu_utilization`, `named_metrics.x`), and what it is made of.
    pub figures: Vec<(String, Series)>,
    /// Named figures among them, at most 16.
    pub named: Arc<[Arc<str>]>,
    /// After so long a report is none. Default 3 min.
    pub expire: Duration,
}
