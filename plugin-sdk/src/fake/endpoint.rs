//! An endpoint as a test describes it.

use crate::{Health, endpoints::NEVER_SAMPLED, reports::Report};
use std::collections::BTreeMap;

/// What the plugin may learn of one endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Stable identity.
    pub id: String,
    /// Host and port.
    pub address: String,
    /// 1 to 1000.
    pub weight: u32,
    /// Slow start, per mille of the weight.
    pub warm_up: u32,
    /// 0 is the first choice.
    pub priority: u32,
    /// The host's verdict.
    pub health: Health,
    /// Empty where not configured.
    pub zone: String,
    /// As configured.
    pub labels: BTreeMap<String, String>,
    /// Requests sent and not finished.
    pub in_flight: u32,
    /// Microseconds.
    pub latency_us: u32,
    /// Of bodies, both ways.
    pub bytes_per_second: u64,
    /// What it has reported last; time does not change it.
    pub report: Option<Report>,
    /// The named figures of it.
    pub named: BTreeMap<String, f64>,
}

impl Endpoint {
    /// A healthy one of weight 1.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            address: format!("{id}.test:80"),
            id,
            weight: 1,
            warm_up: 1000,
            priority: 0,
            health: Health::Healthy,
            zone: String::new(),
            labels: BTreeMap::new(),
            in_flight: 0,
            latency_us: NEVER_SAMPLED,
            bytes_per_second: 0,
            report: None,
            named: BTreeMap::new(),
        }
    }
}
