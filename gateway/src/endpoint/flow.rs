//! How many bytes go to an endpoint and come from it, a second. Nobody looks at a clock for that on a request's way: workers count
//! what passes, and who looks after the endpoints compares what was counted by then. Only where somebody has asked for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Endpoint;

/// What the mean forgets in.
const DECAY: Duration = Duration::from_secs(2);

/// The flow of an endpoint, as a mean. One thread writes it.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Somebody has asked for it.
    wanted: AtomicBool,
    bytes_per_second: AtomicU64,
    /// All bytes, when they were last looked at, and when that was: milliseconds since it is known of; 0: never.
    seen: AtomicU64,
    at: AtomicU64,
}

impl Endpoint {
    /// Bytes of bodies that go there and come from there, a second. Measured from the first question on.
    pub fn bytes_per_second(&self) -> u64 {
        let flow = &self.figures.flow;
        if !flow.wanted.load(Ordering::Relaxed) {
            flow.wanted.store(true, Ordering::Relaxed);
        }
        flow.bytes_per_second.load(Ordering::Relaxed)
    }

    /// True if somebody wants to know what flows.
    pub fn is_measured(&self) -> bool {
        self.figures.flow.wanted.load(Ordering::Relaxed)
    }

    /// Compares what was counted with what it was; only one thread may do so.
    pub fn measure(&self, now: Instant) {
        if self.is_measured() {
            let totals = self.totals();
            self.figures.flow.take(totals.sent.wrapping_add(totals.received), self.figures.stamp(now));
        }
    }

    /// Sets what flows, where nobody measures it.
    pub fn set_bytes_per_second(&self, bytes: u64) {
        self.figures.flow.bytes_per_second.store(bytes, Ordering::Relaxed);
    }
}

impl Flow {
    fn take(&self, total: u64, now: u64) {
        let before = self.at.load(Ordering::Relaxed);
        let passed = Duration::from_millis(now.saturating_sub(before));
        if before != 0 && passed.is_zero() {
            return;
        }
        let seen = self.seen.swap(total, Ordering::Relaxed);
        self.at.store(now, Ordering::Relaxed);
        if before != 0 {
            let sample = total.saturating_sub(seen) as f64 / passed.as_secs_f64();
            let keep = (-passed.as_secs_f64() / DECAY.as_secs_f64()).exp();
            let mean = self.bytes_per_second.load(Ordering::Relaxed) as f64 * keep + sample * (1.0 - keep);
            self.bytes_per_second.store(mean.round() as u64, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_is_known_after_a_while_and_forgotten_as_soon() {
        let flow = Flow::default();
        let rate = || flow.bytes_per_second.load(Ordering::Relaxed);
        // What had passed before counts for nothing.
        flow.take(1_000_000, 1);
        assert_eq!(rate(), 0);
        for step in 1..=200 {
            flow.take(1_000_000 + step * 500, 1 + step * 50);
        }
        assert!((9_900..=10_000).contains(&rate()), "{}", rate());
        flow.take(1_100_000, 10_001);
        assert!((9_900..=10_000).contains(&rate()), "no time has passed: {}", rate());
        for step in 1..=200 {
            flow.take(1_100_000, 10_001 + step * 50);
        }
        assert!(rate() < 100, "{}", rate());
    }

    #[test]
    fn nothing_is_measured_before_somebody_asks() {
        let endpoint = crate::endpoint::tests::endpoint("a", 1);
        assert!(!endpoint.is_measured());
        assert_eq!(endpoint.bytes_per_second(), 0);
        assert!(endpoint.is_measured());
    }
}
