//! When requests come.

use fastrand::Rng;

use super::random::{exponential, stream};
use super::scenario::{Level, Process, SECOND, Scenario};

/// The moments at which requests come that wait for nobody. What a closed loop of clients does is the engine's business.
#[derive(Debug)]
pub(super) struct Arrivals<'s> {
    process: &'s Process,
    level: Level,
    random: Rng,
    /// Times what the level says, by changes on the way.
    factor: f64,
    /// Of a recording: which one comes next.
    next: usize,
}

impl<'s> Arrivals<'s> {
    pub(super) fn new(scenario: &'s Scenario, level: Level) -> Self {
        let random = stream(scenario.seed, "arrivals");
        Self { process: &scenario.process, level, random, factor: 1.0, next: 0 }
    }

    /// From here on so much more or less comes.
    pub(super) fn set_factor(&mut self, factor: f64) {
        self.factor = factor;
    }

    /// When the next one comes after one at `now`, and which one of a recording it is; none: no more.
    pub(super) fn after(&mut self, now: u64) -> Option<(u64, usize)> {
        match self.process {
            Process::Poisson => Some((now + self.gap(1.0)?, 0)),
            Process::Bursts { more, lasts, every } => Some((self.in_bursts(now, *more, *lasts, *every)?, 0)),
            Process::Closed { .. } => None,
            Process::Recorded(recording) => {
                let number = self.next;
                self.next += 1;
                let recorded = recording.exchanges.get(number)?;
                Some(((recorded.at as f64 / self.level.value) as u64, number))
            }
        }
    }

    /// Nanoseconds at so many times the level's rate; none if that is never.
    fn gap(&mut self, times: f64) -> Option<u64> {
        let rate = self.level.rate * self.factor * times;
        // What is further off than this does not come in any run.
        const NEVER: f64 = 1e18;
        let gap = exponential(SECOND / rate, &mut self.random);
        (gap < NEVER).then_some(gap as u64)
    }

    /// Each period begins with a burst. A gap that reaches over the end of a part is drawn anew from there, at the other rate: what
    /// comes at random has no memory. Bursts and calm together come to the level's rate.
    fn in_bursts(&mut self, now: u64, more: f64, lasts: u64, every: u64) -> Option<u64> {
        let burst_part = lasts as f64 / every as f64;
        let calm = 1.0 / (1.0 + (more - 1.0) * burst_part);
        let mut from = now;
        // A period without a single request is rare, so many in a row never are.
        for _ in 0..1_000_000 {
            let into = from % every;
            let (times, left) = if into < lasts { (calm * more, lasts - into) } else { (calm, every - into) };
            match self.gap(times) {
                Some(gap) if gap < left => return Some(from + gap),
                _ => from += left,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(process: &Process, rate: f64, until: u64) -> Vec<u64> {
        let level = Level { value: 2.0, rate };
        let mut arrivals = Arrivals { process, level, random: stream(1, "test"), factor: 1.0, next: 0 };
        let mut now = 0;
        std::iter::from_fn(|| {
            now = arrivals.after(now)?.0;
            (now < until).then_some(now)
        })
        .collect()
    }

    const SECONDS: u64 = 1_000_000_000;

    #[test]
    fn what_comes_at_random_has_its_rate_and_is_as_uneven_as_it_should_be() {
        let moments = moments(&Process::Poisson, 1_000.0, 100 * SECONDS);
        assert!(moments.len().abs_diff(100_000) < 1_000, "{}", moments.len());
        // Of a Poisson process, the variance of counts is their mean.
        let mut counts = vec![0.0; 10_000];
        moments.iter().for_each(|at| counts[(at / (SECONDS / 100)) as usize] += 1.0);
        let variance = counts.iter().map(|count: &f64| (count - 10.0).powi(2)).sum::<f64>() / 10_000.0;
        assert!((variance - 10.0).abs() < 0.5, "{variance}");
    }

    #[test]
    fn bursts_come_on_top_of_the_calm_and_both_make_the_rate() {
        let process = Process::Bursts { more: 4.0, lasts: SECONDS, every: 5 * SECONDS };
        let moments = moments(&process, 1_000.0, 200 * SECONDS);
        assert!(moments.len().abs_diff(200_000) < 2_000, "{}", moments.len());
        let in_bursts = moments.iter().filter(|at| **at % (5 * SECONDS) < SECONDS).count();
        // Four parts in the burst, four beside it.
        assert!(in_bursts.abs_diff(moments.len() / 2) < 2_000, "{in_bursts}");
    }

    #[test]
    fn nothing_comes_for_nothing() {
        assert!(moments(&Process::Poisson, 0.0, SECONDS).is_empty());
        let process = Process::Bursts { more: 4.0, lasts: 1, every: 2 };
        assert!(moments(&process, 0.0, SECONDS).is_empty());
    }
}
