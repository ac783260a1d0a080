//! Amounts that stand in the file as text with their unit: durations, sizes, shares. `texts` makes them part of the file's shape.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// More than nothing, at most a year: `"250ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(pub Duration);

const TIME_UNITS: &[(&str, u64)] =
    &[("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000)];
const YEAR: Duration = Duration::from_secs(366 * 86_400);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = Duration::from_micros(number_with_unit(text, TIME_UNITS)?);
        if time > YEAR { Err("at most a year".to_owned()) } else { Ok(Time(time)) }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with_unit(f, u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX), TIME_UNITS)
    }
}

/// Bytes, more than none: `"64MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(pub usize);

const SIZE_UNITS: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = number_with_unit(text, SIZE_UNITS)?;
        usize::try_from(bytes).map(Size).map_err(|_| "too large for this machine".to_owned())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with_unit(f, self.0 as u64, SIZE_UNITS)
    }
}

/// A whole number directly followed by its unit, in the smallest unit.
fn number_with_unit(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let known = || units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    if digits.is_empty() {
        return Err("it must begin with a whole number".to_owned());
    }
    if unit.is_empty() {
        return Err(format!("the unit is missing, one of {}", known()));
    }
    if unit.starts_with(['.', ',']) {
        return Err("whole numbers only; take the next smaller unit".to_owned());
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("the unit {unit:?} is none of {}", known()));
    };
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)) {
        None => Err("the number is too large".to_owned()),
        Some(0) => Err("it must be more than 0".to_owned()),
        Some(number) => Ok(number),
    }
}

/// The reverse, in the largest unit that needs no fraction.
fn write_with_unit(f: &mut fmt::Formatter<'_>, number: u64, units: &[(&str, u64)]) -> fmt::Result {
    let exact = units.iter().rev().find(|(_, factor)| number.is_multiple_of(*factor));
    let (name, factor) = exact.or(units.first()).copied().unwrap_or(("", 1));
    write!(f, "{}{name}", number / factor)
}

/// Per mille of a whole, 0 to 1000: `"12.5%"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share(pub u32);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').ok_or("it must end in %")?;
        let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(tenths) || tenths.len() > 1 {
            return Err("a number with at most one decimal, and nothing else, before the %".to_owned());
        }
        let per_mille = format!("{whole}{tenths}").parse::<u32>().ok().filter(|per_mille| *per_mille <= 1000);
        per_mille.map(Share).ok_or_else(|| "at most 100%".to_owned())
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 10 {
            0 => write!(f, "{}%", self.0 / 10),
            tenths => write!(f, "{}.{tenths}%", self.0 / 10),
        }
    }
}

impl From<Time> for String {
    fn from(time: Time) -> String {
        time.to_string()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> String {
        size.to_string()
    }
}

impl From<Share> for String {
    fn from(share: Share) -> String {
        share.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        let times =
            [("250ms", 250_000), ("10s", 10_000_000), ("5m", 300_000_000), ("1h", 3_600_000_000), ("500us", 500)];
        for (text, micros) in times {
            let time: Time = text.parse().unwrap();
            assert_eq!(time.0, Duration::from_micros(micros));
            assert_eq!(time.to_string(), text);
        }
        for (text, bytes) in
            [("100B", 100), ("32KiB", 32 << 10), ("10MiB", 10 << 20), ("64MiB", 64 << 20), ("1GiB", 1 << 30)]
        {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.0, bytes);
            assert_eq!(size.to_string(), text);
        }
        for (text, per_mille) in [("50%", 500), ("0%", 0), ("100%", 1000), ("12.5%", 125)] {
            let share: Share = text.parse().unwrap();
            assert_eq!(share.0, per_mille);
            assert_eq!(share.to_string(), text);
        }
    }
}
