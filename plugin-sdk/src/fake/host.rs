//! The host that a test holds: what it sets before and between the calls, and what it reads afterwards.

use super::{
    Endpoint, Exchange, Instance, Request,
    state::{MetricKind, State},
};
use crate::{Issues, Plugin, Selection, log::Level, reports::Report, selection};
use std::{cell::RefCell, rc::Rc, time::Duration};

/// A gateway as one use of a plugin sees it. Every [`start`](Self::start) makes the instance of one more worker; all share
/// cells, store and metrics. Several hosts in one test are several gateways.
#[derive(Clone)]
pub struct Host(pub(super) Rc<RefCell<State>>);

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// No endpoints, no upstreams to route to, one worker, seed 0.
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new(State::new())))
    }

    fn with(self, set: impl FnOnce(&mut State)) -> Self {
        set(&mut self.0.borrow_mut());
        self
    }

    /// That many healthy endpoints of weight 1, called `e0`, `e1` and so on.
    #[must_use]
    pub fn endpoints(self, count: usize) -> Self {
        self.with(|state| state.endpoints = (0..count).map(|number| Endpoint::new(format!("e{number}"))).collect())
    }

    /// Healthy endpoints of those weights, called `e0`, `e1` and so on.
    #[must_use]
    pub fn weights(self, weights: &[u32]) -> Self {
        let host = self.endpoints(weights.len());
        host.with(|state| {
            state.endpoints.iter_mut().zip(weights).for_each(|(endpoint, weight)| endpoint.weight = *weight)
        })
    }

    /// What a routing plugin may choose, each with one healthy endpoint; the first is the route's default.
    #[must_use]
    pub fn upstreams(self, names: &[&str]) -> Self {
        self.with(|state| state.upstreams = names.iter().map(|&name| (name.into(), 1)).collect())
    }

    /// The gateway's `hash-seed`.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.with(|state| state.seed = seed)
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(self, workers: u32) -> Self {
        self.with(|state| state.workers = workers)
    }

    /// Where the gateway stands.
    #[must_use]
    pub fn local_zone(self, zone: &str) -> Self {
        self.with(|state| state.local_zone = zone.into())
    }

    /// Where the sequence of `input.random` begins; without it at 0.
    #[must_use]
    pub fn random(self, random: u64) -> Self {
        self.with(|state| state.random = random)
    }

    /// Makes an instance, as a worker does: parses the configuration and calls [`Plugin::new`].
    pub fn start<P: Plugin>(&self, config: serde_json::Value) -> Result<Instance<P>, Issues> {
        Instance::start(self.clone(), &config)
    }

    /// An exchange with that request, for what takes more than one call.
    pub fn exchange(&self, request: Request) -> Exchange {
        Exchange::new(self.clone(), request)
    }

    /// The decision on the first attempt of a plain `GET /`.
    pub fn select<P: Selection>(&self, plugin: &mut Instance<P>) -> selection::Decision {
        self.exchange(Request::get("/")).select(plugin)
    }

    /// Changes the endpoints; each instance is told before its next call.
    pub fn change_endpoints(&self, change: impl FnOnce(&mut Vec<Endpoint>)) {
        let mut state = self.0.borrow_mut();
        change(&mut state.endpoints);
        state.members_version += 1;
    }

    /// Sets the requests in flight of every endpoint.
    pub fn set_in_flight(&self, in_flight: &[u32]) {
        let mut state = self.0.borrow_mut();
        assert_eq!(state.endpoints.len(), in_flight.len(), "one number for each endpoint");
        state.endpoints.iter_mut().zip(in_flight).for_each(|(endpoint, in_flight)| endpoint.in_flight = *in_flight);
    }

    /// Sets the latency of every endpoint, in microseconds.
    pub fn set_latency_us(&self, latency_us: &[u32]) {
        let mut state = self.0.borrow_mut();
        assert_eq!(state.endpoints.len(), latency_us.len(), "one number for each endpoint");
        state.endpoints.iter_mut().zip(latency_us).for_each(|(endpoint, latency)| endpoint.latency_us = *latency);
    }

    /// Sets the bytes a second of every endpoint.
    pub fn set_bytes_per_second(&self, bytes: &[u64]) {
        let mut state = self.0.borrow_mut();
        assert_eq!(state.endpoints.len(), bytes.len(), "one number for each endpoint");
        state.endpoints.iter_mut().zip(bytes).for_each(|(endpoint, bytes)| endpoint.bytes_per_second = *bytes);
    }

    /// Sets what every endpoint has reported last.
    pub fn set_reports(&self, reports: &[Option<Report>]) {
        let mut state = self.0.borrow_mut();
        assert_eq!(state.endpoints.len(), reports.len(), "one report, or none, for each endpoint");
        state.endpoints.iter_mut().zip(reports).for_each(|(endpoint, report)| endpoint.report = *report);
    }

    /// Sets how many healthy endpoints an upstream has.
    pub fn set_healthy(&self, upstream: &str, healthy: u32) {
        let mut state = self.0.borrow_mut();
        let known = state.upstreams.iter_mut().find(|(name, _)| name == upstream);
        known.expect("an upstream named in `upstreams`").1 = healthy;
    }

    /// The next `input.random`; then the sequence goes on.
    pub fn next_random(&self, random: u64) {
        self.0.borrow_mut().next_random.push_back(random);
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        self.0.borrow_mut().advance(duration);
    }

    /// The value of a cell; none if no instance has opened it.
    pub fn cell(&self, name: &str) -> Option<i64> {
        self.0.borrow().cells.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// The value of an entry of the store; none if there is none or it has expired.
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().find_stored(key).map(|stored| stored.value.clone())
    }

    /// A counter's count, a gauge's value, or the sum of a histogram; none if no instance has opened it.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.0.borrow().metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }

    /// Every log line so far.
    pub fn log(&self) -> Vec<(Level, String)> {
        self.0.borrow().log.clone()
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Host").field("endpoints", &self.0.borrow().endpoints).finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn open_metric(&mut self, name: &str, kind: MetricKind) -> u32 {
        let is_legal = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(is_legal, "`{name}` is no name of a metric");
        let position = self.metrics.iter().position(|metric| metric.name == name).unwrap_or_else(|| {
            assert!(self.metrics.len() < 64, "a use has at most 64 metrics");
            self.metrics.push(super::state::Metric { name: name.into(), kind, value: 0.0 });
            self.metrics.len() - 1
        });
        assert_eq!(self.metrics[position].kind, kind, "`{name}` was opened as another kind of metric");
        u32::try_from(position).expect("at most 64 metrics")
    }
}
