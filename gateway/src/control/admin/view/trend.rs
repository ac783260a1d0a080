//! The last minutes: counts as they were every two seconds, of which differences make rates.

use std::collections::BTreeMap;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Serialize;

use super::seconds;
use super::uses::distinct;
use crate::control::admin::Desk;
use crate::observe::CODES;
use crate::plugin::Use;
use crate::state::Plan;

/// `GET /api/v1/trend`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct TrendView {
    /// Upper bounds of the classes of durations in seconds; null for the last class.
    bounds: Vec<Option<f64>>,
    /// Five minutes, as far as the gateway is that old; the oldest first.
    moments: Vec<MomentView>,
}

/// Counts as they were then. They grow, but where a reload took out a route or a use with its counts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::control::admin) struct MomentView {
    at: f64,
    /// Exchanges that were over, those without a route too, by what the client got: `1xx` to `5xx`, or `none` where it had left.
    codes: BTreeMap<&'static str, u64>,
    /// The same by how long they took, in the order of `bounds`.
    durations: Vec<u64>,
    /// By name.
    uses: BTreeMap<String, UseMomentView>,
}

/// What calls of a use had cost, all hooks together.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct UseMomentView {
    calls: u64,
    /// Calls that were timed: one in sixteen.
    timed: u64,
    /// What those took, in seconds, all together.
    timed_duration: f64,
}

pub(in crate::control::admin) fn trend(desk: &Desk) -> TrendView {
    let durations = desk.figures.serving().plan.unrouted.totals().durations;
    TrendView {
        bounds: durations.map(|(bound, _)| bound.is_finite().then_some(bound)).into(),
        moments: desk.trend.moments(),
    }
}

impl MomentView {
    /// As it is now.
    pub(in crate::control::admin) fn of(plan: &Plan) -> Self {
        let totals: Vec<_> = plan.traffic.iter().chain([&plan.unrouted]).map(|traffic| traffic.totals()).collect();
        let of_code = |(index, code)| (code, totals.iter().filter_map(|totals| totals.codes.get(index)).sum());
        let of_class =
            |class| totals.iter().filter_map(|totals| totals.durations.get(class)).map(|(_, count)| count).sum();
        let classes = totals.first().map_or(0, |totals| totals.durations.len());
        Self {
            at: seconds(SystemTime::now()),
            codes: CODES.into_iter().enumerate().map(of_code).collect(),
            durations: (0..classes).map(of_class).collect(),
            uses: distinct(plan).into_iter().map(|(_, owner)| (owner.name.to_string(), of_use(owner))).collect(),
        }
    }
}

fn of_use(owner: &Use) -> UseMomentView {
    let hooks = owner.counters().costs().hooks;
    UseMomentView {
        calls: hooks.iter().map(|hook| hook.calls).sum(),
        timed: hooks.iter().flat_map(|hook| hook.timed()).map(|(_, count)| count).sum(),
        timed_duration: hooks.iter().map(|hook| hook.timed_sum.as_secs_f64()).sum(),
    }
}
