//! How much of a worker's time a use takes. Nobody reads a clock for that: the engine's epoch interrupts a running guest about
//! once a millisecond, and how often that happens in a second is the share, as in any sampling profiler.

use super::deadline::TICK;

/// The share is taken over this, in microseconds.
const SECOND: u64 = 1_000_000;

/// What a use has taken in this second. Times are microseconds of the exchange's clock.
#[derive(Debug, Default)]
pub(super) struct Share {
    began: u64,
    taken: u64,
    out_until: u64,
}

impl Share {
    /// True for the rest of a second in which the use has had its share.
    pub(super) fn is_used_up(&self, now: u64) -> bool {
        now < self.out_until
    }

    /// The epoch met the guest at work so many times. True if that was more than `most`, per mille of a second: from here on
    /// the use is left out until the second is over.
    pub(super) fn take(&mut self, ticks: u32, now: u64, most: u32) -> bool {
        if now.saturating_sub(self.began) >= SECOND {
            (self.began, self.taken) = (now, 0);
        }
        self.taken += u64::from(ticks) * TICK.as_micros() as u64;
        let is_too_much = self.taken * 1000 > u64::from(most) * SECOND;
        if is_too_much {
            self.out_until = self.began + SECOND;
        }
        is_too_much
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_more_than_its_share_is_out_until_the_second_is_over() {
        let mut share = Share::default();
        let start = 5 * SECOND;
        for tick in 0..200 {
            assert!(!share.take(1, start + tick * 2_000, 200), "tick {tick}");
        }
        assert!(!share.is_used_up(start + 400_000));
        assert!(share.take(1, start + 400_000, 200));
        assert!(share.is_used_up(start + 999_999));
        assert!(!share.is_used_up(start + 1_000_000));
        assert!(!share.take(1, start + 1_000_000, 200), "a new second");
    }

    #[test]
    fn all_of_it_may_be_allowed() {
        let mut share = Share::default();
        assert!((0..1_000).all(|tick| !share.take(1, SECOND + tick * 1_000, 1000)));
    }
}
