//! Medians, spreads and percentiles.

use serde::Serialize;

/// The middle of some figures, and their ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// `None` for no figures.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (&least, &most) = (sorted.first()?, sorted.last()?);
        let (lower, upper) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { median: f64::midpoint(lower, upper), least, most })
    }
}

/// The figure that this share of them does not exceed (nearest rank); `None` for no figures.
pub(crate) fn percentile(sorted: &[u64], share: f64) -> Option<u64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).or(sorted.last()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_of_figures_is_between_two() {
        for (figures, expected) in [
            (vec![], None),
            (vec![7.0], Some((7.0, 7.0, 7.0))),
            (vec![3.0, 1.0], Some((2.0, 1.0, 3.0))),
            (vec![9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0))),
            (vec![4.0, 1.0, 3.0, 2.0], Some((2.5, 1.0, 4.0))),
        ] {
            let spread = Spread::of(figures.clone()).map(|spread| (spread.median, spread.least, spread.most));
            assert_eq!(spread, expected, "{figures:?}");
        }
    }

    #[test]
    fn a_percentile_is_a_figure_that_was_seen() {
        let hundred: Vec<u64> = (1..=100).collect();
        for (sorted, share, expected) in [
            (&[][..], 0.5, None),
            (&[5], 0.99, Some(5)),
            (&[1, 2, 3], 0.5, Some(2)),
            (&hundred, 0.5, Some(50)),
            (&hundred, 0.99, Some(99)),
            (&hundred, 1.0, Some(100)),
        ] {
            assert_eq!(percentile(sorted, share), expected, "{share} of {}", sorted.len());
        }
    }
}
