//! Rules for requests, and what went by each.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::ClassView;
use crate::config::model::{Config, HostPattern, PathPattern, Route, UseIndex};
use crate::control::admin::Desk;
use crate::observe::{Again, Bound, CODES, Traffic};
use crate::state::Plan;

/// `GET /api/v1/routes`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct RoutesView {
    routes: Vec<RouteView>,
    /// Exchanges that found none.
    unrouted: TrafficView,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RouteView {
    name: String,
    /// As in the configuration; none: all.
    hosts: Vec<String>,
    /// As in the configuration: `/api/*`.
    path: String,
    /// None: all.
    methods: Vec<String>,
    headers: BTreeMap<String, String>,
    /// Where requests go if no plugin says otherwise.
    upstream: String,
    /// What its routing plugins may choose.
    upstreams: Vec<String>,
    /// Uses that are asked which upstream, in order.
    routing: Vec<String>,
    /// Uses that are asked what the client gets, from last to first.
    response: Vec<String>,
    traffic: TrafficView,
}

/// What went by a route.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TrafficView {
    /// Exchanges that have begun and are not over; 0 where no route was found.
    in_flight: u64,
    /// Exchanges that are over.
    requests: u64,
    /// The same by what the client got: `1xx` to `5xx`, or `none` where it had left.
    codes: BTreeMap<&'static str, u64>,
    /// From the head of a request to the last byte of the answer, in seconds, all together.
    duration: f64,
    durations: Vec<ClassView>,
    /// Body bytes from clients.
    received_bytes: u64,
    /// Body bytes to clients.
    sent_bytes: u64,
    /// Attempts after the first ones, by what was wrong with the one before.
    retries: BTreeMap<&'static str, u64>,
    /// Refused, by the bound that they would have passed.
    refused: BTreeMap<&'static str, u64>,
}

pub(in crate::control::admin) fn routes(desk: &Desk) -> RoutesView {
    let serving = desk.figures.serving();
    RoutesView { routes: all_routes(&serving.plan), unrouted: TrafficView::of(&serving.plan.unrouted) }
}

pub(super) fn all_routes(plan: &Plan) -> Vec<RouteView> {
    let routes = plan.config.routes.iter().zip(&plan.traffic);
    routes.map(|(route, traffic)| view(&plan.config, route, traffic)).collect()
}

/// The names of uses.
pub(super) fn names(config: &Config, chain: &[UseIndex]) -> Vec<String> {
    chain.iter().filter_map(|place| Some(config.uses.get(*place)?.name.to_string())).collect()
}

fn view(config: &Config, route: &Route, traffic: &Traffic) -> RouteView {
    let upstream = |index: usize| config.upstreams.get(index).map_or_else(String::new, |found| found.name.to_string());
    let host = |host: &HostPattern| match host {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Suffix(suffix) => format!("*{suffix}"),
    };
    RouteView {
        name: route.name.to_string(),
        hosts: route.matcher.hosts.iter().map(host).collect(),
        path: match &route.matcher.path {
            PathPattern::Any => "/*".to_owned(),
            PathPattern::Exact(path) => path.clone(),
            PathPattern::Prefix(path) => format!("{path}/*"),
        },
        methods: route.matcher.methods.clone(),
        headers: route.matcher.headers.clone(),
        upstream: upstream(route.upstream),
        upstreams: route.upstreams.iter().map(|&index| upstream(index)).collect(),
        routing: names(config, &route.routing),
        response: names(config, &route.response),
        traffic: TrafficView::of(traffic),
    }
}

impl TrafficView {
    pub(super) fn of(traffic: &Traffic) -> Self {
        let totals = traffic.totals();
        Self {
            in_flight: totals.in_flight,
            requests: totals.codes.iter().sum(),
            codes: CODES.into_iter().zip(totals.codes).collect(),
            duration: totals.duration.as_secs_f64(),
            durations: totals.durations.into_iter().map(ClassView::of).collect(),
            received_bytes: totals.received,
            sent_bytes: totals.sent,
            retries: Again::ALL.into_iter().map(Again::as_str).zip(totals.retries).collect(),
            refused: Bound::ALL.into_iter().map(Bound::as_str).zip(totals.refused).collect(),
        }
    }
}
