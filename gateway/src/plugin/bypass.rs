//! When a use fails too often in a slot, it is left out for a while: exchanges go by its `on-error` at once. A rule over
//! numbers; the slot asks it and tells it.
//!
//! What failures cost decides. A trap is over in microseconds and a fresh instance costs little more, so one client that has
//! found a request which makes a policy trap does not take the policy away from all others: only a use that hardly ever
//! succeeds is left out. Slow failures, above all those that use up their deadline, hold everybody up, and a few are enough:
//! among many calls that are good more than one in a hundred, and in a row so many, whatever was before.

use std::time::Duration;

use super::Hook;

/// Failures and calls are counted over this, in microseconds.
const WINDOW: u64 = 60_000_000;
/// So many failures are needed in any case.
const FAILURES: u64 = 5;
/// Slow ones: more than one call in so many has to fail.
const SLOW_SHARE: u64 = 100;
/// The first time out, in microseconds; each is twice the one before.
const FIRST: u64 = 100_000;
/// The longest, after slow failures and after others.
const LONGEST_SLOW: u64 = 30_000_000;
const LONGEST: u64 = 1_000_000;

/// How a use fares in one slot. Times are microseconds of the exchange's clock.
#[derive(Debug)]
pub(super) struct Bypass {
    window_began: u64,
    calls: u64,
    failures: u64,
    slow: u64,
    /// Slow ones since a call of that hook succeeded.
    in_a_row: u64,
    out_until: u64,
    /// How long the next time out is.
    next: u64,
    /// A time out has ended, and the hook that failed has not succeeded since.
    probing: bool,
    /// The hook that failed last and has not succeeded since. What another one does says nothing of it.
    failing: Option<Hook>,
}

impl Default for Bypass {
    fn default() -> Self {
        Self {
            window_began: 0,
            calls: 0,
            failures: 0,
            slow: 0,
            in_a_row: 0,
            out_until: 0,
            next: FIRST,
            probing: false,
            failing: None,
        }
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
            self.forget(now);
        }
        self.calls += 1;
        false
    }

    /// A call succeeded: the first one after a time out ends the matter, if it is of the hook that failed.
    pub(super) fn succeeded(&mut self, now: u64, hook: Hook) {
        if self.failing != Some(hook) {
            return;
        }
        (self.failing, self.in_a_row) = (None, 0);
        if self.probing {
            self.probing = false;
            if self.slow == 0 {
                self.next = FIRST;
            }
            self.forget(now);
        }
    }

    /// A call failed by its own fault: how long the use is left out now, if that was one too many.
    pub(super) fn failed(&mut self, now: u64, hook: Hook, slow: bool) -> Option<Duration> {
        self.failures += 1;
        self.failing = Some(hook);
        self.slow += u64::from(slow);
        self.in_a_row += u64::from(slow);
        let too_slow = self.slow >= FAILURES && (self.slow * SLOW_SHARE > self.calls || self.in_a_row >= FAILURES);
        let useless = self.failures >= FAILURES && self.failures * 10 > self.calls * 9;
        if !self.probing && !too_slow && !useless {
            return None;
        }
        let pause = self.next.min(if self.slow > 0 { LONGEST_SLOW } else { LONGEST });
        self.out_until = now + pause;
        self.next = pause * 2;
        self.probing = true;
        Some(Duration::from_micros(pause))
    }

    /// Failures in the window, and whether they are more than one call in a hundred: a version that has just taken another
    /// one's place is not kept then.
    pub(super) fn is_worse_than_nothing(&self) -> bool {
        self.failures >= FAILURES && self.failures * SLOW_SHARE > self.calls
    }

    fn forget(&mut self, now: u64) {
        (self.window_began, self.calls, self.failures, self.slow) = (now, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;
    const SELECT: Hook = Hook::Selection;

    /// One call each at those milliseconds, all failing: the pauses that follow, 0 for none, and nothing where it is out.
    fn failing(bypass: &mut Bypass, at: &[u64], slow: bool) -> Vec<u64> {
        let call = |&ms: &u64| (!bypass.leaves_out(ms * MS)).then(|| bypass.failed(ms * MS, SELECT, slow));
        at.iter().filter_map(call).map(|pause| pause.unwrap_or_default().as_millis() as u64).collect()
    }

    #[test]
    fn the_fifth_slow_failure_leaves_it_out_and_each_time_for_longer() {
        let mut bypass = Bypass::default();
        assert_eq!(failing(&mut bypass, &[1, 2, 3, 4, 5], true), [0, 0, 0, 0, 100]);
        assert!(bypass.leaves_out(104 * MS));
        assert_eq!(failing(&mut bypass, &[105, 106, 304, 305], true), [200, 400]);
        let later = [705, 1505, 3105, 6305, 12705, 25505];
        assert_eq!(failing(&mut bypass, &later, true), [800, 1600, 3200, 6400, 12800, 25600]);
        assert_eq!(failing(&mut bypass, &[51105], true), [30000]);
    }

    #[test]
    fn what_only_traps_is_out_for_a_second_at_most() {
        let mut bypass = Bypass::default();
        let at: Vec<u64> = (0..10_000).collect();
        assert_eq!(failing(&mut bypass, &at, false)[..9], [0, 0, 0, 0, 100, 200, 400, 800, 1000]);
    }

    #[test]
    fn a_few_slow_failures_among_many_calls_do_no_harm() {
        let mut bypass = Bypass::default();
        for call in 0..10_000 {
            assert!(!bypass.leaves_out(call * MS / 10));
            match call % 150 {
                149 => assert_eq!(bypass.failed(call * MS / 10, SELECT, true), None, "call {call}"),
                _ => bypass.succeeded(call * MS / 10, SELECT),
            }
        }
    }

    #[test]
    fn slow_failures_in_a_row_leave_it_out_however_good_it_was() {
        let mut bypass = Bypass::default();
        for call in 0..10_000 {
            assert!(!bypass.leaves_out(call * MS / 10));
            bypass.succeeded(call * MS / 10, SELECT);
        }
        assert_eq!(failing(&mut bypass, &[1001, 1002, 1003, 1004], true), [0, 0, 0, 0]);
        assert!(!bypass.leaves_out(1005 * MS));
        bypass.succeeded(1005 * MS, SELECT);
        assert_eq!(failing(&mut bypass, &[1006, 1007, 1008, 1009, 1010], true), [0, 0, 0, 0, 100]);
    }

    #[test]
    fn what_another_hook_does_well_does_not_count() {
        let mut bypass = Bypass::default();
        let ticks = |bypass: &mut Bypass, now| {
            assert!(!bypass.leaves_out(now));
            bypass.succeeded(now, Hook::Timer);
        };
        (0..10_000).for_each(|call| ticks(&mut bypass, call * MS / 10));
        for (ms, pause) in [(1001, 0), (1002, 0), (1003, 0), (1004, 0), (1005, 100), (1106, 200)] {
            assert_eq!(failing(&mut bypass, &[ms], true), [pause], "after {ms} ms");
            if pause == 0 {
                ticks(&mut bypass, ms * MS);
            }
        }
    }

    #[test]
    fn traps_of_half_of_all_calls_do_not_take_it_away_from_the_others() {
        let mut bypass = Bypass::default();
        for call in 0..10_000 {
            assert!(!bypass.leaves_out(call * MS), "call {call}");
            match call % 2 {
                0 => assert_eq!(bypass.failed(call * MS, SELECT, false), None),
                _ => bypass.succeeded(call * MS, SELECT),
            }
        }
        assert!(bypass.is_worse_than_nothing(), "although a new version with that would go");
    }

    #[test]
    fn one_success_after_a_time_out_ends_it() {
        let mut bypass = Bypass::default();
        assert_eq!(failing(&mut bypass, &[1, 2, 3, 4, 5, 105, 305], false), [0, 0, 0, 0, 100, 200, 400]);
        assert!(!bypass.leaves_out(705 * MS));
        bypass.succeeded(705 * MS, SELECT);
        assert_eq!(failing(&mut bypass, &[706, 707, 708, 709, 710], false), [0, 0, 0, 0, 100]);
    }

    #[test]
    fn a_quiet_window_makes_it_new() {
        let mut bypass = Bypass::default();
        failing(&mut bypass, &[1, 2, 3, 4, 5, 105, 305], true);
        assert!(!bypass.leaves_out(61_000 * MS));
        bypass.succeeded(61_000 * MS, SELECT);
        // One window forgets the failures, and a second one without any forgets how long the last pause was.
        assert!(!bypass.leaves_out(122_001 * MS));
        assert_eq!(failing(&mut bypass, &[122_002, 122_003, 122_004, 122_005, 122_006], true), [0, 0, 0, 0, 100]);
    }
}
