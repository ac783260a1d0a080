//! The little arithmetic that promises about chance need.

/// How far counts are from what was expected, as Pearson's chi-square.
pub fn chi_square(counts: &[u64], expected: &[f64]) -> f64 {
    counts.iter().zip(expected).map(|(count, expected)| (*count as f64 - expected).powi(2) / expected).sum()
}

/// The chi-square that three classes pass by chance once in a million times: with two degrees of freedom, p = e^(-x/2).
pub const ONE_IN_A_MILLION_OF_THREE: f64 = 27.63;
