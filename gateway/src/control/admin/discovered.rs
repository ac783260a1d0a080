//! Figures of discovery.

use std::fmt;

use super::lines::Lines;
use super::page::Counter;
use super::view::seconds;
use crate::control::discovery::Standing;
use crate::control::figures::Figures;
use crate::state::Plan;

const COUNTERS: &[Counter<Standing>] = &[
    ("sluice_discovery_answers", "Lists of endpoints that a source gave.", |standing| standing.answers),
    ("sluice_discovery_failures", "How often a source gave no list, or one that is no good.", |standing| {
        standing.failures
    }),
    ("sluice_discovery_changes", "How often other endpoints of an upstream were taken over.", |standing| {
        standing.changes
    }),
];

/// One of each upstream whose endpoints are found.
pub(super) fn discovered(lines: &mut Lines<'_>, figures: &Figures, plan: &Plan) -> fmt::Result {
    let standings = figures.discovery.standings().all();
    for (name, help, count) in COUNTERS {
        let mut counters = lines.counters(name, help)?;
        for (upstream, standing) in &standings {
            counters.count([("upstream", upstream)], count(standing))?;
        }
    }
    let help = "0 while a source fails; what it said last serves.";
    let mut up = lines.gauges("sluice_discovery_up", help)?;
    for (upstream, standing) in &standings {
        let is_up = standing.failing.is_none() && standing.answered.is_some();
        up.gauge([("upstream", upstream)], u64::from(is_up))?;
    }
    let help = "When a source last answered, seconds since 1970.";
    let mut answered = lines.gauges("sluice_discovery_last_answer_timestamp_seconds", help)?;
    for (upstream, standing) in &standings {
        if let Some(at) = standing.answered {
            answered.gauge([("upstream", upstream)], seconds(at))?;
        }
    }
    let help = "Endpoints that are gone from the list of their source, and still have requests.";
    let mut leaving = lines.gauges("sluice_discovery_leaving", help)?;
    for upstream in plan.upstreams.iter().filter(|upstream| standings.contains_key(&upstream.name)) {
        let left = upstream.set.left();
        let busy = left.iter().filter(|left| left.endpoint.in_flight() > 0).count();
        leaving.gauge([("upstream", &upstream.name)], busy as u64)?;
    }
    Ok(())
}
