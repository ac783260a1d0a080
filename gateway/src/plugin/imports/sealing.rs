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
        if let Some(shown) = self.shown_token(token.as_bytes()) {
            self.saw_token(token.as_bytes(), shown.as_deref());
            return Ok(shown);
        }
        let found = self.opened.open(&self.owner.sealer, token.as_bytes());
        self.saw_token(token.as_bytes(), found.as_deref());
        Ok(found)
    }

    fn open_cookie(&mut self, _: Resource<Request>, name: String) -> Result<Option<Vec<u8>>> {
        if self.witness.is_none() {
            let Self { owner, opened, request: Some(request), .. } = self else { bail!("no request in hand") };
            let token = cookies::cookie(&request.headers, &name);
            return Ok(token.and_then(|token| opened.open(&owner.sealer, token)));
        }
        let Some(request) = self.request.clone() else { bail!("no request in hand") };
        let Some(token) = cookies::cookie(&request.headers, &name) else { return Ok(None) };
        let shown = self.shown_token(token);
        let found = shown.unwrap_or_else(|| self.opened.open(&self.owner.sealer, token));
        self.saw_token(token, found.as_deref());
        Ok(found)
    }
}
