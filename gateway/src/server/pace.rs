//! How quickly a client takes what waits for it: a rule over figures, asked now and then while something waits.

use std::time::{Duration, Instant};

use crate::config::model::MinimumRate;
use crate::observe::Cut;

/// Between two looks, at most.
const LOOK: Duration = Duration::from_secs(5);

/// What has been seen since something began to wait.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    first: u64,
    moved: Instant,
    last: u64,
}

impl Pace {
    /// Something waits, as it turns out `now`; `arrived` bytes have reached the client so far. They count for it, as far as that
    /// does not outlast a stall: who has shown that it reads may pause.
    pub(super) fn begin(now: Instant, arrived: u64, stall: Duration, least: MinimumRate) -> Self {
        Self { since: now, first: arrived.saturating_sub(least.bytes_in(stall)), moved: now, last: arrived }
    }

    /// It still waits. When to look again, or why the client is cut off: nothing has arrived for `stall`, or less than the
    /// rate asks for.
    pub(super) fn look(
        &mut self,
        now: Instant,
        arrived: u64,
        stall: Duration,
        least: MinimumRate,
    ) -> Result<Instant, Cut> {
        if arrived > self.last {
            (self.last, self.moved) = (arrived, now);
        }
        if now.duration_since(self.moved) >= stall {
            return Err(Cut::Stalled);
        }
        if now.duration_since(self.since) >= least.time_for(arrived.saturating_sub(self.first)) {
            return Err(Cut::Slow);
        }
        Ok((self.moved + stall).min(now + LOOK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What, bytes before, seconds between two looks, bytes by a second; when it is cut, and why.
    type Case = (&'static str, u64, u64, fn(u64) -> u64, Option<(u64, Cut)>);

    #[test]
    fn a_client_has_to_take_something_and_enough() {
        const STALL: Duration = Duration::from_secs(30);
        const LEAST: MinimumRate = MinimumRate { bytes_per_second: 240 };
        let cases: [Case; 8] = [
            ("nothing", 0, 1, |_| 0, Some((5, Cut::Slow))),
            ("a byte a second", 0, 1, |second| second, Some((6, Cut::Slow))),
            ("nothing any more", 1_000_000, 1, |_| 0, Some((30, Cut::Stalled))),
            ("a byte a second from then on", 1_000_000, 1, |second| second, Some((36, Cut::Slow))),
            ("the rate", 0, 1, |second| second * 240, None),
            ("all at once, and then nothing", 0, 1, |_| 1_000_000, Some((31, Cut::Stalled))),
            ("a piece every 29 seconds", 0, 1, |second| 1_000_000 * (1 + second / 29), None),
            ("looked at seldom", 0, 20, |second| second * 240, None),
        ];
        for (what, before, apart, arrived, expected) in cases {
            let start = Instant::now();
            let mut pace = Pace::begin(start, before, STALL, LEAST);
            let cut = (1..1_000).map(|look| look * apart).find_map(|second| {
                let now = start + Duration::from_secs(second);
                Some((second, pace.look(now, before + arrived(second), STALL, LEAST).err()?))
            });
            assert_eq!(cut, expected, "{what}");
        }
    }
}
