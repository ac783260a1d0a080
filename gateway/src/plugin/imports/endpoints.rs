//! `sluice:plugin/endpoints`: live figures of the endpoints, over all workers.

use std::sync::Arc;

use wasmtime::{Result, bail};

use crate::endpoint::Endpoint;
use crate::plugin::bindings::sluice::plugin::endpoints::Host;
use crate::plugin::context::Context;

impl Context {
    pub(super) fn endpoint(&self, index: u32) -> Result<&Arc<Endpoint>> {
        match self.members.endpoints.get(index as usize) {
            Some(endpoint) => Ok(endpoint),
            None => bail!("endpoint {index} of {}", self.members.endpoints.len()),
        }
    }
}

impl Host for Context {
    fn in_flight(&mut self, endpoint: u32) -> Result<u32> {
        let live = self.endpoint(endpoint)?.in_flight();
        Ok(self.saw_of(|seen| &mut seen.in_flight, endpoint, live))
    }

    fn in_flight_all(&mut self) -> Result<Vec<u32>> {
        let live = self.members.endpoints.iter().map(|endpoint| endpoint.in_flight()).collect();
        Ok(self.saw_all(|seen| &mut seen.in_flight, live))
    }

    fn latency_us(&mut self, endpoint: u32) -> Result<u32> {
        let live = self.endpoint(endpoint)?.latency_us(self.owner.now());
        Ok(self.saw_of(|seen| &mut seen.latency_us, endpoint, live))
    }

    fn latency_us_all(&mut self) -> Result<Vec<u32>> {
        let now = self.owner.now();
        let live = self.members.endpoints.iter().map(|endpoint| endpoint.latency_us(now)).collect();
        Ok(self.saw_all(|seen| &mut seen.latency_us, live))
    }

    fn bytes_per_second(&mut self, endpoint: u32) -> Result<u64> {
        let live = self.endpoint(endpoint)?.bytes_per_second();
        Ok(self.saw_of(|seen| &mut seen.bytes_per_second, endpoint, live))
    }

    fn bytes_per_second_all(&mut self) -> Result<Vec<u64>> {
        let live = self.members.endpoints.iter().map(|endpoint| endpoint.bytes_per_second()).collect();
        Ok(self.saw_all(|seen| &mut seen.bytes_per_second, live))
    }

    fn tried(&mut self, endpoint: u32) -> Result<bool> {
        let endpoint = self.endpoint(endpoint)?;
        Ok(self.tried.iter().any(|tried| tried.is(endpoint)))
    }
}
