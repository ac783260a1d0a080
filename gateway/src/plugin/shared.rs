//! What all instances of one use share and what outlives swaps: cells, store and metrics. Bounded in every direction,
//! because a guest decides what goes in.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cells::Cells;
use super::uses::Counters;
use crate::observe::metrics::Registry;

/// The shared state of one use.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) cells: Cells,
    pub(super) store: Store,
    pub(super) metrics: Registry,
    pub(super) counters: Counters,
    /// An operator has taken the use out.
    pub(super) disabled: AtomicBool,
}

impl Shared {
    /// A copy for a trial, to be thrown away. Figures start at nothing.
    pub(super) fn copy(&self) -> Self {
        Self { cells: self.cells.copy(), store: self.store.copy(), ..Self::default() }
    }
}

/// Why a write was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    TooLarge,
    Conflict,
}

/// A bounded key-value store in shards, each under a short lock.
#[derive(Debug)]
pub(super) struct Store {
    shards: Box<[Mutex<Shard>]>,
    hasher: std::hash::RandomState,
    versions: AtomicU64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            shards: (0..Self::SHARDS).map(|_| Mutex::default()).collect(),
            hasher: std::hash::RandomState::new(),
            versions: AtomicU64::new(1),
        }
    }
}

impl Store {
    const SHARDS: usize = 16;
    const LONGEST_KEY: usize = 512;
    const LONGEST_VALUE: usize = 64 * 1024;

    /// Value and version, none if absent or expired.
    pub(super) fn get(&self, key: &str, now: Instant) -> Option<(Arc<[u8]>, u64)> {
        self.shard(key).get(key, now)
    }

    /// Writes; `expected` is the version that must be there, 0 for none. `ttl_ms` 0: no expiry.
    pub(super) fn set(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl_ms: u32,
        expected: Option<u64>,
        now: Instant,
    ) -> Result<u64, Refusal> {
        if key.len() > Self::LONGEST_KEY || value.len() > Self::LONGEST_VALUE {
            return Err(Refusal::TooLarge);
        }
        let mut shard = self.shard(key);
        if let Some(expected) = expected {
            let found = shard.get(key, now).map_or(0, |(_, version)| version);
            if found != expected {
                return Err(Refusal::Conflict);
            }
        }
        let version = self.versions.fetch_add(1, Ordering::SeqCst);
        let expires = (ttl_ms > 0).then(|| now + Duration::from_millis(ttl_ms.into()));
        shard.put(key, Entry { value: value.into(), version, expires, used: 0 });
        Ok(version)
    }

    /// What was written since `version`, the least recently used first, and the version to ask with the next time.
    pub(super) fn since(&self, version: u64) -> (Vec<Held>, u64) {
        // What is written meanwhile comes once more the next time.
        let next = self.versions.load(Ordering::SeqCst);
        let now = Instant::now();
        let mut held: Vec<(u64, Held)> = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            let new = shard.entries.iter().filter(|(_, entry)| entry.version >= version);
            held.extend(new.filter_map(|(key, entry)| {
                let left = match entry.expires {
                    Some(expires) => Some(expires.checked_duration_since(now).filter(|left| !left.is_zero())?),
                    None => None,
                };
                Some((entry.used, Held { key: key.clone(), value: entry.value.clone(), left }))
            }));
        }
        held.sort_by_key(|(used, _)| *used);
        (held.into_iter().map(|(_, held)| held).collect(), next)
    }

    /// Removes; nothing happens if absent.
    pub(super) fn remove(&self, key: &str) {
        self.shard(key).take(key);
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder")]
    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        let index = self.hasher.hash_one(key) as usize % Self::SHARDS;
        lock(&self.shards[index])
    }

    fn copy(&self) -> Self {
        Self {
            shards: self.shards.iter().map(|shard| Mutex::new(lock(shard).clone())).collect(),
            hasher: self.hasher.clone(),
            versions: AtomicU64::new(self.versions.load(Ordering::Relaxed)),
        }
    }
}

/// An entry as it is handed on.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) key: Arc<str>,
    pub(super) value: Arc<[u8]>,
    /// Until it expires; none: never.
    pub(super) left: Option<Duration>,
}

#[derive(Debug, Clone)]
struct Entry {
    value: Arc<[u8]>,
    version: u64,
    expires: Option<Instant>,
    /// The shard's clock at the last use.
    used: u64,
}

/// Who goes first when a shard is full: the nearest expiry, then the least recently used.
type Rank = (Reverse<Option<Reverse<Instant>>>, u64);

#[derive(Debug, Default, Clone)]
struct Shard {
    entries: HashMap<Arc<str>, Entry>,
    order: BTreeSet<(Rank, Arc<str>)>,
    bytes: usize,
    clock: u64,
}

impl Entry {
    fn rank(&self) -> Rank {
        (Reverse(self.expires.map(Reverse)), self.used)
    }
}

impl Shard {
    const MOST_ENTRIES: usize = 100_000 / Store::SHARDS;
    const MOST_BYTES: usize = 64 * 1024 * 1024 / Store::SHARDS;

    fn get(&mut self, key: &str, now: Instant) -> Option<(Arc<[u8]>, u64)> {
        let (key, mut entry) = self.take(key)?;
        if entry.expires.is_some_and(|expires| expires <= now) {
            return None;
        }
        self.clock += 1;
        entry.used = self.clock;
        let found = (entry.value.clone(), entry.version);
        self.insert(key, entry);
        Some(found)
    }

    fn put(&mut self, key: &str, mut entry: Entry) {
        self.take(key);
        let size = key.len() + entry.value.len();
        while self.entries.len() >= Self::MOST_ENTRIES || self.bytes + size > Self::MOST_BYTES {
            let Some((_, first)) = self.order.first().cloned() else { break };
            self.take(&first);
        }
        self.clock += 1;
        entry.used = self.clock;
        self.insert(key.into(), entry);
    }

    fn insert(&mut self, key: Arc<str>, entry: Entry) {
        self.bytes += key.len() + entry.value.len();
        self.order.insert((entry.rank(), key.clone()));
        self.entries.insert(key, entry);
    }

    fn take(&mut self, key: &str) -> Option<(Arc<str>, Entry)> {
        let (key, entry) = self.entries.remove_entry(key)?;
        self.bytes -= key.len() + entry.value.len();
        self.order.remove(&(entry.rank(), key.clone()));
        Some((key, entry))
    }
}

/// A guest cannot panic while it holds one of these locks, and what they guard is whole between statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_guard_writes() {
        let (store, now) = (Store::default(), Instant::now());
        assert_eq!(store.set("k", b"a".to_vec(), 0, Some(5), now), Err(Refusal::Conflict));
        let first = store.set("k", b"a".to_vec(), 0, Some(0), now).unwrap();
        assert_eq!(store.set("k", b"b".to_vec(), 0, Some(0), now), Err(Refusal::Conflict));
        let second = store.set("k", b"b".to_vec(), 0, Some(first), now).unwrap();
        assert!(second > first);
        assert_eq!(store.get("k", now).unwrap().0.as_ref(), b"b");
        store.remove("k");
        assert!(store.get("k", now).is_none());
        assert_eq!(store.set(&"k".repeat(513), vec![], 0, None, now), Err(Refusal::TooLarge));
        assert_eq!(store.set("k", vec![0; 65 * 1024], 0, None, now), Err(Refusal::TooLarge));
    }

    #[test]
    fn full_gives_up_the_nearest_expiry_then_the_least_recently_used() {
        let mut shard = Shard::default();
        let now = Instant::now();
        let entry = |ttl: Option<u64>| Entry {
            value: vec![0; 8].into(),
            version: 1,
            expires: ttl.map(|s| now + Duration::from_secs(s)),
            used: 0,
        };
        for n in 0..Shard::MOST_ENTRIES {
            let ttl = match n {
                3 => Some(10),
                4 => Some(20),
                _ => None,
            };
            shard.put(&format!("k{n}"), entry(ttl));
        }
        shard.get("k0", now);
        let gone = |shard: &Shard, key: &str| !shard.entries.contains_key(key);
        shard.put("a", entry(None));
        assert!(gone(&shard, "k3") && !gone(&shard, "k4"));
        shard.put("b", entry(None));
        assert!(gone(&shard, "k4") && !gone(&shard, "k1"));
        shard.put("c", entry(None));
        assert!(gone(&shard, "k1") && !gone(&shard, "k0"));
    }

    #[test]
    fn an_entry_expires() {
        let mut shard = Shard::default();
        let now = Instant::now();
        shard.put("k", Entry { value: vec![].into(), version: 1, expires: Some(now), used: 0 });
        assert!(shard.get("k", now).is_none());
        assert_eq!((shard.bytes, shard.entries.len(), shard.order.len()), (0, 0, 0));
    }
}
