//! What the cores do, from `/proc/stat`: all that is not idle is work, whoever does it.

use std::fs;

use anyhow::{Context, Result};

/// The counters of all cores at one moment, by number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cores(Vec<Core>);

/// Ticks of one core since the start of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Core {
    idle: u64,
    all: u64,
}

impl Cores {
    /// As they stand.
    pub(crate) fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        Self::parse(&text).context("/proc/stat is not as Linux writes it")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut cores = Vec::new();
        for line in text.lines() {
            let Some((name, figures)) = line.split_once(' ') else { continue };
            let Some(number) = name.strip_prefix("cpu").filter(|number| !number.is_empty()) else { continue };
            let figures = figures.split_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
            // user, nice, system, idle, iowait, irq, softirq, steal; then what is in user and nice already.
            let idle = figures.get(3)? + figures.get(4)?;
            let number: usize = number.parse().ok()?;
            if cores.len() <= number {
                cores.resize(number + 1, Core::default());
            }
            cores[number] = Core { idle, all: figures.iter().take(8).sum() };
        }
        (!cores.is_empty()).then_some(Self(cores))
    }

    /// The share of each core's time that was not idle since then.
    pub(crate) fn busy_since(&self, before: &Self) -> Vec<f64> {
        let share = |(now, before): (&Core, &Core)| {
            let (idle, all) = (now.idle.saturating_sub(before.idle), now.all.saturating_sub(before.all));
            if all == 0 { 0.0 } else { 1.0 - idle as f64 / all as f64 }
        };
        self.0.iter().zip(&before.0).map(share).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str =
        "cpu  30 0 30 140 0 0 0 0 0 0\ncpu0 10 0 10 80 0 0 0 0 0 0\ncpu1 20 0 20 60 0 0 0 0 0 0\nintr 1\n";
    const AFTER: &str = "cpu  0\ncpu0 30 5 20 100 20 10 10 5 7 0\ncpu1 20 0 20 60 0 0 0 0 0 0\nctxt 99\n";

    #[test]
    fn all_that_is_not_idle_is_work() {
        let (before, after) = (Cores::parse(BEFORE).unwrap(), Cores::parse(AFTER).unwrap());
        // Of core 0's 100 ticks, 20 idle and 20 waiting for a disk; what guests used is part of `user`. Core 1 stood still.
        assert_eq!(after.busy_since(&before), [0.6, 0.0]);
    }

    #[test]
    fn something_else_is_not_taken_for_cores() {
        for text in ["", "intr 1 2 3\n", "cpu0 1 2\n", "cpu0 a b c d e f g h\n"] {
            assert_eq!(Cores::parse(text), None, "{text:?}");
        }
    }
}
