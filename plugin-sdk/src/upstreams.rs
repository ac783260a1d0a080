//! What a routing plugin may know of the upstreams that it chooses from: for blue-green and fail-over.

use crate::{UpstreamIndex, host};

/// How many healthy endpoints it has now, at the cost of one host call. An index out of range traps.
pub fn healthy(upstream: UpstreamIndex) -> u32 {
    host::upstreams::healthy(upstream)
}
