//! When a use fails too often on a worker, it is left out for a while: exchanges go by its `on-error` at once, and the worker
//! does not wait for a guest that will not answer. A rule over numbers; the slot asks it and tells it.

use std::time::Duration;

/// Failures and calls are counted over this, in microseconds.
const WINDOW: u64 = 60_000_000;
/// So many failures in a window are needed.
const FAILURES: u64 = 5;
/// And more than one call in so many has to fail.
const SHARE: u64 = 100;
/// The first time out, and the longest, in microseconds; each is twice the one before.
const FIRST: u64 = 100_000;
const LONGEST: u64 = 30_000_000;

/// How a use fares on one worker. Times are microseconds of the exchange's clock.
#[derive(Debug)]
pub(super) struct Bypass {
    window_began: u64,
    calls: u64,
    failures: u64,
    out_until: u64,
    next: u64,
}

impl Default for Bypass {
    fn default() -> Self {
        Self { window_began: 0, calls: 0, failures: 0, out_until: 0, next: FIRST }
    }
}

impl Bypass {
    /// True while the use is left out. A call that is made is counted.
    pub(super) fn leaves_out(&mut self, now: u64) -> bool {
        if now < self.out_until {
            return true;
        }
        if now.saturating_sub(self.window_began) > WINDOW {
            if self.failures == 0 {
                self.next = FIRST;
            }
            (self.window_began, self.calls, self.failures) = (now, 0, 0);
        }
        self.calls += 1;
        false
    }

    /// A call failed by its own fault: how long the use is left out now, if that was one too many.
    pub(super) fn failed(&mut self, now: u64) -> Option<Duration> {
        self.failures += 1;
        if self.failures < FAILURES || self.failures * SHARE <= self.calls {
            return None;
        }
        let pause = self.next;
        self.out_until = now + pause;
        self.next = (pause * 2).min(LONGEST);
        Some(Duration::from_micros(pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;

    /// One call each at those milliseconds, all failing: the pauses that follow, 0 for none, and nothing where it is out.
    fn failing(bypass: &mut Bypass, at: &[u64]) -> Vec<u64> {
        let call = |&ms: &u64| (!bypass.leaves_out(ms * MS)).then(|| bypass.failed(ms * MS));
        at.iter().filter_map(call).map(|pause| pause.unwrap_or_default().as_millis() as u64).collect()
    }

    #[test]
    fn the_fifth_failure_leaves_it_out_and_each_time_for_longer() {
        let mut bypass = Bypass::default();
        assert_eq!(failing(&mut bypass, &[1, 2, 3, 4, 5]), [0, 0, 0, 0, 100]);
        assert!(bypass.leaves_out(104 * MS));
        assert_eq!(failing(&mut bypass, &[105, 106, 304, 305]), [200, 400]);
        assert_eq!(failing(&mut bypass, &[705, 1505, 3105, 6305, 12705, 25505]), [800, 1600, 3200, 6400, 12800, 25600]);
        assert_eq!(failing(&mut bypass, &[51105]), [30000]);
    }

    #[test]
    fn a_few_failures_among_many_calls_do_no_harm() {
        let mut bypass = Bypass::default();
        for call in 0..10_000 {
            assert!(!bypass.leaves_out(call * MS / 10));
            if call % 150 == 149 {
                assert_eq!(bypass.failed(call * MS / 10), None, "call {call}");
            }
        }
    }

    #[test]
    fn a_quiet_window_makes_it_new() {
        let mut bypass = Bypass::default();
        failing(&mut bypass, &[1, 2, 3, 4, 5, 105, 305]);
        // One window forgets the failures, and a second one without any forgets how long the last pause was.
        assert!(!bypass.leaves_out(61_000 * MS));
        assert!(!bypass.leaves_out(122_000 * MS));
        assert_eq!(failing(&mut bypass, &[122_001, 122_002, 122_003, 122_004, 122_005]), [0, 0, 0, 0, 100]);
    }
}
