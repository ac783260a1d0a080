//! All of it at once, and the part of it that changes all the time.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use schemars::JsonSchema;
use serde::Serialize;

use super::events::{HistoryView, ReloadView, history, reload};
use super::listeners::{ListenerView, all_listeners};
use super::plugins::{PluginView, all_plugins};
use super::routes::{RouteView, TrafficView, all_routes};
use super::seconds;
use super::upstreams::{UpstreamView, all_upstreams};
use super::uses::{UseView, all_uses};
use crate::control::admin::Desk;
use crate::control::figures::Figures;
use crate::observe::log;

/// `GET /api/v1/state`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct StateView {
    /// Now.
    at: f64,
    gateway: GatewayView,
    connections: ConnectionsView,
    listeners: Vec<ListenerView>,
    routes: Vec<RouteView>,
    /// Exchanges that found no route.
    unrouted: TrafficView,
    upstreams: Vec<UpstreamView>,
    plugins: Vec<PluginView>,
    uses: Vec<UseView>,
    reload: ReloadView,
    history: HistoryView,
}

#[derive(Debug, Serialize, JsonSchema)]
struct GatewayView {
    version: &'static str,
    process: u32,
    /// When the program began.
    started: f64,
    workers: usize,
    zone: String,
    /// The configuration file, as it was named.
    file: String,
    /// False once it drains.
    ready: bool,
    /// Lines of the log that could not be written.
    log_lines_lost: u64,
}

/// Clients' connections, over all listeners.
#[derive(Debug, Serialize, JsonSchema)]
struct ConnectionsView {
    open: usize,
    accepted: u64,
    /// Not let in, by the limit that was reached.
    refused: BTreeMap<&'static str, u64>,
    /// Idle ones that were closed to make room.
    shed: u64,
    /// Connections and streams that were cut off, by the reason.
    cut: BTreeMap<&'static str, u64>,
}

/// What the stream of events brings each second.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct FiguresView {
    /// Now.
    at: f64,
    ready: bool,
    connections: ConnectionsView,
    /// By name.
    routes: BTreeMap<String, TrafficView>,
    unrouted: TrafficView,
    upstreams: Vec<UpstreamView>,
    uses: Vec<UseView>,
}

pub(in crate::control::admin) fn state(desk: &Desk) -> StateView {
    let figures = &desk.figures;
    let serving = figures.serving();
    let plan = &serving.plan;
    StateView {
        at: seconds(SystemTime::now()),
        gateway: GatewayView {
            version: env!("CARGO_PKG_VERSION"),
            process: std::process::id(),
            started: seconds(figures.started),
            workers: plan.config.workers,
            zone: plan.config.zone.clone(),
            file: desk.file.display().to_string(),
            ready: figures.is_ready(),
            log_lines_lost: log::lost(),
        },
        connections: connections(figures),
        listeners: all_listeners(&serving),
        routes: all_routes(plan),
        unrouted: TrafficView::of(&plan.unrouted),
        upstreams: all_upstreams(figures, plan, Instant::now()),
        plugins: all_plugins(figures, &serving),
        uses: all_uses(&serving),
        reload: reload(desk),
        history: history(desk),
    }
}

pub(in crate::control::admin) fn figures(desk: &Desk) -> FiguresView {
    FiguresView::of(&desk.figures)
}

impl FiguresView {
    pub(in crate::control::admin) fn of(figures: &Figures) -> Self {
        let serving = figures.serving();
        let plan = &serving.plan;
        let routes = plan.traffic.iter().map(|traffic| (traffic.route.to_string(), TrafficView::of(traffic)));
        Self {
            at: seconds(SystemTime::now()),
            ready: figures.is_ready(),
            connections: connections(figures),
            routes: routes.collect(),
            unrouted: TrafficView::of(&plan.unrouted),
            upstreams: all_upstreams(figures, plan, Instant::now()),
            uses: all_uses(&serving),
        }
    }
}

fn connections(figures: &Figures) -> ConnectionsView {
    let connections = &figures.connections;
    ConnectionsView {
        open: connections.open(),
        accepted: connections.accepted(),
        refused: connections.refused().map(|(why, count)| (why.as_str(), count)).collect(),
        shed: connections.was_shed(),
        cut: connections.were_cut().map(|(why, count)| (why.as_str(), count)).collect(),
    }
}
