//! What sessions are bound to, as plugins keep it in a cookie or in the store.

use crate::TimeUs;
use std::time::Duration;

/// A session that belongs to an endpoint. It names the endpoint by its id, which outlives changes of the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// When it was bound, or bound anew.
    pub since: TimeUs,
    /// Whose it is.
    pub endpoint_id: String,
}

impl Session {
    /// True once half of that time to live is over: early enough to bind it anew, and so seldom that it costs little.
    pub fn is_half_over(&self, now: TimeUs, ttl: Duration) -> bool {
        u128::from(now.saturating_sub(self.since)) > ttl.as_micros() / 2
    }

    /// As bytes, for [`from_bytes`](Self::from_bytes) of this or any later version.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.since.to_le_bytes(), self.endpoint_id.as_bytes()].concat()
    }

    /// From bytes; none if they are no session.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (since, endpoint_id) = bytes.split_first_chunk()?;
        Some(Self { since: TimeUs::from_le_bytes(*since), endpoint_id: String::from_utf8(endpoint_id.to_vec()).ok()? })
    }
}
