//! `sluice:plugin/store`: the bounded key-value store of a use.

use wasmtime::Result;

use crate::plugin::bindings::sluice::plugin::store::{Entry, Host, StoreError};
use crate::plugin::context::Context;
use crate::plugin::shared::Refusal;

type Written = std::result::Result<u64, StoreError>;

impl Host for Context {
    fn get(&mut self, key: String) -> Result<Option<Entry>> {
        if let Some(shown) = self.shown_entry(&key) {
            return Ok(shown.map(|(value, version)| Entry { value, version }));
        }
        let found = self.state.store.get(&key, self.owner.now());
        self.saw_entry(&key, found.as_ref().map(|(value, version)| (&**value, *version)));
        Ok(found.map(|(value, version)| Entry { value: value.to_vec(), version }))
    }

    fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: u32) -> Result<Written> {
        Ok(self.state.store.set(&key, value, ttl_ms, None, self.owner.now()).map_err(StoreError::from))
    }

    fn compare_and_set(&mut self, key: String, version: u64, value: Vec<u8>, ttl_ms: u32) -> Result<Written> {
        if let Some(is_made) = self.shown_write(&key) {
            self.saw_write(&key, is_made);
            return Ok(if is_made { Ok(version + 1) } else { Err(StoreError::Conflict) });
        }
        let written = self.state.store.set(&key, value, ttl_ms, Some(version), self.owner.now());
        self.saw_write(&key, written.is_ok());
        Ok(written.map_err(StoreError::from))
    }

    fn remove(&mut self, key: String) -> Result<()> {
        self.state.store.remove(&key);
        Ok(())
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooLarge => StoreError::TooLarge,
            Refusal::Conflict => StoreError::Conflict,
        }
    }
}
