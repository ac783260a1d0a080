//! What is told of exchanges to a collector of traces.

use std::path::PathBuf;
use std::time::Duration;

/// Traces for a collector of OpenTelemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    /// The collector is reached over TLS.
    pub secure: bool,
    /// What it is called in requests.
    pub authority: String,
    /// Host and port.
    pub address: String,
    /// Path and query. Default `/v1/traces`.
    pub target: String,
    /// Fields of requests, by their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Those whose values are in files.
    pub header_files: Vec<(String, PathBuf)>,
    /// PEM file with those whose certificates are believed; none: the system's.
    pub ca: Option<PathBuf>,
    /// Of the exchanges whose trace begins here. Default 10.
    pub sample_per_mille: u32,
    /// Whose word is taken. Default: that of trusted proxies.
    pub parent: TraceParent,
    /// What the gateway is called. Default `sluice`.
    pub service_name: String,
    /// What else is said of it.
    pub resource: Vec<(String, String)>,
    /// Spans that wait. Default 4,096.
    pub queue: u32,
    /// How long they wait for others. Default 1 s.
    pub interval: Duration,
    /// For one request to the collector. Default 10 s.
    pub timeout: Duration,
}

/// Whose word on a trace is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceParent {
    /// That of a listener's trusted proxies.
    Trusted,
    /// Everybody's.
    All,
    /// Nobody's.
    None,
}
