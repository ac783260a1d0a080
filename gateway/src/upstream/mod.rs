//! The way to an upstream's endpoints: connections and their pool, who is taken out for failing, and the host's own choice
//! when no plugin has one. Which endpoint a request goes to is otherwise none of its business.

mod budget;
mod choice;
mod connection;
mod ejection;
mod lease;
mod load;
mod outliers;
mod pool;
mod way;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::Notify;

pub use budget::Budget;
pub use choice::{Refused, admit, any_full, fallback};
pub use connection::{ConnectError, Ends, OWN_CONNECTION, SendError, Stream};
pub use lease::Lease;
pub use load::{Load, Place};
pub use pool::{Pool, Wanted};
pub use way::Way;

use crate::config::model;
use crate::endpoint::{Endpoint, Rules, Set, again};
use crate::tls::ToEndpoints;
use ejection::Counting;

/// A named group of endpoints, shared by all workers.
#[derive(Debug)]
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// Its endpoints.
    pub set: Arc<Set>,
    /// How connections to them are made.
    pub way: Arc<Way>,
    /// How many requests may be sent once more.
    pub budget: Arc<Budget>,
    /// Told when a request had no success with an endpoint, for whoever finds them.
    pub trouble: Arc<Notify>,
    /// How many requests it may have; none: as many as come.
    pub load: Option<Load>,
    ejection: model::Ejection,
    counting: Mutex<Counting>,
}

impl Upstream {
    /// As configured, with the TLS that was made of the same settings. `before` is what the upstream of this name was until now: what
    /// has not changed stays, down to the very same object if nothing has.
    pub fn new(settings: &model::Upstream, tls: Option<Arc<ToEndpoints>>, before: Option<&Arc<Self>>) -> Arc<Self> {
        let rules = Rules { when_all_bad: settings.when_all_bad, slow_start: settings.slow_start };
        let way = Way::new(settings, tls);
        let Some(before) = before else {
            let endpoints = settings.endpoints.iter().cloned().map(Endpoint::new).collect();
            return Self::with(settings, Set::new(endpoints, rules), way.into(), None);
        };
        let is_same_way = *before.way == way;
        let way = if is_same_way { before.way.clone() } else { way.into() };
        let known = &before.set.load().endpoints;
        let endpoints = match settings.discover {
            // Until its source says otherwise, it has those that it had.
            Some(_) => known.clone(),
            None => again(settings.endpoints.iter().cloned(), known, Endpoint::joining),
        };
        let is_same = endpoints.len() == known.len() && endpoints.iter().zip(known).all(|(a, b)| Arc::ptr_eq(a, b));
        match is_same && before.set.rules() == rules {
            true if before.is_bound_as(settings) && is_same_way => before.clone(),
            true => Self::with(settings, before.set.clone(), way, Some(before)),
            false => Self::with(settings, Set::new(endpoints, rules), way, Some(before)),
        }
    }

    /// Around members that somebody else looks after, by the clock that says `now`; nobody connects to them.
    pub fn around(settings: &model::Upstream, set: Arc<Set>, now: Instant) -> Arc<Self> {
        Self::at(settings, set, Way::new(settings, None).into(), None, now)
    }

    fn with(settings: &model::Upstream, set: Arc<Set>, way: Arc<Way>, before: Option<&Arc<Self>>) -> Arc<Self> {
        Self::at(settings, set, way, before, Instant::now())
    }

    fn at(
        settings: &model::Upstream,
        set: Arc<Set>,
        way: Arc<Way>,
        before: Option<&Arc<Self>>,
        now: Instant,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: settings.name.clone(),
            set,
            way,
            budget: before.map_or_else(|| Budget::since(now).into(), |before| before.budget.clone()),
            trouble: before.map(|before| before.trouble.clone()).unwrap_or_default(),
            load: Load::new(settings, before.and_then(|before| before.load.as_ref())),
            ejection: settings.ejection.clone(),
            counting: Counting::since(now).into(),
        })
    }

    fn is_bound_as(&self, settings: &model::Upstream) -> bool {
        let load = match &self.load {
            Some(load) => load.is_as(settings),
            None => settings.max_in_flight.is_none() && settings.queue.is_none(),
        };
        load && self.ejection == settings.ejection
    }

    /// Takes one retry from the budget, of which `per_mille` is the share; false if there are too many.
    pub fn take_retry(&self, per_mille: u32) -> bool {
        self.budget.take(self.set.attempts(), per_mille)
    }
}
