//! Checks: endpoints are asked whether they may be used, each by a task of its own, for as long as the configuration wants
//! it. What is found stands in the endpoint's figures, where the next look at its set finds it. A fresh connection is made
//! for each check, as those of requests are made: that one can be is part of what is asked.

mod ask;
mod grpc;
mod tally;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::contact::{at_port, jittered};
use super::figures::Figures;
use crate::config::model::Health;
use crate::endpoint::{CheckVerdict, Endpoint};
use crate::observe::panics::survived;
use crate::state::Plan;
use crate::upstream::{Upstream, Way};
use ask::{Asked, Found, ask, sessions};
use tally::Tally;

/// Checks at a time, over all upstreams; others wait for their turn.
const AT_A_TIME: usize = 256;

/// All that are asked.
#[derive(Debug)]
pub(super) struct Checks {
    figures: Arc<Figures>,
    /// By the address of the endpoint's figures in memory, which stay where they are as long as they are here.
    running: HashMap<usize, Running>,
    turns: Arc<Semaphore>,
    /// Where names are looked up.
    lookups: Handle,
}

/// One endpoint that is asked; dropped, it is not any more.
#[derive(Debug)]
struct Running {
    endpoint: Arc<Endpoint>,
    way: Arc<Way>,
    health: Arc<Health>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Checks {
    /// Nobody yet.
    pub(super) fn new(figures: Arc<Figures>, lookups: Handle) -> Self {
        Self { figures, running: HashMap::new(), turns: Arc::new(Semaphore::new(AT_A_TIME)), lookups }
    }

    /// Asks those that a plan wants asked, and nobody else. Who is asked in the same way already is not disturbed; of who is
    /// asked no more, checks say nothing any more.
    pub(super) fn follow(&mut self, plan: &Plan) {
        let mut before = std::mem::take(&mut self.running);
        for (settings, upstream) in plan.config.upstreams.iter().zip(&plan.upstreams) {
            let Some(health) = &settings.health else { continue };
            for endpoint in &upstream.set.load().endpoints {
                let key = Arc::as_ptr(endpoint.figures()) as usize;
                let is_same = |running: &Running| running.health == *health && Arc::ptr_eq(&running.way, &upstream.way);
                let same = before.remove(&key).filter(is_same);
                let running = same.unwrap_or_else(|| self.begin(upstream, endpoint, health));
                self.running.insert(key, running);
            }
        }
        for Running { endpoint, .. } in before.values() {
            endpoint.set_checked(CheckVerdict::Unknown, None);
        }
    }

    fn begin(&self, upstream: &Upstream, endpoint: &Arc<Endpoint>, health: &Arc<Health>) -> Running {
        let asking = Asking {
            figures: self.figures.clone(),
            upstream: upstream.name.clone(),
            endpoint: endpoint.clone(),
            way: upstream.way.clone(),
            health: health.clone(),
            tally: Tally::new(endpoint.checked()),
            lookups: self.lookups.clone(),
        };
        let (mut asking, turns) = (asking, self.turns.clone());
        let keep_on = async move { while survived("health", asking.keep_on(&turns)).await.is_none() {} };
        let task = tokio::spawn(keep_on).abort_handle();
        Running { endpoint: endpoint.clone(), way: upstream.way.clone(), health: health.clone(), task }
    }
}

/// One endpoint while it is asked.
struct Asking {
    figures: Arc<Figures>,
    /// The name of its upstream.
    upstream: Arc<str>,
    endpoint: Arc<Endpoint>,
    way: Arc<Way>,
    health: Arc<Health>,
    tally: Tally,
    lookups: Handle,
}

impl Asking {
    /// Asks at once, and again and again.
    async fn keep_on(&mut self, turns: &Semaphore) {
        let address = at_port(&self.endpoint.settings.address, self.health.port);
        let sessions = sessions(&self.way, &self.health);
        loop {
            let began = Instant::now();
            let found = {
                // It is never closed.
                let _turn = turns.acquire().await;
                let (way, health, sessions) = (&*self.way, &*self.health, sessions.as_ref());
                ask(Asked { address: &address, way, sessions, health }, &self.lookups).await
            };
            self.take(found);
            let pause = jittered(self.health.interval, self.health.jitter_per_mille, fastrand::f64());
            sleep_until(began + pause).await;
        }
    }

    /// What a check found becomes a verdict, perhaps.
    fn take(&mut self, found: Found) {
        let Self { upstream, endpoint, health, tally, .. } = self;
        let id = endpoint.settings.id.clone();
        let reason = match found {
            Found::Good => None,
            Found::Bad(reason) => Some(reason),
            Found::Nothing(reason) => {
                tracing::debug!(target: "sluice", %upstream, endpoint = %id, %reason, "cannot check");
                return;
            }
        };
        endpoint.count_check(reason.is_none());
        if let Some(reason) = &reason {
            tracing::debug!(target: "sluice", %upstream, endpoint = %id, %reason, "check failed");
        }
        let before = endpoint.checked();
        let changed = tally.take(reason.is_none(), health.healthy_after, health.unhealthy_after);
        match (changed, reason) {
            (Some(verdict), reason) => {
                self.settle(verdict, reason.clone());
                let upstream = &self.upstream;
                match reason {
                    Some(reason) => {
                        tracing::warn!(target: "sluice", %upstream, endpoint = %id, %reason, "unhealthy");
                    }
                    None if before == CheckVerdict::Bad => {
                        tracing::info!(target: "sluice", %upstream, endpoint = %id, "healthy");
                    }
                    None => {}
                }
            }
            // Bad as before, perhaps for another reason by now.
            (None, Some(reason)) if before == CheckVerdict::Bad => self.endpoint.set_checked(before, Some(reason)),
            (None, _) => {}
        }
    }

    /// From now on that is what is said of it.
    fn settle(&self, verdict: CheckVerdict, reason: Option<String>) {
        self.endpoint.set_checked(verdict, reason);
        let serving = self.figures.serving();
        if let Some(live) = serving.plan.upstreams.iter().find(|live| live.name == self.upstream) {
            live.look(Instant::now().into_std());
        }
    }
}
