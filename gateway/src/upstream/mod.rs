//! The way to an upstream's endpoints: connections and their pool, who is taken out for failing, and the host's own choice
//! when no plugin has one. Which endpoint a request goes to is otherwise none of its business.

mod choice;
mod connection;
mod ejection;
mod lease;
mod outliers;
mod pool;
mod way;

use std::sync::{Arc, Mutex};

pub use choice::{Refused, admit, fallback};
pub use connection::{ConnectError, Ends, OWN_CONNECTION, SendError, Stream};
pub use lease::Lease;
pub use pool::{Pool, Wanted};
pub use way::Way;

use crate::config::model;
use crate::endpoint::{Endpoint, Rules, Set};
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
            return Self::with(settings, Set::new(endpoints, rules), way.into());
        };
        let is_same_way = *before.way == way;
        let way = if is_same_way { before.way.clone() } else { way.into() };
        let known = &before.set.load().endpoints;
        let endpoints: Vec<_> = settings.endpoints.iter().map(|endpoint| again(endpoint, known)).collect();
        let is_same = endpoints.len() == known.len() && endpoints.iter().zip(known).all(|(a, b)| Arc::ptr_eq(a, b));
        match is_same && before.set.rules() == rules {
            true if before.ejection == settings.ejection && is_same_way => before.clone(),
            true => Self::with(settings, before.set.clone(), way),
            false => Self::with(settings, Set::new(endpoints, rules), way),
        }
    }

    fn with(settings: &model::Upstream, set: Arc<Set>, way: Arc<Way>) -> Arc<Self> {
        let (name, ejection) = (settings.name.clone(), settings.ejection.clone());
        Arc::new(Self { name, set, way, ejection, counting: Mutex::default() })
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
