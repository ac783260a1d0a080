//! How long an endpoint takes to answer, as one figure that all workers write and read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A peaking mean: it jumps up to a slow sample and decays towards quick ones over [`Latency::DECAY`]
/// (the peak EWMA of Finagle's balancer). Value and time stand in one word, so that workers never tear it.
#[derive(Debug)]
pub(super) struct Latency {
    /// High half: microseconds; low half: milliseconds since [`Latency::origin`].
    word: AtomicU64,
    origin: Instant,
}

impl Latency {
    const DECAY: Duration = Duration::from_secs(10);

    /// Without a sample; `origin`: all of them come later.
    pub(super) fn since(origin: Instant) -> Self {
        Self { word: AtomicU64::new(u64::from(u32::MAX) << 32), origin }
    }

    /// In microseconds, decayed to `now`; `u32::MAX` if never sampled.
    pub(super) fn read(&self, now: Instant) -> u32 {
        let word = self.word.load(Ordering::Relaxed);
        match (word >> 32) as u32 {
            u32::MAX => u32::MAX,
            value => (f64::from(value) * self.keep(word, now)) as u32,
        }
    }

    /// What is left of a value after the time since it was written.
    fn keep(&self, word: u64, now: Instant) -> f64 {
        let age = self.stamp(now).wrapping_sub(word as u32);
        // Another thread may have written a moment after `now`.
        let age = if age > u32::MAX / 2 { 0 } else { age };
        (-f64::from(age) / Self::DECAY.as_millis() as f64).exp()
    }

    fn stamp(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.origin).as_millis() as u32
    }

    /// From now on it is that; `u32::MAX`: never sampled.
    pub(super) fn set(&self, value: u32, now: Instant) {
        self.word.store((u64::from(value) << 32) | u64::from(self.stamp(now)), Ordering::Relaxed);
    }

    pub(super) fn sample(&self, sample: Duration, now: Instant) {
        let sample = u32::try_from(sample.as_micros()).unwrap_or(u32::MAX - 1);
        let update = |word: u64| {
            let value = (word >> 32) as u32;
            let next = if value == u32::MAX || sample > value {
                sample
            } else {
                let keep = self.keep(word, now);
                (f64::from(value) * keep + f64::from(sample) * (1.0 - keep)) as u32
            };
            Some(u64::from(next) << 32 | u64::from(self.stamp(now)))
        };
        // The closure always answers, so the update cannot fail.
        let _ = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }
}
