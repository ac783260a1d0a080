//! How many requests of each client a route takes: a generic cell rate algorithm (the token bucket that keeps only when it will be
//! full again), one number a client, in a table that never grows beyond its bound. Over all workers, so there are locks: many,
//! each held for a look, and only where a route has such a bound.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderName;

use crate::config::model::{Rate, RateKey};
use crate::message::RequestHead;

/// Clients that are remembered; of more, those who came last.
const CLIENTS: usize = 100_000;
/// Parts of the table, each with a lock of its own.
const SHARDS: usize = 64;

/// The bound of one route.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    field: Option<HeaderName>,
    since: Instant,
    /// Keyed at random, so that nobody can make two clients one.
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

/// Clients with the nanosecond after `since` at which nothing is left of what they have sent. When the young are half of what may
/// be remembered, they become the old, and the old are forgotten.
#[derive(Debug, Default)]
struct Shard {
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
}

impl Limiter {
    /// Has seen nobody yet.
    pub fn new(rate: &Rate) -> Self {
        let field = match &rate.key {
            RateKey::Client => None,
            RateKey::Header(name) => HeaderName::from_bytes(name.as_bytes()).ok(),
        };
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { rate: rate.clone(), field, since: Instant::now(), hasher: RandomState::new(), shards }
    }

    /// True if it would be the same for that rate.
    pub fn is_as(&self, rate: &Rate) -> bool {
        self.rate == *rate
    }

    /// Counts one more request.
    ///
    /// # Errors
    /// The time after which its client may send one, if it has sent too many.
    pub fn admit(&self, head: &RequestHead, now: Instant) -> Result<(), Duration> {
        self.count(self.key(head), now)
    }

    fn key(&self, head: &RequestHead) -> u64 {
        let values = self.field.iter().flat_map(|name| head.headers.get_all(name));
        let values: Vec<&[u8]> = values.map(|value| value.as_bytes()).collect();
        if !values.is_empty() {
            return self.hasher.hash_one(values);
        }
        match head.client {
            IpAddr::V4(client) => self.hasher.hash_one(client.octets()),
            // Whoever has one address has the network around it.
            IpAddr::V6(client) => self.hasher.hash_one(client.to_bits() >> 64),
        }
    }

    fn count(&self, client: u64, now: Instant) -> Result<(), Duration> {
        let now = now.saturating_duration_since(self.since).as_nanos() as u64;
        // There is one for every remainder.
        let Some(shard) = self.shards.get(client as usize % SHARDS) else { return Ok(()) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let empty_at = shard.find(client);
        let next = pass(empty_at, now, self.rate.interval.as_nanos() as u64, self.rate.burst);
        shard.remember(client, *next.as_ref().unwrap_or(&empty_at));
        next.map(drop).map_err(Duration::from_nanos)
    }
}

impl Shard {
    fn find(&self, client: u64) -> u64 {
        self.young.get(&client).or_else(|| self.old.get(&client)).copied().unwrap_or(0)
    }

    fn remember(&mut self, client: u64, empty_at: u64) {
        if self.young.len() >= CLIENTS / SHARDS / 2 && !self.young.contains_key(&client) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(client, empty_at);
    }
}

/// When nothing will be left after one more request, or how much too early it is, in nanoseconds.
fn pass(empty_at: u64, now: u64, interval: u64, burst: u32) -> Result<u64, u64> {
    let ahead = interval.saturating_mul(u64::from(burst.max(1)) - 1);
    match empty_at.saturating_sub(ahead).checked_sub(now) {
        Some(too_early) if too_early > 0 => Err(too_early),
        _ => Ok(empty_at.max(now).saturating_add(interval)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_at_once_and_then_evenly() {
        // An interval of 10, three at once.
        let (mut empty_at, mut passed) = (0, Vec::new());
        for now in (100..=160).step_by(5) {
            for _ in 0..4 {
                if let Ok(next) = pass(empty_at, now, 10, 3) {
                    empty_at = next;
                    passed.push(now);
                }
            }
        }
        assert_eq!(passed, [100, 100, 100, 110, 120, 130, 140, 150, 160]);
        assert_eq!(pass(empty_at, 161, 10, 3), Err(9));
        // After a time without any, no more than a burst again.
        let later = pass(empty_at, 1_000, 10, 3).and_then(|at| pass(at, 1_000, 10, 3));
        let later = later.and_then(|at| pass(at, 1_000, 10, 3));
        assert_eq!((later, later.and_then(|at| pass(at, 1_000, 10, 3))), (Ok(1_030), Err(10)));
        assert_eq!(pass(u64::MAX, 5, u64::MAX, u32::MAX), Ok(u64::MAX), "no bound is left where numbers end");
    }

    #[test]
    fn the_table_has_a_bound_and_remembers_who_came_last() {
        let rate = Rate { interval: Duration::from_secs(3600), burst: 1, key: RateKey::Client };
        let (limiter, now) = (Limiter::new(&rate), Instant::now());
        assert_eq!((limiter.count(7, now), limiter.count(7, now).is_err()), (Ok(()), true));
        for client in 0..3 * CLIENTS as u64 {
            // One who keeps coming is remembered, whoever comes besides.
            assert!(limiter.count(7, now).is_err(), "{client}");
            let _ = limiter.count(client.wrapping_mul(0x9E37_79B9_7F4A_7C15), now);
        }
        let count = |shard: &Mutex<Shard>| shard.lock().map_or(0, |shard| shard.young.len() + shard.old.len());
        let remembered: usize = limiter.shards.iter().map(count).sum();
        assert!((CLIENTS / 2..=CLIENTS).contains(&remembered), "{remembered}");
        assert_eq!(limiter.count(0, now), Ok(()), "forgotten");
    }
}
