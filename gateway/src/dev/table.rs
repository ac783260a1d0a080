//! How the version that serves chooses: its uses with what their calls cost, and the endpoints with what they got, since it serves.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::TELL;
use crate::config::model::{PluginIndex, PluginSource, UpstreamIndex, UseIndex};
use crate::control::Handle;
use crate::endpoint::Health;
use crate::plugin::{Digest, FailureKind, Hook};
use crate::state::Serving;

/// Endpoints that are shown; a terminal has so many lines.
const SHOWN: usize = 16;

/// What was counted at one moment, since the gateway began.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Attempts at each endpoint by upstream and id, and those that failed.
    endpoints: BTreeMap<(Arc<str>, Arc<str>), (u64, u64)>,
    /// By the name of a use and the hook: calls; those that were timed, and what they took.
    hooks: BTreeMap<(Arc<str>, &'static str), (u64, u64, Duration)>,
    /// Calls that failed, by the name of a use.
    failures: BTreeMap<Arc<str>, u64>,
}

/// The gateway as an author looks at it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) gateway: Handle,
    served: PathBuf,
    plugin: String,
    /// When this version began to serve, and what was counted by then.
    since: Counts,
    began: Instant,
    digest: Option<Digest>,
    /// What was shown last, and when.
    last: (Counts, Instant),
    told: Instant,
}

/// One endpoint's line.
#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    weight: u32,
    health: Health,
    choices: u64,
    share: f64,
    per_second: f64,
    in_flight: u32,
    failed: u64,
    latency_us: Option<u32>,
}

impl Table {
    pub(super) fn new(gateway: Handle, served: PathBuf) -> Self {
        let now = Instant::now();
        let mut table = Self {
            gateway,
            served,
            plugin: String::new(),
            since: Counts::default(),
            began: now,
            digest: None,
            last: (Counts::default(), now),
            told: now,
        };
        let serving = table.gateway.serving();
        if let Some(live) = table.index(&serving).and_then(|index| serving.plugins.get(index)) {
            table.plugin.clone_from(&live.name);
            table.digest = Some(live.digest);
        }
        table.since = table.counts();
        table.last.0.clone_from(&table.since);
        table
    }

    /// What the gateway calls the plugin.
    pub(super) fn plugin(&self) -> &str {
        &self.plugin
    }

    /// The version that serves.
    pub(super) fn version(&self) -> String {
        let serving = self.gateway.serving();
        let live = self.index(&serving).and_then(|index| serving.plugins.get(index));
        live.map_or_else(String::new, |live| {
            let said = &live.description;
            format!("{} {} ({})", said.name, said.version, live.digest)
        })
    }

    /// Another version serves, and these are the counts that it begins with.
    pub(super) fn begin(&mut self, before: Counts) {
        let serving = self.gateway.serving();
        self.digest = self.index(&serving).and_then(|index| serving.plugins.get(index)).map(|live| live.digest);
        (self.since, self.began) = (before, Instant::now());
    }

    /// The version that serves, if it is another one than was put there.
    pub(super) fn went_back(&mut self) -> Option<String> {
        let serving = self.gateway.serving();
        let live = self.index(&serving).and_then(|index| serving.plugins.get(index))?;
        if self.digest == Some(live.digest) {
            return None;
        }
        let now = self.counts();
        self.begin(now);
        Some(self.version())
    }

    /// Whether choices are to be told: some were made since they were told last, and that is a while ago.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        if now.duration_since(self.told) < TELL {
            return false;
        }
        self.told = now;
        self.counts().endpoints != self.last.0.endpoints
    }

    fn index(&self, serving: &Serving) -> Option<PluginIndex> {
        let mut plugins = serving.plan.config.plugins.iter();
        plugins.position(|plugin| matches!(&plugin.source, PluginSource::File { path, .. } if *path == self.served))
    }

    /// The uses, each name once.
    fn uses(&self, serving: &Serving) -> Vec<UseIndex> {
        let mut places: Vec<UseIndex> =
            self.index(serving).into_iter().flat_map(|index| serving.uses_of(index)).collect();
        places.dedup_by(|one, other| serving.owner(*one).name == serving.owner(*other).name);
        places
    }

    /// The upstreams that they choose among, or whose answers they see.
    fn upstreams(&self, serving: &Serving) -> Vec<UpstreamIndex> {
        let config = &serving.plan.config;
        let mut found = Vec::new();
        for place in self.index(serving).into_iter().flat_map(|index| serving.uses_of(index)) {
            let Some(used) = config.uses.get(place) else { continue };
            found.extend(used.upstream.iter().chain(&used.upstreams));
            let answers = config.routes.iter().filter(|route| route.response.contains(&place));
            found.extend(answers.flat_map(|route| &route.upstreams));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// What is counted by now.
    pub(super) fn counts(&self) -> Counts {
        let serving = self.gateway.serving();
        let mut counts = Counts::default();
        for upstream in self.upstreams(&serving) {
            let Some(upstream) = serving.plan.upstreams.get(upstream) else { continue };
            for endpoint in &upstream.set.snapshot().endpoints {
                let failed = endpoint.totals().failed();
                let name = (upstream.name.clone(), endpoint.settings.id.clone());
                counts.endpoints.insert(name, (endpoint.attempts(), failed));
            }
        }
        for place in self.uses(&serving) {
            let (owner, plugin) = (serving.owner(place), serving.plugin_of(place));
            let costs = owner.counters().costs();
            for (hook, cost) in Hook::ALL.into_iter().zip(&costs.hooks).filter(|(hook, _)| plugin.has(*hook)) {
                let timed = cost.timed().map(|(_, count)| count).sum();
                counts.hooks.insert((owner.name.clone(), hook.as_str()), (cost.calls, timed, cost.timed_sum));
            }
            let failures = FailureKind::ALL.into_iter().map(|kind| owner.counters().failures(kind)).sum();
            counts.failures.insert(owner.name.clone(), failures);
        }
        counts
    }

    fn rows(&self, now: &Counts) -> Vec<Row> {
        let (serving, moment) = (self.gateway.serving(), Instant::now());
        let seconds = moment.duration_since(self.last.1).as_secs_f64().max(0.001);
        let attempts = |counts: &Counts, name: &(Arc<str>, Arc<str>)| counts.endpoints.get(name).map_or(0, |one| one.0);
        let all: u64 = now.endpoints.iter().map(|(name, one)| one.0 - attempts(&self.since, name).min(one.0)).sum();
        let mut rows = Vec::new();
        for upstream in self.upstreams(&serving) {
            let Some(upstream) = serving.plan.upstreams.get(upstream) else { continue };
            let members = upstream.set.snapshot();
            for (endpoint, health) in members.endpoints.iter().zip(&members.conditions) {
                let name = (upstream.name.clone(), endpoint.settings.id.clone());
                let (made, failed) = now.endpoints.get(&name).copied().unwrap_or_default();
                let choices = made.saturating_sub(attempts(&self.since, &name));
                let failed_before = self.since.endpoints.get(&name).map_or(0, |one| one.1);
                rows.push(Row {
                    name: format!("{}/{}", name.0, name.1),
                    weight: endpoint.settings.weight,
                    health: *health,
                    choices,
                    share: if all == 0 { 0.0 } else { choices as f64 * 100.0 / all as f64 },
                    per_second: made.saturating_sub(attempts(&self.last.0, &name)) as f64 / seconds,
                    in_flight: endpoint.in_flight(),
                    failed: failed.saturating_sub(failed_before),
                    latency_us: Some(endpoint.latency_us(moment)).filter(|latency| *latency != u32::MAX),
                });
            }
        }
        rows
    }

    /// What the calls of each hook cost since this version serves, a line each.
    fn calls(&self, now: &Counts) -> Vec<String> {
        let line = |((name, hook), (calls, timed, took)): (&(Arc<str>, &str), &(u64, u64, Duration))| {
            let before = self.since.hooks.get(&(name.clone(), hook)).copied().unwrap_or_default();
            let (calls, timed) = (calls.saturating_sub(before.0), timed.saturating_sub(before.1));
            let took = took.saturating_sub(before.2).as_nanos() as u64;
            let each = took.checked_div(timed).map_or_else(|| "-".to_owned(), |ns| ns.to_string());
            let failed = now.failures.get(name).copied().unwrap_or_default();
            let failed = failed.saturating_sub(self.since.failures.get(name).copied().unwrap_or_default());
            format!("{name}: {hook}: {calls} calls, {each} ns a call, {failed} failed")
        };
        now.hooks.iter().map(line).collect()
    }

    /// The table of the moment.
    pub(super) fn text(&mut self) -> String {
        let now = self.counts();
        let (rows, calls) = (self.rows(&now), self.calls(&now));
        self.last = (now, Instant::now());
        let serves = self.began.elapsed().as_secs();
        let mut text = format!("\n{}, serving for {} min {} s\n", self.version(), serves / 60, serves % 60);
        text.extend(calls.iter().map(|call| format!("  {call}\n")));
        let widest = rows.iter().take(SHOWN).map(|row| row.name.chars().count()).max().unwrap_or(0).max(8);
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "  {:widest$}  {:>6}  {:9}  {:>9}  {:>6}  {:>8}  {:>9}  {:>7}  {:>10}",
            "endpoint", "weight", "health", "choices", "share", "a second", "in flight", "failed", "latency"
        );
        for row in rows.iter().take(SHOWN) {
            let Row { name, weight, choices, share, per_second, in_flight, failed, .. } = row;
            let latency = row.latency_us.map_or_else(|| "-".to_owned(), |us| format!("{:.1} ms", f64::from(us) / 1e3));
            let _ = writeln!(
                text,
                "  {name:widest$}  {weight:>6}  {:9}  {choices:>9}  {share:>4.1} %  {per_second:>8.0}  {in_flight:>9}  {failed:>7}  {latency:>10}",
                row.health.as_str()
            );
        }
        if rows.len() > SHOWN {
            let _ = writeln!(text, "  and {} more", rows.len() - SHOWN);
        }
        text
    }

    /// The same in a line.
    pub(super) fn line(&mut self) -> String {
        let now = self.counts();
        let (rows, calls) = (self.rows(&now), self.calls(&now));
        self.last = (now, Instant::now());
        let row = |row: &Row| {
            let Row { name, choices, share, in_flight, failed, .. } = row;
            format!("{name} {share:.1} % ({choices}, {in_flight} in flight, {failed} failed)")
        };
        let rows: Vec<String> = rows.iter().take(SHOWN).map(row).collect();
        format!("choices: {}; {}", rows.join(", "), calls.join("; "))
    }
}
