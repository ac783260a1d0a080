//! Bounded key-value store shared by all workers of a use; it outlives swaps and reloads. 100,000 entries and 64 MiB a use;
//! when full, the nearest expiry goes first, then the least recently used. Each call takes a short lock, the only one on a
//! request's way.

use crate::host;
use std::time::Duration;

pub use crate::bindings::imports::sluice::plugin::store::{Entry, StoreError};

/// The entry, none if absent or expired.
pub fn get(key: &str) -> Option<Entry> {
    host::store::get(key)
}

/// Writes and gives the new version. Without `ttl` it does not expire. Fails with [`StoreError::TooLarge`] on a key over
/// 512 bytes or a value over 64 KiB.
pub fn set(key: &str, value: &[u8], ttl: Option<Duration>) -> Result<u64, StoreError> {
    host::store::set(key, value, milliseconds(ttl))
}

/// Writes if the version is still `version` (0: only if absent) and gives the new one; else fails with
/// [`StoreError::Conflict`].
pub fn compare_and_set(key: &str, version: u64, value: &[u8], ttl: Option<Duration>) -> Result<u64, StoreError> {
    host::store::compare_and_set(key, version, value, milliseconds(ttl))
}

/// Removes; nothing happens if absent.
pub fn remove(key: &str) {
    host::store::remove(key);
}

/// The contract's milliseconds, where 0 means no expiry: a shorter time to live is rounded up, a longer one cut to 49 days.
fn milliseconds(ttl: Option<Duration>) -> u32 {
    ttl.map_or(0, |ttl| u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX).max(1))
}
