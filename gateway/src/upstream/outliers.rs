//! When an endpoint is taken out for what requests met, and for how long. Pure; `ejection` does it.

use std::time::Duration;

/// How often in a row an endpoint is taken out with this time: it was `times` times, and has been back for `back` since. One is
/// forgiven for each `period` that went well.
pub(super) fn times_in_a_row(times: u32, back: Duration, period: Duration) -> u32 {
    let forgiven = back.as_micros() / period.as_micros().max(1);
    times.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX)).saturating_add(1)
}

/// For how long it is taken out that often in a row.
pub(super) fn time_out(times: u32, period: Duration, longest: Duration) -> Duration {
    period.saturating_mul(times).min(longest.max(period))
}

/// How many of so many endpoints may be out at a time: a share of them, and always one of two or more.
pub(super) fn most_out(endpoints: usize, at_most_per_mille: u32) -> usize {
    match endpoints {
        0 | 1 => 0,
        several => (several * at_most_per_mille as usize / 1000).max(1),
    }
}

/// Below which rate of success an endpoint stands out among these: `deviations` (per mille) standard deviations below the mean.
pub(super) fn bar(rates: &[f64], deviations_per_mille: u32) -> f64 {
    let count = rates.len().max(1) as f64;
    let mean = rates.iter().sum::<f64>() / count;
    let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
    mean - variance.sqrt() * f64::from(deviations_per_mille) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_grow_with_each_one_in_a_row_and_are_forgiven() {
        let seconds = Duration::from_secs;
        let period = seconds(10);
        // Times so far, seconds since the last return, and what comes then.
        let cases =
            [(0, 1_000_000, 1), (1, 0, 2), (1, 9, 2), (1, 10, 1), (4, 25, 3), (4, 40, 1), (u32::MAX, 0, u32::MAX)];
        for (times, back, expected) in cases {
            assert_eq!(times_in_a_row(times, seconds(back), period), expected, "{times} times, {back} s");
        }
        let cases = [(1, 10), (2, 20), (29, 290), (31, 300), (u32::MAX, 300)];
        for (times, expected) in cases {
            assert_eq!(time_out(times, period, seconds(300)), seconds(expected), "{times} times");
        }
        assert_eq!(time_out(3, period, seconds(1)), period, "never shorter than it says");
    }

    #[test]
    fn one_of_two_may_go_and_never_the_only_one() {
        let cases = [
            (0, 1000, 0),
            (1, 1000, 0),
            (2, 0, 1),
            (2, 500, 1),
            (3, 500, 1),
            (4, 500, 2),
            (10, 330, 3),
            (10, 1000, 10),
        ];
        for (endpoints, share, expected) in cases {
            assert_eq!(most_out(endpoints, share), expected, "{share} of {endpoints}");
        }
    }

    #[test]
    fn who_is_far_below_the_others_stands_out() {
        let stand_out = |rates: &[f64], deviations| {
            let bar = bar(rates, deviations);
            rates.iter().filter(|rate| **rate < bar).count()
        };
        assert_eq!(stand_out(&[1.0, 1.0, 1.0, 1.0, 0.0], 1900), 1);
        assert_eq!(stand_out(&[1.0; 5], 1900), 0, "none is below all");
        assert_eq!(stand_out(&[0.5, 0.52, 0.48, 0.5, 0.5], 1900), 0, "all are as bad, within a little");
        assert_eq!(stand_out(&[0.99, 0.98, 1.0, 0.99, 0.9, 0.99], 1900), 1);
        assert_eq!(stand_out(&[1.0, 1.0, 0.0], 1900), 0, "of three none is ever so far off");
        assert_eq!(stand_out(&[1.0, 1.0, 0.0], 1000), 1);
        assert_eq!(stand_out(&[], 1900), 0);
    }
}
