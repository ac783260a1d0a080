//! An upstream as plugins see it, without anybody behind it: endpoints whose figures and health are set by hand, and the clock of
//! all their times.

use std::sync::Arc;
use std::time::Duration;

use crate::config::model;
use crate::endpoint::{CheckVerdict, Endpoint, Members, Rules, Set, again};
use crate::observe::StandingClock;
use crate::plugin::Named;

/// When the time of a stage begins, microseconds since 1970.
pub const BEGINNING: u64 = 1_700_000_000_000_000;

/// An upstream and its clock.
#[derive(Debug)]
pub struct Stage {
    /// The clock that every time of its endpoints comes from. Several stages may have the same one.
    pub clock: Arc<StandingClock>,
    upstream: Named,
}

impl Stage {
    /// With endpoints that are there from the start.
    pub fn new(upstream: &str, clock: &Arc<StandingClock>, endpoints: Vec<model::Endpoint>, rules: Rules) -> Arc<Self> {
        let now = clock.instant();
        let endpoints = endpoints.into_iter().map(|settings| Endpoint::since(now, settings, true));
        // What `new` makes of them it makes by the machine's clock, but none of it depends on the time.
        let set = Set::new(endpoints.collect(), rules);
        set.refresh(now);
        Arc::new(Self { clock: clock.clone(), upstream: Named { name: upstream.into(), set } })
    }

    /// The endpoints as they are now.
    pub fn members(&self) -> Arc<Members> {
        self.upstream.set.snapshot()
    }

    /// The upstream, for uses that choose among several.
    pub fn upstream(&self) -> &Named {
        &self.upstream
    }

    /// Other endpoints, as after a reload: what is seen of one stays with its id and address, and who is new starts slowly.
    pub fn change(&self, endpoints: Vec<model::Endpoint>) {
        let known = self.members();
        let now = self.clock.instant();
        let joining = |settings| Endpoint::since(now, settings, false);
        self.upstream.set.replace(again(endpoints, &known.endpoints, joining), now);
    }

    /// Says whether an endpoint may be used, as a health check would. Nothing happens where there is none.
    pub fn judge(&self, index: usize, is_good: bool) {
        if let Some(endpoint) = self.members().endpoints.get(index) {
            let verdict = if is_good { CheckVerdict::Good } else { CheckVerdict::Bad };
            endpoint.set_checked(verdict, None);
            self.refresh();
        }
    }

    /// Says whether an endpoint is to finish what it has and get nothing new.
    pub fn drain(&self, index: usize, drains: bool) {
        if let Some(endpoint) = self.members().endpoints.get(index) {
            endpoint.set_drained(drains);
            self.refresh();
        }
    }

    /// Takes one sample of the time that an endpoint takes to answer.
    pub fn sample(&self, index: usize, latency: Duration) {
        if let Some(endpoint) = self.members().endpoints.get(index) {
            endpoint.sample_latency(latency, self.clock.instant());
        }
    }

    /// Moves the clock on; endpoints that start slowly take more for it.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.refresh();
    }

    /// Judges all endpoints again, after something of them was changed without the stage.
    pub fn refresh(&self) {
        self.upstream.set.refresh(self.clock.instant());
    }
}

/// An endpoint of that id, with everything else as it is where a file says nothing of it.
pub fn endpoint(id: &str) -> model::Endpoint {
    model::Endpoint {
        id: id.into(),
        address: format!("{id}:80").into(),
        weight: 1,
        priority: 0,
        zone: String::new(),
        labels: Default::default(),
        max_in_flight: None,
        draining: false,
    }
}
