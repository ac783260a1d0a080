//! Figures of endpoints.

use std::fmt;
use std::sync::Arc;

use super::lines::Lines;
use super::reports::reports;
use crate::config::model;
use crate::endpoint::{Endpoint, Fate, Fault, Health, Members};
use crate::state::Plan;

/// Name, meaning, and what it is of an endpoint.
type Of = (&'static str, &'static str, fn(&Endpoint) -> u64);

/// Those that only grow.
const COUNTERS: &[Of] = &[
    ("sluice_attempts", "Requests that were sent to an endpoint, or tried to be.", Endpoint::attempts),
    ("sluice_endpoint_connections_opened", "Connections to an endpoint that there have been.", |endpoint| {
        endpoint.connections().1
    }),
];

/// Those that go up and down.
const GAUGES: &[Of] = &[
    ("sluice_requests_in_flight", "Requests that were sent to an endpoint and are not finished.", |endpoint| {
        endpoint.in_flight().into()
    }),
    ("sluice_endpoint_connections", "Connections to an endpoint, in use and idle ones.", |endpoint| {
        endpoint.connections().0
    }),
    ("sluice_endpoint_healthy", "0 while an endpoint is taken out.", |endpoint| {
        (endpoint.health() != Health::Unhealthy).into()
    }),
    (
        "sluice_endpoint_draining",
        "1 while an endpoint finishes what it has, by configuration or by an operator.",
        |endpoint| (endpoint.settings.draining || endpoint.is_drained()).into(),
    ),
];

/// All of them, family by family.
pub(super) fn endpoints(lines: &mut Lines<'_>, plan: &Plan) -> fmt::Result {
    let upstreams: Vec<(&model::Upstream, Arc<Members>)> = plan
        .upstreams
        .iter()
        .zip(&plan.config.upstreams)
        .map(|(upstream, settings)| (settings, upstream.set.snapshot()))
        .collect();
    let all = || {
        let members = upstreams.iter().map(|(settings, members)| (&*settings.name, members));
        members.flat_map(|(upstream, members)| members.endpoints.iter().map(move |endpoint| (upstream, endpoint)))
    };
    for (name, help, of) in COUNTERS {
        let mut counter = lines.counters(name, help)?;
        for (upstream, endpoint) in all() {
            counter.count(labels(upstream, endpoint), of(endpoint))?;
        }
    }
    for (name, help, of) in GAUGES {
        let mut gauge = lines.gauges(name, help)?;
        for (upstream, endpoint) in all() {
            gauge.gauge(labels(upstream, endpoint), of(endpoint))?;
        }
    }
    outcomes(lines, &all)?;
    let help = "What an endpoint takes of its weight: less than 1 while it starts slowly.";
    let mut warm_up = lines.gauges("sluice_endpoint_warm_up_ratio", help)?;
    for (settings, members) in &upstreams {
        for (endpoint, per_mille) in members.endpoints.iter().zip(&members.warm_up) {
            warm_up.gauge(labels(&settings.name, endpoint), f64::from(*per_mille) / 1000.0)?;
        }
    }
    let help = "How often an endpoint was taken out for what requests met there, by reason.";
    let mut ejections = lines.counters("sluice_ejections", help)?;
    for (upstream, endpoint) in all() {
        for fault in Fault::ALL {
            let [upstream, id] = labels(upstream, endpoint);
            ejections.count([upstream, id, ("reason", fault.as_str())], endpoint.ejected(fault))?;
        }
    }
    let help = "Checks of an endpoint, by what they found.";
    let mut checks = lines.counters("sluice_health_checks", help)?;
    for (settings, members) in upstreams.iter().filter(|(settings, _)| settings.health.is_some()) {
        for endpoint in &members.endpoints {
            let (good, bad) = endpoint.checks();
            for (outcome, count) in [("good", good), ("bad", bad)] {
                let [upstream, id] = labels(&settings.name, endpoint);
                checks.count([upstream, id, ("outcome", outcome)], count)?;
            }
        }
    }
    reports(lines, &upstreams)
}

/// What came of requests.
fn outcomes<'a, I: Iterator<Item = (&'a str, &'a Arc<Endpoint>)>>(
    lines: &mut Lines<'_>,
    all: &impl Fn() -> I,
) -> fmt::Result {
    let help = "Attempts at an endpoint that are over, by the class of the answer's status, or by why there was none.";
    let mut fates = lines.counters("sluice_endpoint_outcomes", help)?;
    for (upstream, endpoint) in all() {
        for (fate, count) in Fate::ALL.into_iter().zip(endpoint.totals().fates) {
            let [upstream, id] = labels(upstream, endpoint);
            fates.count([upstream, id, ("outcome", fate)], count)?;
        }
    }
    let help = "From the choice of an endpoint to the head of its answer.";
    let mut latencies = lines.histograms("sluice_endpoint_response_seconds", help)?;
    for (upstream, endpoint) in all() {
        let totals = endpoint.totals();
        let classes: Vec<_> = totals.latencies().collect();
        latencies.histogram(labels(upstream, endpoint), totals.latency.as_secs_f64(), &classes)?;
    }
    let help = "Body bytes of requests that an endpoint got.";
    let mut sent = lines.counters("sluice_endpoint_sent_bytes", help)?;
    for (upstream, endpoint) in all() {
        sent.count(labels(upstream, endpoint), endpoint.totals().sent)?;
    }
    let help = "Body bytes of an endpoint's answers.";
    let mut received = lines.counters("sluice_endpoint_received_bytes", help)?;
    for (upstream, endpoint) in all() {
        received.count(labels(upstream, endpoint), endpoint.totals().received)?;
    }
    Ok(())
}

fn labels<'l>(upstream: &'l str, endpoint: &'l Endpoint) -> [(&'static str, &'l str); 2] {
    [("upstream", upstream), ("endpoint", &endpoint.settings.id)]
}
