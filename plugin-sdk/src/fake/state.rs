//! All that a fake host knows. It stands behind one `Rc`, shared by the host, its instances and the call in progress.

use super::Endpoint;
use crate::log::Level;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

pub(super) struct State {
    pub(super) use_name: String,
    pub(super) upstream: Option<String>,
    pub(super) upstreams: Vec<(String, u32)>,
    pub(super) workers: u32,
    pub(super) started: u32,
    pub(super) seed: u64,
    pub(super) local_zone: String,
    pub(super) endpoints: Vec<Endpoint>,
    /// Grows with every change of the members; an instance that has seen an older one is told first.
    pub(super) members_version: u64,
    pub(super) random: u64,
    pub(super) next_random: VecDeque<u64>,
    pub(super) now_us: u64,
    pub(super) cells: Vec<(String, i64)>,
    pub(super) store: BTreeMap<String, Stored>,
    pub(super) writes: u64,
    pub(super) seals: u64,
    pub(super) metrics: Vec<Metric>,
    pub(super) log: Vec<(Level, String)>,
}

pub(super) struct Stored {
    pub(super) value: Vec<u8>,
    pub(super) version: u64,
    /// Microseconds since 1970; none: never.
    pub(super) expires_us: Option<u64>,
}

pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: MetricKind,
    /// The count, the value last set, or the sum of the observations.
    pub(super) value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            use_name: "test".into(),
            upstream: Some("app".into()),
            upstreams: Vec::new(),
            workers: 1,
            started: 0,
            seed: 0,
            local_zone: String::new(),
            endpoints: Vec::new(),
            members_version: 1,
            random: 0,
            next_random: VecDeque::new(),
            // Some moment in 2026: what counts time from 1970 must not meet a zero that no gateway ever shows.
            now_us: 1_780_000_000_000_000,
            cells: Vec::new(),
            store: BTreeMap::new(),
            writes: 0,
            seals: 0,
            metrics: Vec::new(),
            log: Vec::new(),
        }
    }

    /// The next of a fixed sequence (SplitMix64), unless the test said what comes next.
    pub(super) fn draw(&mut self) -> u64 {
        if let Some(next) = self.next_random.pop_front() {
            return next;
        }
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        crate::hash::mix(self.random)
    }

    /// An entry of the store that has not expired.
    pub(super) fn find_stored(&self, key: &str) -> Option<&Stored> {
        let now_us = self.now_us;
        self.store.get(key).filter(|stored| stored.expires_us.is_none_or(|expires| expires > now_us))
    }

    pub(super) fn advance(&mut self, duration: Duration) {
        self.now_us += u64::try_from(duration.as_micros()).expect("a test lasts less than 584,000 years");
    }
}
