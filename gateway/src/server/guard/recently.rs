//! How often something happens, over a span of time that moves along.

use std::time::{Duration, Instant};

/// The span.
const SPAN: Duration = Duration::from_secs(30);

/// How often something happened in the last [`SPAN`], from counts of this period and of the one before, which
/// counts for as much of it as still lies within. So the bound holds for any such span of time, not only for those of a clock.
#[derive(Debug)]
pub(super) struct Recently {
    began: Instant,
    now: u32,
    before: u32,
}

impl Recently {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, now: 0, before: 0 }
    }

    /// One more; gives how many those are.
    pub(super) fn count(&mut self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.began);
        if elapsed >= SPAN {
            let is_next = elapsed < 2 * SPAN;
            self.before = if is_next { self.now } else { 0 };
            self.began = if is_next { self.began + SPAN } else { now };
            self.now = 0;
        }
        self.now = self.now.saturating_add(1);
        let left = SPAN.saturating_sub(now.saturating_duration_since(self.began));
        let share = u128::from(self.before) * left.as_millis() / SPAN.as_millis();
        self.now.saturating_add(u32::try_from(share).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_span_holds_more_than_it_says() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut recently = Recently::new(start);
        assert_eq!((0..100).map(|_| recently.count(at(29))).last(), Some(100));
        // A second later another span of the clock has begun; of the span that counts, a thirtieth is over.
        assert_eq!(recently.count(at(31)), 97);
        assert_eq!(recently.count(at(45)), 52);
        assert_eq!(recently.count(at(60)), 3);
        assert_eq!(recently.count(at(1_000)), 1);
    }
}
