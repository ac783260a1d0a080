//! Live figures of the endpoints, kept by the host across all workers. An index out of range traps. Each call goes to the
//! host: 50 ns for one figure, about 10 ns for each more of a list, and a list is one allocation.

use crate::{EndpointIndex, host};

/// The latency of an endpoint that was never sampled.
pub const NEVER_SAMPLED: u32 = u32::MAX;

/// Requests sent and not finished, counted from the moment a choice is accepted.
pub fn in_flight(endpoint: EndpointIndex) -> u32 {
    host::endpoints::in_flight(endpoint)
}

/// The same for all, in one call.
pub fn in_flight_all() -> Vec<u32> {
    host::endpoints::in_flight_all()
}

/// Time to the response head in microseconds, as a peaking mean that decays over 10 s; a failure counts as its timeout.
/// [`NEVER_SAMPLED`] until there is one.
pub fn latency_us(endpoint: EndpointIndex) -> u32 {
    host::endpoints::latency_us(endpoint)
}

/// The same for all, in one call.
pub fn latency_us_all() -> Vec<u32> {
    host::endpoints::latency_us_all()
}

/// True if this exchange has already tried it; false outside [`Selection::select`](crate::Selection::select).
pub fn tried(endpoint: EndpointIndex) -> bool {
    host::endpoints::tried(endpoint)
}

/// The first of `candidates` that this exchange has not tried, looking from `start` on and round to it; none if all were.
/// Meant for retries: it asks the host once for each that it looks at.
pub fn first_untried(candidates: &[EndpointIndex], start: usize) -> Option<EndpointIndex> {
    let (before, from) = candidates.split_at(start.min(candidates.len()));
    from.iter().chain(before).copied().find(|&endpoint| !tried(endpoint))
}
