//! What a reader must know to believe a table, and the differences that the table is read for.

use super::column::thousands;
use super::{Column, Row};

/// A core that is busier than this has nothing left.
const FULL: f64 = 0.97;

/// A proxy that makes a new connection to the origin more often than once in so many requests does not keep them.
const KEPT: f64 = 0.05;

/// For a table with those rows.
pub(super) fn of(rows: &[Row], yardstick: Column, rate: Option<f64>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(rate) = rate {
        notes.push(format!("The rate is {} requests/s.", thousands(rate)));
        notes.extend(lost(rows));
        notes.extend(named(
            rows,
            |row| row.figure(Column::P99).is_none(),
            "Cannot keep it, so that their times say nothing",
        ));
    }
    let full = |row: &Row| row.samples.iter().any(|sample| sample.origin_core > FULL);
    notes.extend(named(
        rows,
        full,
        "The core of origin and load was full: requests/s and times are bound by it, CPU per request is not, for",
    ));
    let unkept =
        |row: &Row| row.samples.iter().any(|sample| sample.origin_connections as f64 > KEPT * sample.answers as f64);
    notes.extend(named(rows, unkept, "Connections to the origin were not all kept by"));
    if yardstick == Column::Cpu {
        notes.extend(differences(rows));
        notes.extend(workers(rows));
    }
    notes
}

fn named(rows: &[Row], is: impl Fn(&Row) -> bool, what: &str) -> Option<String> {
    let names: Vec<&str> = rows.iter().filter(|row| is(row)).map(|row| row.peer).collect();
    (!names.is_empty()).then(|| format!("{what}: {}.", names.join(", ")))
}

/// The time that is left out.
fn lost(rows: &[Row]) -> Option<String> {
    let samples = || rows.iter().flat_map(|row| &row.samples);
    let (lost, seconds): (f64, f64) = (samples().map(|s| s.lost).sum(), samples().map(|s| s.seconds).sum());
    let share = 100.0 * lost / (lost + seconds);
    (lost > 0.0)
        .then(|| format!("{share:.1} % of the time is left out: the load had no core for more than a millisecond."))
}

/// What plugins cost, beside none.
fn differences(rows: &[Row]) -> Vec<String> {
    let cpu = |name: &str| rows.iter().find(|row| row.peer == name)?.median(Column::Cpu);
    let beside_none = |(name, what): (&str, &str)| {
        let difference = cpu(name)? - cpu("sluice-plain")?;
        Some(format!("{what} beside no plugin: {difference:+.2} µs."))
    };
    let pairs = [
        ("sluice", "Three hooks in a session"),
        ("sluice-new-session", "Three hooks that begin a session"),
        ("sluice-round-robin", "`round-robin` alone"),
    ];
    pairs.into_iter().filter_map(beside_none).collect()
}

/// What a second worker does to the cost of a request.
fn workers(rows: &[Row]) -> Vec<String> {
    let cpu = |name: &str| rows.iter().find(|row| row.peer == name)?.median(Column::Cpu);
    let ratio = |name: &str| {
        let ratio = cpu(&format!("{name}-2"))? / cpu(name)?;
        Some(format!("Two workers of {name} beside one: {ratio:.2} × the CPU per request."))
    };
    ["nginx", "sluice"].into_iter().filter_map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Figure;
    use crate::rounds::Sample;

    fn row(peer: &'static str, cpu: f64, origin_core: f64, origin_connections: u64) -> Row {
        let sample =
            Sample { answers: 100, user_us: cpu * 100.0, origin_core, origin_connections, ..Sample::default() };
        let mut row = Row::new(peer, vec![sample]);
        row.figures.extend(Figure::new(Column::Cpu, &row.samples));
        row
    }

    #[test]
    fn a_table_says_what_was_wrong_with_it() {
        let rows = [row("nginx", 10.0, 0.99, 0), row("haproxy", 11.0, 0.50, 60), row("caddy", 70.0, 0.2, 1)];
        assert_eq!(
            of(&rows, Column::Throughput, None),
            [
                "The core of origin and load was full: requests/s and times are bound by it, CPU per request is not, for: nginx.",
                "Connections to the origin were not all kept by: haproxy.",
            ]
        );
        let mut rows = rows;
        rows[2].samples[0].lost = 0.25;
        rows[2].samples[0].seconds = 4.75;
        let notes = of(&rows[2..], Column::P99, Some(43_210.4));
        assert_eq!(notes[0], "The rate is 43,210 requests/s.");
        assert_eq!(notes[1], "5.0 % of the time is left out: the load had no core for more than a millisecond.");
        assert_eq!(notes[2], "Cannot keep it, so that their times say nothing: caddy.");
    }

    #[test]
    fn differences_and_ratios_are_told_where_both_are_there() {
        let rows = [row("sluice", 12.0, 0.0, 0), row("sluice-plain", 10.5, 0.0, 0), row("sluice-2", 13.2, 0.0, 0)];
        assert_eq!(
            of(&rows, Column::Cpu, None),
            [
                "Three hooks in a session beside no plugin: +1.50 µs.",
                "Two workers of sluice beside one: 1.10 × the CPU per request.",
            ]
        );
    }
}
