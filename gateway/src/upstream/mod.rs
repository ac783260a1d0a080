//! The way to an upstream's endpoints: connections and their pool, who is taken out for failing, and the host's own choice
//! when no plugin has one. Which endpoint a request goes to is otherwise none of its business.

mod choice;
mod connection;
mod ejection;
mod pool;

use std::sync::{Arc, Mutex};

pub use choice::{Refused, admit, fallback};
pub use connection::{ConnectError, Connection, SendError};
pub use pool::{Lease, Pool};

use crate::config::model;
use crate::endpoint::{Endpoint, Set};

/// A named group of endpoints, shared by all workers.
#[derive(Debug)]
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// Its endpoints.
    pub set: Arc<Set>,
    ejection: model::Ejection,
    /// Held while endpoints are counted out or in.
    counting: Mutex<()>,
}

impl Upstream {
    /// As configured.
    pub fn new(settings: &model::Upstream) -> Arc<Self> {
        let endpoints = settings.endpoints.iter().cloned().map(Endpoint::new).collect();
        Arc::new(Self {
            name: settings.name.clone(),
            set: Set::new(endpoints, settings.when_all_bad),
            ejection: settings.ejection.clone(),
            counting: Mutex::new(()),
        })
    }
}
