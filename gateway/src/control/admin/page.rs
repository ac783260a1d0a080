//! All figures on one page, read from the live objects while it is written. Names follow the conventions of Prometheus: base
//! units, `_total` at the end of counters. Labels are names from the configuration, never anything from a request, so that
//! clients cannot make the page longer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::arrivals::listeners;
use super::declared::families;
use super::discovered::discovered;
use super::lines::Lines;
use super::members::endpoints;
use super::traces::traces;
use super::uses::uses;
use super::view::{distinct, seconds};
use crate::control::figures::{Figures, Versions};
use crate::observe::metrics::Kind;
use crate::observe::{Again, Bound, CODES, Totals, log, panics};
use crate::state::{Listening, Plan, Serving};

/// Name, meaning, and where the count is.
pub(super) type Counter<T> = (&'static str, &'static str, fn(&T) -> u64);

/// The page.
#[derive(Debug)]
pub(super) struct Page(pub(super) Arc<Figures>);

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (serving, mut lines) = (self.0.serving(), Lines(encoder));
        process(&mut lines, &self.0)?;
        reloads(&mut lines, &self.0)?;
        versions(&mut lines, &self.0, &serving)?;
        listeners(&mut lines, &serving)?;
        routes(&mut lines, &serving.plan)?;
        upstreams(&mut lines, &serving.plan)?;
        endpoints(&mut lines, &serving.plan)?;
        discovered(&mut lines, &self.0, &serving.plan)?;
        uses(&mut lines, &serving)?;
        declared(&mut lines, &serving.plan)?;
        certificates(&mut lines, &serving)?;
        traces(&mut lines, &serving)
    }
}

fn process(lines: &mut Lines<'_>, figures: &Figures) -> fmt::Result {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    lines.gauges("sluice_build_info", "The version of the gateway.")?.gauge(version, 1_u64)?;
    let help = "When the program began, seconds since 1970.";
    lines.gauges("process_start_time_seconds", help)?.gauge([], seconds(figures.started))?;
    let help = "Lines of the log that could not be written.";
    lines.counters("sluice_log_lines_lost", help)?.count([], log::lost())?;
    let help = "Panics: faults of the gateway itself, each of which cost one exchange or connection at most.";
    lines.counters("sluice_panics", help)?.count([], panics::counted())?;
    let connections = &figures.connections;
    lines.gauges("sluice_connections", "Connections of clients now.")?.gauge([], connections.open())?;
    let help = "Connections of clients that were let in.";
    lines.counters("sluice_connections_accepted", help)?.count([], connections.accepted())?;
    let help = "Connections of clients that were not let in, by the limit that was reached.";
    let mut refused = lines.counters("sluice_connections_refused", help)?;
    for (why, count) in connections.refused() {
        refused.count([("reason", why.as_str())], count)?;
    }
    let help = "Idle connections of clients that were closed to make room for others.";
    lines.counters("sluice_connections_shed", help)?.count([], connections.was_shed())?;
    let help = "Connections of clients, or streams of HTTP/2, that were cut off.";
    let mut cut = lines.counters("sluice_clients_cut", help)?;
    for (why, count) in connections.were_cut() {
        cut.count([("reason", why.as_str())], count)?;
    }
    Ok(())
}

fn reloads(lines: &mut Lines<'_>, figures: &Figures) -> fmt::Result {
    let done = figures.done();
    let help = "How often the configuration, certificates or keys were read again, by what came of it.";
    let mut reloads = lines.counters("sluice_reloads", help)?;
    reloads.count([("outcome", "served")], done.reloads_served)?;
    reloads.count([("outcome", "refused")], done.reloads_refused)?;
    let help = "When what is served was read, seconds since 1970; at first, the start.";
    lines.gauges("sluice_last_reload_success_timestamp_seconds", help)?.gauge([], seconds(done.read_at))?;
    let help = "What is wrong with the configuration and its files as they are; 0 where they are what serves.";
    let problems = done.refused.map_or(0, |(_, problems)| problems.len() as u64);
    lines.gauges("sluice_reload_problems", help)?.gauge([], problems)
}

fn versions(lines: &mut Lines<'_>, figures: &Figures, serving: &Serving) -> fmt::Result {
    let mut live = lines.gauges("sluice_plugin_info", "The version of a plugin that is live.")?;
    for plugin in &serving.plugins {
        let digest = plugin.digest.to_string();
        let version = &plugin.description.version;
        live.gauge([("plugin", &plugin.name), ("version", version), ("digest", &digest)], 1_u64)?;
    }
    let done = figures.done();
    let counts: [Counter<Versions>; 3] = [
        ("sluice_swaps", "Versions of a plugin that took the place of others.", |versions| versions.swaps),
        ("sluice_swaps_refused", "Versions of a plugin that were no good.", |versions| versions.refused),
        ("sluice_rollbacks", "Versions of a plugin that failed soon after and were taken back.", |versions| {
            versions.rollbacks
        }),
    ];
    for (name, help, count) in counts {
        let mut counters = lines.counters(name, help)?;
        for plugin in &serving.plugins {
            let versions = done.plugins.get(&plugin.name).copied().unwrap_or_default();
            counters.count([("plugin", &plugin.name)], count(&versions))?;
        }
    }
    Ok(())
}

/// What went over each route, and over none.
fn routes(lines: &mut Lines<'_>, plan: &Plan) -> fmt::Result {
    let traffic = plan.traffic.iter().chain([&plan.unrouted]);
    let totals: Vec<(&str, Totals)> = traffic.map(|traffic| (&*traffic.route, traffic.totals())).collect();
    let help = "Exchanges that are over, by what the client got; none: it had left. No route: none was found.";
    let mut requests = lines.counters("sluice_requests", help)?;
    for (route, totals) in &totals {
        for (code, count) in CODES.into_iter().zip(totals.codes) {
            requests.count([("route", *route), ("code", code)], count)?;
        }
    }
    let help = "Exchanges that have begun and are not over.";
    let mut in_flight = lines.gauges("sluice_exchanges_in_flight", help)?;
    for (route, totals) in totals.iter().filter(|(route, _)| !route.is_empty()) {
        in_flight.gauge([("route", *route)], totals.in_flight)?;
    }
    let help = "From the head of a request to the last byte of the answer.";
    let mut durations = lines.histograms("sluice_request_duration_seconds", help)?;
    for (route, totals) in &totals {
        durations.histogram([("route", *route)], totals.duration.as_secs_f64(), &totals.durations)?;
    }
    let counts: [Counter<Totals>; 2] = [
        ("sluice_received_bytes", "Body bytes from clients.", |totals| totals.received),
        ("sluice_sent_bytes", "Body bytes to clients.", |totals| totals.sent),
    ];
    for (name, help, count) in counts {
        let mut counters = lines.counters(name, help)?;
        for (route, totals) in &totals {
            counters.count([("route", *route)], count(totals))?;
        }
    }
    let help = "Attempts of exchanges after their first one, by what was wrong with the one before.";
    let mut retries = lines.counters("sluice_retries", help)?;
    for (route, totals) in &totals {
        for (why, count) in Again::ALL.into_iter().zip(totals.retries) {
            retries.count([("route", *route), ("reason", why.as_str())], count)?;
        }
    }
    let help = "Exchanges that were refused, by the bound that they would have passed.";
    let mut refused = lines.counters("sluice_requests_refused", help)?;
    for (route, totals) in &totals {
        for (bound, count) in Bound::ALL.into_iter().zip(totals.refused) {
            refused.count([("route", *route), ("reason", bound.as_str())], count)?;
        }
    }
    Ok(())
}

/// Retries that there were too many of, and the lines before upstreams that have one.
fn upstreams(lines: &mut Lines<'_>, plan: &Plan) -> fmt::Result {
    let help = "Retries that were not made, since the upstream's budget was used up.";
    let mut refused = lines.counters("sluice_retry_budget_exhausted", help)?;
    for upstream in &plan.upstreams {
        refused.count([("upstream", &upstream.name)], upstream.budget.refused())?;
    }
    let queues = || plan.upstreams.iter().filter_map(|upstream| Some((&*upstream.name, upstream.load.as_ref()?)));
    let mut waiting = lines.gauges("sluice_requests_queued", "Requests that wait for a place at an upstream now.")?;
    for (upstream, load) in queues() {
        waiting.gauge([("upstream", upstream)], load.waiting())?;
    }
    let mut waits =
        lines.counters("sluice_queue_waits", "Requests that have waited for a place, with or without one.")?;
    for (upstream, load) in queues() {
        waits.count([("upstream", upstream)], load.waits().0)?;
    }
    let mut waited = lines.counters("sluice_queue_wait_seconds", "How long they have waited, all together.")?;
    for (upstream, load) in queues() {
        waited.count([("upstream", upstream)], load.waits().1.as_secs_f64())?;
    }
    Ok(())
}

/// What plugins count themselves.
fn declared(lines: &mut Lines<'_>, plan: &Plan) -> fmt::Result {
    let uses = distinct(plan);
    let (families, left_out) = families(uses.iter().map(|(_, owner)| (owner.name.clone(), owner.metrics().all())));
    let help = "Figures that plugins declare and that are not shown, since others have their names.";
    lines.gauges("sluice_plugin_metrics_left_out", help)?.gauge([], left_out)?;
    for family in &families {
        let mut samples = match family.kind {
            Kind::Counter => lines.counters(&family.name, &family.help),
            Kind::Gauge => lines.gauges(&family.name, &family.help),
            Kind::Histogram => lines.histograms(&family.name, &family.help),
        }?;
        for (owner, metric) in &family.members {
            let labels = [("use", &**owner)];
            match family.kind {
                Kind::Counter => samples.count(labels, metric.value()),
                Kind::Gauge => samples.gauge(labels, metric.value()),
                Kind::Histogram => {
                    // A sum below 0 is no sum of a histogram, and strict scrapers take no page with one.
                    samples.histogram(labels, metric.value().max(0.0), &metric.buckets().collect::<Vec<_>>())
                }
            }?;
        }
    }
    Ok(())
}

/// Of several certificates for a name, the one that ends first. Those for endpoints have their upstream.
fn certificates(lines: &mut Lines<'_>, serving: &Serving) -> fmt::Result {
    let listeners = serving.listeners.iter().filter_map(|Listening { entrance, .. }| {
        let expiries = entrance.tls.as_ref()?.expiries();
        Some((("listener", entrance.address.to_string()), expiries))
    });
    let upstreams = serving.plan.upstreams.iter().filter_map(|upstream| {
        let expiries = upstream.way.tls()?.expiries();
        Some((("upstream", upstream.name.to_string()), expiries))
    });
    let mut ends: BTreeMap<((&str, String), &str), SystemTime> = BTreeMap::new();
    for (whose, expiries) in listeners.chain(upstreams) {
        for expiry in expiries {
            for name in &expiry.names {
                let end = ends.entry((whose.clone(), name)).or_insert(expiry.not_after);
                *end = expiry.not_after.min(*end);
            }
        }
    }
    let help = "When a certificate ends, seconds since 1970, by the listener's address or the upstream, and the name it is for.";
    let mut expiries = lines.gauges("sluice_certificate_expiry_timestamp_seconds", help)?;
    for (((kind, whose), name), end) in &ends {
        expiries.gauge([(*kind, whose.as_str()), ("name", *name)], seconds(*end))?;
    }
    Ok(())
}
