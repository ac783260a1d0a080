//! What a source is given: a way to tell what it has found, and to hear that it should look again.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{Notify, watch};

use super::standing::Standings;
use crate::config::MOST_FOUND;
use crate::config::model::Endpoint;

/// Endpoints of an upstream at one time. A source may be asked by several.
pub(super) type List = Arc<Vec<Endpoint>>;

/// Tells what the source of one upstream finds. Dropped, nobody is told any more.
#[derive(Debug)]
pub(super) struct Teller {
    upstream: Arc<str>,
    source: String,
    standings: Arc<Standings>,
    found: watch::Sender<Option<List>>,
    trouble: Arc<Notify>,
    last: Option<List>,
}

impl Teller {
    pub(super) fn new(
        upstream: Arc<str>,
        source: String,
        standings: Arc<Standings>,
        found: watch::Sender<Option<List>>,
        trouble: Arc<Notify>,
    ) -> Self {
        Self { upstream, source, standings, found, trouble, last: None }
    }

    /// These are the endpoints now. Their order is no matter; one that comes twice counts once.
    pub(super) fn found(&mut self, mut endpoints: Vec<Endpoint>) {
        // So that all gateways have them in one order, whoever told them.
        endpoints.sort_by(|one, other| one.id.cmp(&other.id));
        endpoints.dedup_by(|one, other| one.id == other.id);
        if endpoints.len() > MOST_FOUND {
            return self.failed(format!("{} endpoints, {MOST_FOUND} at most", endpoints.len()));
        }
        self.answered();
        if self.last.as_deref() != Some(&endpoints) {
            let list = Arc::new(endpoints);
            self.last = Some(list.clone());
            self.found.send_replace(Some(list));
        }
    }

    /// All is as it was told last.
    pub(super) fn answered(&self) {
        let failed = self.standings.of(&self.upstream, |standing| {
            standing.answers += 1;
            standing.answered = Some(SystemTime::now());
            standing.failing.take()
        });
        if failed.flatten().is_some() {
            let (upstream, source) = (&self.upstream, &self.source);
            tracing::info!(target: "sluice", %upstream, %source, "discovery answers again");
        }
    }

    /// There is no answer, or it makes no sense. What was found before stays; the same reason is said once.
    pub(super) fn failed(&self, reason: String) {
        let (upstream, source) = (&self.upstream, &self.source);
        let said = self.standings.of(upstream, |standing| {
            standing.failures += 1;
            let age = standing.answered.and_then(|answered| answered.elapsed().ok());
            let before = standing.failing.replace(reason.clone());
            (before.as_ref() != Some(&reason)).then_some(age)
        });
        let Some(age) = said.flatten() else { return };
        let endpoints = self.last.as_ref().map_or(0, |last| last.len());
        let seconds = age.map(|age| age.as_secs_f64());
        tracing::warn!(target: "sluice", %upstream, %source, %reason, endpoints, seconds, "discovery failed");
    }

    /// Waits until a request had no success with an endpoint: it may be gone, and the source may know.
    pub(super) async fn trouble(&self) {
        self.trouble.notified().await;
    }
}
