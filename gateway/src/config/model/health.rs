//! When endpoints may be used: checks that ask them, and what takes them out for what requests meet there.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How endpoints are asked whether they may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked.
    pub check: Check,
    /// Asked at this port; none: the endpoint's own.
    pub port: Option<u16>,
    /// From one check of an endpoint to the next. Default 2 s.
    pub interval: Duration,
    /// That is so much longer or shorter at most, by chance, per mille. Default 100.
    pub jitter_per_mille: u32,
    /// For all of a check: connection, answer, body. Default 1 s.
    pub timeout: Duration,
    /// Good ones in a row after which it may be used again. Default 2.
    pub healthy_after: u32,
    /// Bad ones in a row after which it may not. Default 3.
    pub unhealthy_after: u32,
}

/// What an endpoint is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Whether it takes a connection.
    Tcp,
    /// `GET`.
    Http(HttpCheck),
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// Of which service; empty: of the server.
        service: String,
        /// `:authority`; none: the endpoint's address.
        host: Option<String>,
    },
}

/// A request, and what is expected of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// Path and query. Default `/`.
    pub path: String,
    /// `Host`; none: the endpoint's address.
    pub host: Option<String>,
    /// The status must be one of these. Default 200 to 299.
    pub status: Statuses,
    /// The first 64 KiB of the body must have this in them; none: whatever they have.
    pub body: Option<String>,
}

/// Ranges of statuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(pub Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Whether that one is among them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl std::fmt::Display for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, range) in self.0.iter().enumerate() {
            let between = if number == 0 { "" } else { ", " };
            match range.start() == range.end() {
                true => write!(f, "{between}{}", range.start())?,
                false => write!(f, "{between}{}-{}", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}

/// When an endpoint is taken out for what requests meet there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ejection {
    /// After so many requests in a row without an answer; 0: never. Default 5.
    pub consecutive_failures: u32,
    /// After so many requests in a row with an error, or without an answer; 0: never, the default.
    pub consecutive_errors: u32,
    /// Which answers are errors. Default 500 to 599.
    pub error_status: Statuses,
    /// When its answers are worse than the others'; none: never, the default.
    pub success_rate: Option<SuccessRate>,
    /// For so long, times how often in a row that was. Default 10 s.
    pub period: Duration,
    /// For so long at most. Default 5 min.
    pub longest: Duration,
    /// Of the endpoints at most this share, per mille. Default 500. Of two or more, one may always go.
    pub at_most_per_mille: u32,
}

impl Ejection {
    /// True if it needs to know of each answer whether it was an error.
    pub fn counts_errors(&self) -> bool {
        self.consecutive_errors > 0 || self.success_rate.is_some()
    }
}

/// When answers are worse than the others' (Envoy's success rate ejection).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessRate {
    /// Between two comparisons. Default 10 s.
    pub interval: Duration,
    /// Only among so many endpoints that had enough requests. Default 5.
    pub endpoints: usize,
    /// Requests in an interval that are enough. Default 100.
    pub requests: u32,
    /// Standard deviations below the mean, per mille. Default 1900.
    pub deviations_per_mille: u32,
}
