//! Chance: a stream of numbers for each purpose, so that what one policy does changes nothing of what the next one meets; and the
//! distributions that scenarios name, each by the inverse of its distribution function or a formula as short.

use std::f64::consts::TAU;
use std::sync::Arc;

use fastrand::Rng;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::recording::Recording;

/// The stream of that purpose.
pub(super) fn stream(seed: u64, purpose: &str) -> Rng {
    Rng::with_seed(xxh3_64_with_seed(purpose.as_bytes(), seed))
}

/// Above 0, at most 1: what a logarithm can be taken of.
fn positive(random: &mut Rng) -> f64 {
    1.0 - random.f64()
}

/// A time until something that may happen at any moment, on average after `mean`.
pub(super) fn exponential(mean: f64, random: &mut Rng) -> f64 {
    -mean * positive(random).ln()
}

/// A distribution of times, in nanoseconds.
#[derive(Debug, Clone)]
pub(super) enum Times {
    Constant(f64),
    Exponential(f64),
    /// Mean and standard deviation of the logarithm.
    LogNormal {
        middle: f64,
        deviation: f64,
    },
    /// The least of all, and the exponent of the tail.
    Pareto {
        least: f64,
        tail: f64,
    },
    Recorded(Arc<Recording>),
}

impl Times {
    /// With that mean and a standard deviation of `spread` times as much.
    pub(super) fn log_normal(mean: f64, spread: f64) -> Self {
        let variance = (spread * spread).ln_1p();
        Times::LogNormal { middle: mean.ln() - variance / 2.0, deviation: variance.sqrt() }
    }

    /// With that mean; `tail` is above 1.
    pub(super) fn pareto(mean: f64, tail: f64) -> Self {
        Times::Pareto { least: mean * (tail - 1.0) / tail, tail }
    }

    pub(super) fn mean(&self) -> f64 {
        match self {
            Times::Constant(mean) | Times::Exponential(mean) => *mean,
            Times::LogNormal { middle, deviation } => (middle + deviation * deviation / 2.0).exp(),
            Times::Pareto { least, tail } => least * tail / (tail - 1.0),
            Times::Recorded(recording) => recording.mean(),
        }
    }

    pub(super) fn draw(&self, random: &mut Rng) -> f64 {
        match self {
            Times::Constant(mean) => *mean,
            Times::Exponential(mean) => exponential(*mean, random),
            Times::LogNormal { middle, deviation } => {
                // One half of a Box-Muller pair.
                let normal = (-2.0 * positive(random).ln()).sqrt() * (TAU * random.f64()).cos();
                (middle + deviation * normal).exp()
            }
            Times::Pareto { least, tail } => least * positive(random).powf(-1.0 / tail),
            Times::Recorded(recording) => recording.draw(random),
        }
    }
}

/// Draws numbers from 0 by their weights.
#[derive(Debug)]
pub(super) struct Weighted {
    /// Sums up to each.
    sums: Vec<f64>,
}

impl Weighted {
    pub(super) fn new(weights: impl Iterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let add = |weight| {
            sum += weight;
            sum
        };
        Self { sums: weights.map(add).collect() }
    }

    /// The n-th of `count`, from 0, as often as 1 / (n + 1) to the power of `exponent`.
    pub(super) fn zipf(count: u32, exponent: f64) -> Self {
        Self::new((1..=count).map(|rank| f64::from(rank).powf(-exponent)))
    }

    pub(super) fn draw(&self, random: &mut Rng) -> usize {
        let all = self.sums.last().copied().unwrap_or(0.0);
        let point = random.f64() * all;
        self.sums.partition_point(|sum| *sum <= point).min(self.sums.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 200_000;

    fn drawn(times: &Times) -> Vec<f64> {
        let mut random = stream(1, "test");
        let mut drawn: Vec<f64> = (0..DRAWS).map(|_| times.draw(&mut random)).collect();
        drawn.sort_by(f64::total_cmp);
        drawn
    }

    fn is_near(found: f64, due: f64, tolerance: f64) -> bool {
        (found / due - 1.0).abs() < tolerance
    }

    #[test]
    fn distributions_have_their_means_and_quantiles() {
        let heavy = Times::pareto(20.0, 3.0);
        let wide = Times::log_normal(20.0, 1.0);
        // The median of each by its formula.
        let cases = [
            (Times::Constant(20.0), 20.0),
            (Times::Exponential(20.0), 20.0 * 2_f64.ln()),
            (wide, 20.0 / 2_f64.sqrt()),
            (heavy, 20.0 * 2.0 / 3.0 * 2_f64.powf(1.0 / 3.0)),
        ];
        for (times, median) in cases {
            assert!(is_near(times.mean(), 20.0, 1e-9), "{times:?}");
            let drawn = drawn(&times);
            let mean = drawn.iter().sum::<f64>() / DRAWS as f64;
            assert!(is_near(mean, 20.0, 0.02), "{times:?}: {mean}");
            assert!(is_near(drawn[DRAWS / 2], median, 0.02), "{times:?}: {} for {median}", drawn[DRAWS / 2]);
        }
    }

    #[test]
    fn keys_come_by_the_law_of_zipf() {
        let (keys, mut random) = (Weighted::zipf(1000, 1.0), stream(1, "test"));
        let mut counts = [0; 1000];
        (0..DRAWS).for_each(|_| counts[keys.draw(&mut random)] += 1);
        let harmonic: f64 = (1..=1000).map(|rank| 1.0 / f64::from(rank)).sum();
        for (rank, tolerance) in [(1, 0.02), (2, 0.03), (10, 0.05)] {
            let due = DRAWS as f64 / harmonic / rank as f64;
            assert!(is_near(f64::from(counts[rank - 1]), due, tolerance), "{rank}: {} for {due}", counts[rank - 1]);
        }
        let (alike, mut counts) = (Weighted::zipf(4, 0.0), [0; 4]);
        (0..DRAWS).for_each(|_| counts[alike.draw(&mut random)] += 1);
        assert!(counts.iter().all(|count| is_near(f64::from(*count), DRAWS as f64 / 4.0, 0.02)), "{counts:?}");
    }

    #[test]
    fn streams_of_other_purposes_and_seeds_are_others() {
        let first = |seed, purpose| stream(seed, purpose).u64(..);
        assert_eq!(first(1, "keys"), first(1, "keys"));
        assert_ne!(first(1, "keys"), first(1, "service"));
        assert_ne!(first(1, "keys"), first(2, "keys"));
    }
}
