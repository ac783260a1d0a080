//! The way to an upstream's endpoints: connections and their pool, who is taken out for failing, and the host's own choice
//! when no plugin has one. Which endpoint a request goes to is otherwise none of its business.

mod bell;
mod choice;
mod connection;
mod ejection;
mod outliers;
mod pool;

use std::sync::{Arc, Mutex};

pub use choice::{Refused, admit, fallback};
pub use connection::{ConnectError, Connection, SendError, Stream};
pub use pool::{Lease, Pool};

use crate::config::model;
use crate::endpoint::{Endpoint, Rules, Set};
use ejection::Counting;

/// A named group of endpoints, shared by all workers.
#[derive(Debug)]
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// Its endpoints.
    pub set: Arc<Set>,
    ejection: model::Ejection,
    counting: Mutex<Counting>,
}

impl Upstream {
    /// As configured. `before` is what the upstream of this name was until now: what has not changed stays, down to the very
    /// same object if nothing has.
    pub fn new(settings: &model::Upstream, before: Option<&Arc<Self>>) -> Arc<Self> {
        let rules = Rules { when_all_bad: settings.when_all_bad, slow_start: settings.slow_start };
        let Some(before) = before else {
            let endpoints = settings.endpoints.iter().cloned().map(Endpoint::new).collect();
            return Self::with(settings, Set::new(endpoints, rules));
        };
        let known = &before.set.load().endpoints;
        let endpoints: Vec<_> = settings.endpoints.iter().map(|endpoint| again(endpoint, known)).collect();
        let is_same = endpoints.len() == known.len() && endpoints.iter().zip(known).all(|(a, b)| Arc::ptr_eq(a, b));
        match is_same && before.set.rules() == rules {
            true if before.ejection == settings.ejection => before.clone(),
            true => Self::with(settings, before.set.clone()),
            false => Self::with(settings, Set::new(endpoints, rules)),
        }
    }

    fn with(settings: &model::Upstream, set: Arc<Set>) -> Arc<Self> {
        let (name, ejection) = (settings.name.clone(), settings.ejection.clone());
        Arc::new(Self { name, set, ejection, counting: Mutex::default() })
    }
}

/// The endpoint of these settings: the known one if nothing has changed, or its figures if it is only described otherwise.
fn again(settings: &model::Endpoint, known: &[Arc<Endpoint>]) -> Arc<Endpoint> {
    let is_it = |known: &&Arc<Endpoint>| known.settings.id == settings.id && known.settings.address == settings.address;
    match known.iter().find(is_it) {
        Some(known) if known.settings == *settings => known.clone(),
        Some(known) => known.under(settings.clone()),
        None => Endpoint::joining(settings.clone()),
    }
}
