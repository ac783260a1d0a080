//! Where an upstream's endpoints come from, and how that goes.

use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

use super::seconds;
use crate::control::discovery::Standing;
use crate::endpoint::Set;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DiscoveryView {
    /// Who is asked.
    source: String,
    /// When it last answered; what it said then serves.
    answered: Option<f64>,
    /// Why it does not.
    failing: Option<String>,
    /// Lists that it gave, also those that changed nothing.
    answers: u64,
    /// How often it gave none, or one that is no good.
    failures: u64,
    /// How often other endpoints were taken over.
    changes: u64,
    /// Endpoints that are gone from its list, and still have requests.
    leaving: Vec<LeavingView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct LeavingView {
    id: String,
    address: String,
    in_flight: u32,
    /// Since it left.
    seconds: f64,
}

impl DiscoveryView {
    pub(super) fn of(standing: Standing, set: &Set, now: Instant) -> Self {
        let busy = set.left().into_iter().filter(|left| left.endpoint.in_flight() > 0);
        let leaving = busy.map(|left| LeavingView {
            id: left.endpoint.settings.id.to_string(),
            address: left.endpoint.settings.address.to_string(),
            in_flight: left.endpoint.in_flight(),
            seconds: now.saturating_duration_since(left.since).as_secs_f64(),
        });
        Self {
            source: standing.source,
            answered: standing.answered.map(seconds),
            failing: standing.failing,
            answers: standing.answers,
            failures: standing.failures,
            changes: standing.changes,
            leaving: leaving.collect(),
        }
    }
}
