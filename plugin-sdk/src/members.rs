//! Who the endpoints are. The set is announced when it changes and read in columns, so that a choice does not pay for it.

use crate::{EndpointIndex, Health, Shares, host};
use std::collections::BTreeMap;

/// The endpoints of the upstream being served, lent to [`Selection::set_endpoints`](crate::Selection::set_endpoints). The
/// position in each column is the [`EndpointIndex`]. Every call copies a column out of the host, about 10 ns a number and
/// 50 ns a text.
#[derive(Debug)]
pub struct Members {
    count: u32,
}

impl Members {
    #[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
    pub(crate) fn new(count: u32) -> Self {
        Self { count }
    }

    /// How many there are. 0 is legal.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Stable identity: what a cookie, a hash ring or saved state may hold on to.
    pub fn ids(&self) -> Vec<String> {
        host::members::ids()
    }

    /// Host and port.
    pub fn addresses(&self) -> Vec<String> {
        host::members::addresses()
    }

    /// As configured, 1 to 1000. Most plugins want [`shares`](Self::shares).
    pub fn weights(&self) -> Vec<u32> {
        host::members::weights()
    }

    /// Slow start, per mille of the weight, in at most ten steps; 1000: none.
    pub fn warm_up(&self) -> Vec<u32> {
        host::members::warm_up()
    }

    /// As configured, 0 is the first choice.
    pub fn priorities(&self) -> Vec<u32> {
        host::members::priorities()
    }

    /// The host's verdict: checks, ejection, draining, and the rule for "all are bad".
    pub fn conditions(&self) -> Vec<Health> {
        host::members::conditions()
    }

    /// As configured, empty where not.
    pub fn zones(&self) -> Vec<String> {
        host::members::zones()
    }

    /// Where this gateway stands, empty if not configured.
    pub fn local_zone(&self) -> String {
        host::members::local_zone()
    }

    /// A label of each endpoint.
    pub fn labels(&self, key: &str) -> Vec<Option<String>> {
        host::members::labels(key)
    }

    /// Those that may be chosen for a new session: healthy or degraded.
    pub fn choosable(&self) -> Vec<EndpointIndex> {
        let conditions = self.conditions();
        (0..self.count).filter(|&endpoint| is_choosable(conditions[endpoint as usize])).collect()
    }

    /// Those that may serve a session that is theirs, by id: healthy, degraded or draining. The host lets a use choose
    /// draining ones only if [`Setup::keep_draining`](crate::Setup::keep_draining) asked for that.
    pub fn keeping_sessions(&self) -> BTreeMap<String, EndpointIndex> {
        let members = self.ids().into_iter().zip(0..).zip(self.conditions());
        members.filter(|(_, health)| *health != Health::Unhealthy).map(|(member, _)| member).collect()
    }

    /// What each may take of the traffic: its weight times its slow start, so 1000 for a warm endpoint of weight 1, and 0
    /// for those that may not be chosen.
    pub fn shares(&self) -> Shares {
        let weights = self.weights().into_iter().zip(self.warm_up());
        let shares = self.conditions().into_iter().zip(weights);
        let share = |(health, (weight, warm_up))| if is_choosable(health) { weight * warm_up } else { 0 };
        Shares::new(&shares.map(share).collect::<Vec<u32>>())
    }
}

fn is_choosable(health: Health) -> bool {
    matches!(health, Health::Healthy | Health::Degraded)
}
