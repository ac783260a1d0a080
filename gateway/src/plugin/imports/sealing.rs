//! `sluice:plugin/sealing`: tokens that only this use can open.

use wasmtime::component::Resource;
use wasmtime::{Result, bail};

use crate::message::cookies;
use crate::plugin::bindings::sluice::plugin::sealing::Host;
use crate::plugin::context::{Context, Request};

/// Most bytes in a token.
const MOST_BYTES: usize = 1024;

impl Host for Context {
    fn seal(&mut self, data: Vec<u8>, ttl_s: u32) -> Result<String> {
        if data.len() > MOST_BYTES {
            bail!("{} bytes to seal, {MOST_BYTES} at most", data.len());
        }
        match self.owner.sealer.seal(&data, ttl_s) {
            Some(token) => Ok(token),
            None => bail!("sealing failed"),
        }
    }

    fn open(&mut self, token: String) -> Result<Option<Vec<u8>>> {
        Ok(self.opened.open(&self.owner.sealer, token.as_bytes()))
    }

    fn open_cookie(&mut self, _: Resource<Request>, name: String) -> Result<Option<Vec<u8>>> {
        let Self { owner, opened, request: Some(request), .. } = self else { bail!("no request in hand") };
        let token = cookies::cookie(&request.headers, &name);
        Ok(token.and_then(|token| opened.open(&owner.sealer, token)))
    }
}
