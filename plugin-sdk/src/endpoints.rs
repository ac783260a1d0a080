//! Live figures of the endpoints, kept by the host across all workers. An index out of range traps. Each call goes to the
//! host: 50 ns for one figure, about 10 ns for each more of a list, and a list is one allocation.

use crate::{EndpointIndex, Shares, below, host, mix};
use std::cmp::Ordering;

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

/// Bytes of bodies that go to it and come from it, a second, as a mean that decays over 2 s. Measured from the first question on.
pub fn bytes_per_second(endpoint: EndpointIndex) -> u64 {
    host::endpoints::bytes_per_second(endpoint)
}

/// The same for all, in one call.
pub fn bytes_per_second_all() -> Vec<u64> {
    host::endpoints::bytes_per_second_all()
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

/// Of `candidates`, the one with the fewest requests in flight per share; ties are drawn by share from `random`, since a
/// cursor of each worker would send them all to the same idle endpoint. A retry (`attempt` above 0) leaves out what this
/// exchange has tried. None if there is no candidate left that has a share.
pub fn least_busy(
    candidates: impl IntoIterator<Item = EndpointIndex>,
    shares: &Shares,
    in_flight: &[u32],
    attempt: u32,
    mut random: u64,
) -> Option<EndpointIndex> {
    let mut least_busy = None;
    // More than any load is: something in flight on no share at all.
    let (mut least_in_flight, mut least_share) = (1, 0);
    let mut tied_shares = 0;
    for endpoint in candidates {
        let (share, in_flight) = (shares.of(endpoint), u64::from(in_flight[endpoint as usize]));
        if share == 0 || attempt > 0 && tried(endpoint) {
            continue;
        }
        // Compares in flight / share without dividing.
        match (in_flight * least_share).cmp(&(least_in_flight * share)) {
            Ordering::Less => {
                (least_in_flight, least_share) = (in_flight, share);
                tied_shares = share;
                least_busy = Some(endpoint);
            }
            // Replaces the winner with the chance that is its share of all tied so far: in the end a weighted draw.
            Ordering::Equal => {
                tied_shares += share;
                random = mix(random);
                if below(random, tied_shares) < share {
                    least_busy = Some(endpoint);
                }
            }
            Ordering::Greater => {}
        }
    }
    least_busy
}
