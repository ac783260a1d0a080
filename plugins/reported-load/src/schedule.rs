//! Weighted rotation whose weights change: the earliest deadline first, as in gRPC and Envoy. Each endpoint is due once in as many
//! choices as it has a share in all; who is chosen is due again so much later.

use sluice_plugin::{EndpointIndex, endpoints, mix};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Parts of one choice that are told apart.
const CHOICE: f64 = (1 << 20) as f64;

/// Who is due, and when.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// The deadline of the last choice.
    now: u64,
    due: BinaryHeap<Reverse<(u64, EndpointIndex)>>,
    /// From one choice of an endpoint to the next; 0: it is not chosen.
    periods: Vec<u64>,
}

impl Schedule {
    /// Nobody is due; `set` says who is.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Other weights. Who is due stays in its place, as far as it has waited; who is new begins anywhere in its period, by `seed`,
    /// so that workers do not all choose the same one.
    pub(crate) fn set(&mut self, weights: &[f64], seed: u64) {
        let total: f64 = weights.iter().sum();
        let period = |weight: &f64| if *weight > 0.0 { (total / weight * CHOICE).max(1.0) as u64 } else { 0 };
        let periods: Vec<u64> = weights.iter().map(period).collect();
        let mut waits: Vec<Option<f64>> = vec![None; weights.len()];
        for Reverse((deadline, endpoint)) in self.due.drain() {
            let before = self.periods[endpoint as usize] as f64;
            waits[endpoint as usize] = Some(deadline.saturating_sub(self.now) as f64 / before);
        }
        let somewhere = |endpoint: u64| mix(seed ^ mix(endpoint)) as f64 / u64::MAX as f64;
        for (endpoint, (period, waits)) in periods.iter().zip(waits).enumerate().filter(|(_, (period, _))| **period > 0)
        {
            let part = waits.unwrap_or_else(|| somewhere(endpoint as u64));
            // Times are numbers of choices, so that no sum of them is ever too large for 64 bits.
            self.due.push(Reverse(((part * *period as f64) as u64, endpoint as EndpointIndex)));
        }
        (self.now, self.periods) = (0, periods);
    }

    /// Who is due; none if nobody may be chosen.
    pub(crate) fn next(&mut self) -> Option<EndpointIndex> {
        let mut first = self.due.peek_mut()?;
        let Reverse((deadline, endpoint)) = *first;
        self.now = deadline;
        *first = Reverse((deadline + self.periods[endpoint as usize], endpoint));
        Some(endpoint)
    }

    /// The first to be due that this exchange has not tried. It is due all the same.
    pub(crate) fn next_untried(&self) -> Option<EndpointIndex> {
        let untried = self.due.iter().filter(|Reverse((_, endpoint))| !endpoints::tried(*endpoint));
        untried.max().map(|Reverse((_, endpoint))| *endpoint)
    }
}
