//! Statuses and factors as they stand in the file: texts with a form of their own. `texts` makes them part of the file's shape.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One status or a range of them, with both ends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct StatusRange(pub(super) RangeInclusive<u16>);

impl FromStr for StatusRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let status = |text: &str| {
            let is_status = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
            let status = text.parse::<u16>().ok().filter(|status| is_status && (100..=599).contains(status));
            status.ok_or_else(|| format!("{text:?} is not a status, 100 to 599"))
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = status(first)?..=status(last)?;
        if range.is_empty() { Err("it ends before it begins".to_owned()) } else { Ok(StatusRange(range)) }
    }
}

/// A number with up to three decimals, per mille of one; more than 0, at most 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Factor(pub(super) u32);

impl FromStr for Factor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 3 {
            return Err("a number with at most three decimals, and nothing else".to_owned());
        }
        let per_mille = format!("{whole}{decimals:0<3}").parse::<u32>().ok();
        let fits = per_mille.filter(|per_mille| (1..=100_000).contains(per_mille));
        fits.map(Factor).ok_or_else(|| "more than 0, at most 100".to_owned())
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:03}", self.0 % 1000);
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{}", self.0 / 1000),
            decimals => write!(f, "{}.{decimals}", self.0 / 1000),
        }
    }
}

impl From<Factor> for String {
    fn from(factor: Factor) -> String {
        factor.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read() {
        for (text, range) in [("204", 204..=204), ("200-299", 200..=299), ("100-599", 100..=599)] {
            assert_eq!(text.parse(), Ok(StatusRange(range)));
        }
        for (text, reason) in [
            ("", "\"\" is not a status, 100 to 599"),
            ("20", "\"20\" is not a status, 100 to 599"),
            ("2xx", "\"2xx\" is not a status, 100 to 599"),
            ("+20", "\"+20\" is not a status, 100 to 599"),
            ("200-", "\"\" is not a status, 100 to 599"),
            ("200-600", "\"600\" is not a status, 100 to 599"),
            ("300-200", "it ends before it begins"),
        ] {
            assert_eq!(text.parse::<StatusRange>(), Err(reason.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn factors_are_read_and_written() {
        for (text, per_mille) in [("1.9", 1900), ("2", 2000), ("0.125", 125), ("100", 100_000), ("0.05", 50)] {
            let factor: Factor = text.parse().unwrap();
            assert_eq!((factor, factor.to_string().as_str()), (Factor(per_mille), text));
        }
        for text in ["", "-1", "1.", ".5", "1.2345", "0", "0.000", "100.001", "1e3", "1 "] {
            assert!(text.parse::<Factor>().is_err(), "{text:?}");
        }
    }
}
