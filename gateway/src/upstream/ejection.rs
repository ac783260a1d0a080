//! Taking endpoints out that cannot be reached, and back in when their time is over.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};

use super::Upstream;
use crate::endpoint::Endpoint;

impl Upstream {
    /// A connection to `endpoint` was made: what failed before does not count any more.
    pub fn connected(&self, endpoint: &Endpoint) {
        if endpoint.failures.load(Ordering::Relaxed) != 0 {
            endpoint.failures.store(0, Ordering::Relaxed);
        }
    }

    /// A connection to `endpoint` failed; it is taken out if that was one too many. Needs a worker's runtime around it.
    pub fn unreachable(self: &Arc<Self>, endpoint: &Arc<Endpoint>) {
        let limit = self.ejection.consecutive_failures;
        let failures = endpoint.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if limit > 0 && failures >= limit && self.eject(endpoint) {
            let period = self.ejection.period;
            tracing::warn!(
                target: "sluice",
                upstream = %self.name,
                endpoint = %endpoint.settings.id,
                failures,
                seconds = period.as_secs_f64(),
                "ejected"
            );
            let (upstream, endpoint) = (Arc::downgrade(self), Arc::downgrade(endpoint));
            tokio::task::spawn_local(async move {
                tokio::time::sleep(period).await;
                take_back(&upstream, &endpoint);
            });
        }
    }

    /// False if it is out already, or too many are.
    fn eject(&self, endpoint: &Endpoint) -> bool {
        let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let members = self.set.snapshot();
        let total = members.endpoints.len();
        let out = members.endpoints.iter().filter(|e| e.ejected.load(Ordering::Relaxed)).count();
        let share = total * self.ejection.at_most_per_mille as usize / 1000;
        let most = if total > 1 { share.max(1) } else { 0 };
        if out >= most || endpoint.ejected.swap(true, Ordering::Relaxed) {
            return false;
        }
        endpoint.failures.store(0, Ordering::Relaxed);
        self.set.refresh();
        true
    }
}

fn take_back(upstream: &Weak<Upstream>, endpoint: &Weak<Endpoint>) {
    if let (Some(upstream), Some(endpoint)) = (upstream.upgrade(), endpoint.upgrade()) {
        let _counting = upstream.counting.lock().unwrap_or_else(PoisonError::into_inner);
        endpoint.ejected.store(false, Ordering::Relaxed);
        upstream.set.refresh();
        tracing::info!(target: "sluice", upstream = %upstream.name, endpoint = %endpoint.settings.id, "returned");
    }
}
