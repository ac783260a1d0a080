//! Upstreams and their endpoints as operators see them, in JSON. What is not there is null.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

use super::ClassView;
use super::discovery::DiscoveryView;
use super::listeners::{CertificateView, certificates};
use super::routes::names;
use crate::config::model::{self, UpstreamProtocol, WhenAllBad};
use crate::control::admin::Desk;
use crate::control::admin::reports::FIGURES;
use crate::control::figures::Figures;
use crate::endpoint::{CheckVerdict, Endpoint, Fate, Health, Members, Reported};
use crate::state::Plan;
use crate::upstream::Upstream;

/// `GET /api/v1/upstreams`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct UpstreamsView {
    upstreams: Vec<UpstreamView>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UpstreamView {
    name: String,
    /// `use-all` or `refuse`.
    when_all_bad: &'static str,
    /// Endpoints that get new sessions.
    healthy: usize,
    /// Uses that are asked which endpoint, in order.
    selection: Vec<String>,
    /// `http/1.1`, `h2`, or `auto`.
    protocol: &'static str,
    tls: bool,
    /// Retries that were not made, since there had been too many.
    retry_budget_exhausted: u64,
    /// Requests that wait for a place, where the upstream has a bound.
    waiting: Option<u32>,
    /// The gateway's own certificates for endpoints, and authorities that are believed.
    certificates: Vec<CertificateView>,
    /// Where its endpoints come from that the configuration does not name.
    discovery: Option<DiscoveryView>,
    endpoints: Vec<EndpointView>,
}

/// One endpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct EndpointView {
    pub(in crate::control::admin) id: String,
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
    /// Attempts that are over, by the class of the answer's status, or by why there was none.
    outcomes: BTreeMap<&'static str, u64>,
    /// From the choice to the heads of answers, in seconds, all together.
    response_duration: f64,
    response_durations: Vec<ClassView>,
    /// Body bytes of requests, and of answers.
    sent_bytes: u64,
    received_bytes: u64,
    /// Connections to it, in use and idle, and all there have been.
    connections: u64,
    connections_opened: u64,
    /// A peaking mean of the times to the heads of its answers.
    latency_us: Option<u32>,
    /// An operator has drained it.
    drained: bool,
    /// While it is taken out.
    ejected: Option<EjectionView>,
    /// Where it is checked.
    checks: Option<ChecksView>,
    /// What it has reported of its own load last, where that counts.
    report: Option<ReportView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct EjectionView {
    /// Until it is taken back.
    seconds_left: f64,
    /// How often in a row.
    times: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ChecksView {
    /// `good` or `bad`.
    verdict: &'static str,
    good: u64,
    bad: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ReportView {
    /// How old it is.
    age_seconds: f64,
    /// How long it has reported without a pause, and been in full use.
    steady_seconds: f64,
    /// By name; those that the configuration names as `named.NAME`.
    figures: BTreeMap<String, f64>,
}

pub(in crate::control::admin) fn upstreams(desk: &Desk) -> UpstreamsView {
    UpstreamsView { upstreams: all_upstreams(&desk.figures, &desk.figures.serving().plan, Instant::now()) }
}

/// All of them, in the order of the configuration.
pub(super) fn all_upstreams(figures: &Figures, plan: &Plan, now: Instant) -> Vec<UpstreamView> {
    let upstreams = plan.upstreams.iter().zip(&plan.config.upstreams);
    let mut standings = figures.discovery.standings().all();
    let view = |(upstream, settings): (&Arc<Upstream>, &model::Upstream)| {
        let members = upstream.set.snapshot();
        let tls = upstream.way.tls();
        UpstreamView {
            name: upstream.name.to_string(),
            when_all_bad: match upstream.set.rules().when_all_bad {
                WhenAllBad::UseAll => "use-all",
                WhenAllBad::Refuse => "refuse",
            },
            healthy: members.healthy(),
            selection: names(&plan.config, &settings.selection),
            protocol: match settings.protocol {
                UpstreamProtocol::Http1 => "http/1.1",
                UpstreamProtocol::H2 => "h2",
                UpstreamProtocol::Auto => "auto",
            },
            tls: tls.is_some(),
            retry_budget_exhausted: upstream.budget.refused(),
            waiting: upstream.load.as_ref().map(|load| load.waiting()),
            certificates: tls.map_or_else(Vec::new, |tls| certificates(tls.expiries())),
            discovery: standings.remove(&upstream.name).map(|standing| DiscoveryView::of(standing, &upstream.set, now)),
            endpoints: endpoints(&members, now).collect(),
        }
    };
    upstreams.map(view).collect()
}

/// Those of one upstream.
pub(in crate::control::admin) fn endpoints(members: &Members, now: Instant) -> impl Iterator<Item = EndpointView> {
    let verdicts = members.conditions.iter().zip(&members.warm_up);
    let view = move |(endpoint, (health, warm_up)): (&Arc<Endpoint>, (&Health, &u32))| {
        let (totals, connections) = (endpoint.totals(), endpoint.connections());
        EndpointView {
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
            report: endpoint.reported(now).map(|report| view_of(&report)),
            outcomes: Fate::ALL.into_iter().zip(totals.fates).collect(),
            response_duration: totals.latency.as_secs_f64(),
            response_durations: totals.latencies().map(ClassView::of).collect(),
            sent_bytes: totals.sent,
            received_bytes: totals.received,
            connections: connections.0,
            connections_opened: connections.1,
        }
    };
    members.endpoints.iter().zip(verdicts).map(view)
}

fn reasons(endpoint: &Endpoint) -> Vec<String> {
    let checked = endpoint.check_reason().map(|reason| format!("check: {reason}"));
    let ejected = endpoint.is_ejected().then(|| "ejected".to_owned());
    let drained = endpoint.is_drained().then(|| "drained by an operator".to_owned());
    let draining = endpoint.settings.draining.then(|| "draining by configuration".to_owned());
    [checked, ejected, drained, draining].into_iter().flatten().collect()
}

fn view_of(report: &Reported) -> ReportView {
    let plain = FIGURES.iter().map(|(name, of)| ((*name).to_owned(), of(report)));
    let named = report.all_named().map(|(name, value)| (format!("named.{name}"), value));
    ReportView {
        age_seconds: report.age.as_secs_f64(),
        steady_seconds: report.steady.as_secs_f64(),
        figures: plain.chain(named).collect(),
    }
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
