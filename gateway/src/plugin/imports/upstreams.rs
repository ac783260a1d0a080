//! `sluice:plugin/upstreams`: how many healthy endpoints the upstreams of a route have.

use wasmtime::{Result, bail};

use crate::plugin::bindings::sluice::plugin::upstreams::Host;
use crate::plugin::context::Context;

impl Host for Context {
    fn healthy(&mut self, upstream: u32) -> Result<u32> {
        match self.owner.upstreams.get(upstream as usize) {
            Some(upstream) => {
                let (name, live) = (upstream.name.clone(), upstream.set.load().healthy() as u32);
                Ok(self.saw(|seen| &mut seen.healthy, &name, live))
            }
            None => bail!("upstream {upstream} of {}", self.owner.upstreams.len()),
        }
    }
}
