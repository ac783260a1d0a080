//! Taking endpoints out that cannot be reached, and back in when their time is over.

use std::sync::{Arc, PoisonError};

use super::Upstream;
use crate::endpoint::Endpoint;

impl Upstream {
    /// A connection to `endpoint` failed; it is taken out if that was one too many.
    pub fn unreachable(&self, endpoint: &Arc<Endpoint>) {
        let limit = self.ejection.consecutive_failures;
        let failures = endpoint.missed();
        if limit > 0 && failures >= limit && self.eject(endpoint) {
            tracing::warn!(
                target: "sluice",
                upstream = %self.name,
                endpoint = %endpoint.settings.id,
                failures,
                seconds = self.ejection.period.as_secs_f64(),
                "ejected"
            );
        }
    }

    /// Takes those back whose time is over. Called every now and then, by any worker; costs a look at each endpoint.
    pub fn look(&self) {
        for endpoint in &self.set.load().endpoints {
            if endpoint.take_back() {
                tracing::info!(target: "sluice", upstream = %self.name, endpoint = %endpoint.settings.id, "returned");
            }
        }
        self.set.refresh();
    }

    /// False if it is out already, or too many are.
    fn eject(&self, endpoint: &Endpoint) -> bool {
        let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let members = self.set.snapshot();
        let total = members.endpoints.len();
        let out = members.endpoints.iter().filter(|e| e.is_ejected()).count();
        let share = total * self.ejection.at_most_per_mille as usize / 1000;
        let most = if total > 1 { share.max(1) } else { 0 };
        if out >= most || !endpoint.eject(self.ejection.period) {
            return false;
        }
        self.set.refresh();
        true
    }
}
