//! `sluice:plugin/members`: the endpoints of the upstream being served, in columns.

use wasmtime::Result;

use crate::config::model;
use crate::endpoint::Health;
use crate::plugin::bindings::sluice::plugin::members::Host;
use crate::plugin::bindings::sluice::plugin::types;
use crate::plugin::context::Context;

impl Context {
    fn column<T>(&self, of: impl Fn(&model::Endpoint) -> T) -> Result<Vec<T>> {
        Ok(self.members.endpoints.iter().map(|endpoint| of(&endpoint.settings)).collect())
    }
}

impl Host for Context {
    fn ids(&mut self) -> Result<Vec<String>> {
        self.column(|endpoint| endpoint.id.as_ref().to_owned())
    }

    fn addresses(&mut self) -> Result<Vec<String>> {
        self.column(|endpoint| endpoint.address.as_ref().to_owned())
    }

    fn weights(&mut self) -> Result<Vec<u32>> {
        self.column(|endpoint| endpoint.weight)
    }

    fn warm_up(&mut self) -> Result<Vec<u32>> {
        Ok(self.members.warm_up.clone())
    }

    fn priorities(&mut self) -> Result<Vec<u32>> {
        self.column(|endpoint| endpoint.priority)
    }

    fn conditions(&mut self) -> Result<Vec<types::Health>> {
        let verdict = |health: &Health| match health {
            Health::Healthy => types::Health::Healthy,
            Health::Degraded => types::Health::Degraded,
            Health::Draining => types::Health::Draining,
            Health::Unhealthy => types::Health::Unhealthy,
        };
        Ok(self.members.conditions.iter().map(verdict).collect())
    }

    fn zones(&mut self) -> Result<Vec<String>> {
        self.column(|endpoint| endpoint.zone.clone())
    }

    fn local_zone(&mut self) -> Result<String> {
        Ok(self.owner.zone.as_ref().to_owned())
    }

    fn labels(&mut self, key: String) -> Result<Vec<Option<String>>> {
        self.column(|endpoint| endpoint.labels.get(&key).cloned())
    }
}
