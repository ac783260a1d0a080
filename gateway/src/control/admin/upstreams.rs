//! Upstreams and their endpoints as operators see them, in JSON. What is not there is null.

use std::time::Instant;

use serde::Serialize;

use crate::config::model::WhenAllBad;
use crate::endpoint::{CheckVerdict, Endpoint, Members};
use crate::state::Plan;

/// `GET /api/v1/upstreams`.
#[derive(Debug, Serialize)]
pub(super) struct AllView {
    upstreams: Vec<UpstreamView>,
}

#[derive(Debug, Serialize)]
struct UpstreamView {
    name: String,
    /// `use-all` or `refuse`.
    when_all_bad: &'static str,
    /// Endpoints that get new sessions.
    healthy: usize,
    endpoints: Vec<EndpointView>,
}

/// One endpoint.
#[derive(Debug, Serialize)]
pub(super) struct EndpointView {
    pub(super) id: String,
    address: String,
    /// The verdict that plugins see: `healthy`, `degraded`, `draining` or `unhealthy`.
    health: &'static str,
    /// What speaks against it, in the order of weight.
    reasons: Vec<String>,
    weight: u32,
    /// What it takes of its weight, 0.1 to 1.
    warm_up: f64,
    in_flight: u32,
    attempts: u64,
    latency_us: Option<u32>,
    /// An operator has drained it.
    drained: bool,
    /// While it is taken out.
    ejected: Option<EjectionView>,
    /// Where it is checked.
    checks: Option<ChecksView>,
}

#[derive(Debug, Serialize)]
struct EjectionView {
    /// Until it is taken back.
    seconds_left: f64,
    /// How often in a row.
    times: u32,
}

#[derive(Debug, Serialize)]
struct ChecksView {
    /// `good` or `bad`.
    verdict: &'static str,
    good: u64,
    bad: u64,
}

/// All of them, in the order of the configuration.
pub(super) fn all(plan: &Plan, now: Instant) -> AllView {
    let upstreams = plan.upstreams.iter().map(|upstream| {
        let members = upstream.set.snapshot();
        UpstreamView {
            name: upstream.name.to_string(),
            when_all_bad: match upstream.set.rules().when_all_bad {
                WhenAllBad::UseAll => "use-all",
                WhenAllBad::Refuse => "refuse",
            },
            healthy: members.healthy(),
            endpoints: endpoints(&members, now).collect(),
        }
    });
    AllView { upstreams: upstreams.collect() }
}

/// Those of one upstream.
pub(super) fn endpoints(members: &Members, now: Instant) -> impl Iterator<Item = EndpointView> {
    let verdicts = members.conditions.iter().zip(&members.warm_up);
    members.endpoints.iter().zip(verdicts).map(move |(endpoint, (health, warm_up))| EndpointView {
        id: endpoint.settings.id.to_string(),
        address: endpoint.settings.address.to_string(),
        health: health.as_str(),
        reasons: reasons(endpoint),
        weight: endpoint.settings.weight,
        warm_up: f64::from(*warm_up) / 1000.0,
        in_flight: endpoint.in_flight(),
        attempts: endpoint.attempts(),
        latency_us: Some(endpoint.latency_us(now)).filter(|latency| *latency != u32::MAX),
        drained: endpoint.is_drained(),
        ejected: endpoint
            .ejected_for(now)
            .map(|left| EjectionView { seconds_left: left.as_secs_f64(), times: endpoint.ejections(now).0 }),
        checks: checks(endpoint),
    })
}

fn reasons(endpoint: &Endpoint) -> Vec<String> {
    let checked = endpoint.check_reason().map(|reason| format!("check: {reason}"));
    let ejected = endpoint.is_ejected().then(|| "ejected".to_owned());
    let drained = endpoint.is_drained().then(|| "drained by an operator".to_owned());
    let draining = endpoint.settings.draining.then(|| "draining by configuration".to_owned());
    [checked, ejected, drained, draining].into_iter().flatten().collect()
}

fn checks(endpoint: &Endpoint) -> Option<ChecksView> {
    let verdict = match endpoint.checked() {
        CheckVerdict::Unknown => return None,
        CheckVerdict::Good => "good",
        CheckVerdict::Bad => "bad",
    };
    let (good, bad) = endpoint.checks();
    Some(ChecksView { verdict, good, bad })
}
