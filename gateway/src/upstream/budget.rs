//! How many requests of an upstream may be sent once more: a share of those that came lately, so that endpoints which fail under
//! load do not get more of it. As Finagle's and Envoy's retry budgets, but counted from what is counted anyway: a request that
//! goes well costs nothing here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What came in this period and the one before counts.
const PERIOD: Duration = Duration::from_secs(10);

/// So many may be sent once more in that time in any case: a share of few requests would be none.
const ALWAYS: u64 = 30;

/// The budget of one upstream, over all workers and reloads.
#[derive(Debug)]
pub struct Budget {
    since: Instant,
    /// Milliseconds after `since` at which this period began.
    began: AtomicU64,
    /// What was counted when the period before this one began, and when this one did.
    before: Mark,
    last: Mark,
    retries: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Mark {
    attempts: AtomicU64,
    retries: AtomicU64,
}

impl Budget {
    /// Of which nothing is used before that moment.
    pub fn since(now: Instant) -> Self {
        Self {
            since: now,
            began: AtomicU64::new(0),
            before: Mark::default(),
            last: Mark::default(),
            retries: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Takes one retry, if there is one: `attempts` were made so far in all, retries among them, and of requests `per_mille`
    /// may be sent once more.
    pub fn take(&self, attempts: u64, per_mille: u32) -> bool {
        let (attempts_before, retries_before) = self.before.read();
        let attempts = attempts.saturating_sub(attempts_before);
        let take = |retries: u64| {
            let made = retries.saturating_sub(retries_before);
            (made < allowed(attempts.saturating_sub(made), per_mille)).then_some(retries + 1)
        };
        let taken = self.retries.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        if !taken {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Begins a new period if it is time. Called every now and then.
    pub fn turn(&self, now: Instant, attempts: impl FnOnce() -> u64) {
        let now = now.saturating_duration_since(self.since).as_millis() as u64;
        let began = self.began.load(Ordering::Relaxed);
        if now.saturating_sub(began) < PERIOD.as_millis() as u64
            || self.began.compare_exchange(began, now, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let (attempts_last, retries_last) = self.last.read();
        self.before.write(attempts_last, retries_last);
        self.last.write(attempts(), self.retries.load(Ordering::Relaxed));
    }

    /// Retries that were not made since there were too many.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Mark {
    fn read(&self) -> (u64, u64) {
        (self.attempts.load(Ordering::Relaxed), self.retries.load(Ordering::Relaxed))
    }

    fn write(&self, attempts: u64, retries: u64) {
        self.attempts.store(attempts, Ordering::Relaxed);
        self.retries.store(retries, Ordering::Relaxed);
    }
}

/// Of so many requests. A share of nothing is nothing.
fn allowed(requests: u64, per_mille: u32) -> u64 {
    let share = requests.saturating_mul(per_mille.into()) / 1000;
    if per_mille == 0 { 0 } else { share.max(ALWAYS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_requests_and_always_a_few() {
        let cases = [(0, 200, 30), (150, 200, 30), (155, 200, 31), (1_000, 200, 200), (1_000, 0, 0), (40, 1000, 40)];
        for (requests, per_mille, expected) in cases {
            assert_eq!(allowed(requests, per_mille), expected, "{requests} {per_mille}");
        }
    }

    #[test]
    fn retries_of_retries_are_no_traffic() {
        let budget = Budget::since(Instant::now());
        let (mut attempts, mut retries) = (0, 0);
        // Every attempt fails, and every one that may be is sent once more.
        for _ in 0..1_000 {
            attempts += 1;
            while budget.take(attempts, 200) {
                attempts += 1;
                retries += 1;
            }
        }
        assert_eq!((attempts, retries), (1_200, 200));
        assert_eq!(budget.refused(), 1_000);
    }

    #[test]
    fn what_was_long_ago_does_not_count() {
        let budget = Budget::since(Instant::now());
        let at = |periods: u32| budget.since + periods * PERIOD;
        budget.turn(budget.since + PERIOD / 2, || 1);
        assert_eq!(budget.last.read(), (0, 0), "this period is not over");
        budget.turn(at(3), || 10_000);
        assert_eq!(budget.last.read(), (10_000, 0));
        // Nobody has come since, but what came before still counts for one more period: of those that were no retries, a fifth.
        assert_eq!((0..3_000).filter(|_| budget.take(10_000, 200)).count(), 1_666);
        budget.turn(at(4), || 12_000);
        assert_eq!((budget.before.read(), budget.last.read()), ((10_000, 0), (12_000, 1_666)));
        assert!(!budget.take(12_000, 200), "of what has come since, more than a fifth was sent once more");
        budget.turn(at(5), || 12_000);
        assert_eq!((0..100).filter(|_| budget.take(12_000, 200)).count(), 30, "a few in any case");
    }
}
