//! The gateway as operators see it: what is serialised, and described in the OpenAPI document. What is not there is null; times
//! are seconds since 1970, and counts go on over reloads for what keeps its name.

mod discovery;
mod events;
mod exchanges;
mod listeners;
mod plugins;
mod routes;
mod state;
mod trend;
mod upstreams;
mod uses;

use std::time::{SystemTime, UNIX_EPOCH};

pub(super) use events::{EventView, OutcomeView, history, reload};
pub(super) use exchanges::ExchangesView;
pub(super) use listeners::listeners;
pub(super) use plugins::plugins;
pub(super) use routes::routes;
pub(super) use state::{FiguresView, figures, state};
pub(super) use trend::{MomentView, trend};
pub(super) use upstreams::{EndpointView, endpoints, upstreams};
pub(super) use uses::{distinct, uses};

use schemars::JsonSchema;
use serde::Serialize;

/// Those that took longer than the bound before allows, and no longer than this one.
#[derive(Debug, Serialize, JsonSchema)]
struct ClassView {
    /// Upper bound in seconds; null for the last class.
    to: Option<f64>,
    count: u64,
}

impl ClassView {
    fn of((to, count): (f64, u64)) -> Self {
        Self { to: to.is_finite().then_some(to), count }
    }
}

/// Seconds since 1970; negative before.
pub(super) fn seconds(time: SystemTime) -> f64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}
