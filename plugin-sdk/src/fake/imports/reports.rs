//! What endpoints report of themselves, as a test says it.

use super::host;
use crate::reports::Report;

pub(crate) fn last(endpoint: u32) -> Option<Report> {
    host(|state| state.endpoints[endpoint as usize].report)
}

pub(crate) fn last_all() -> Vec<Option<Report>> {
    host(|state| state.endpoints.iter().map(|endpoint| endpoint.report).collect())
}

pub(crate) fn named(endpoint: u32, name: &str) -> Option<f64> {
    host(|state| state.endpoints[endpoint as usize].named.get(name).copied())
}

pub(crate) fn named_all(name: &str) -> Vec<Option<f64>> {
    host(|state| state.endpoints.iter().map(|endpoint| endpoint.named.get(name).copied()).collect())
}
