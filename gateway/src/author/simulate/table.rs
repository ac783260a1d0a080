//! Outcomes as a table for a terminal: a line for each policy at each level.

use std::fmt;

use super::outcome::{Outcome, Outcomes};

/// The columns behind the policy and the level.
const COLUMNS: [&str; 10] =
    ["requests", "failed", "mean ms", "p50", "p95", "p99", "p99.9", "wait ms", "imbalance", "moved"];

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warm_up = match self.warm_up_seconds {
            0.0 => String::new(),
            seconds => format!(" of which {seconds} s do not count"),
        };
        writeln!(f, "{}: {} s{warm_up}, seed {}\n", self.title, self.seconds, self.seed)?;
        let mut lines: Vec<Vec<String>> =
            vec![["policy", self.axis].into_iter().chain(COLUMNS).map(str::to_owned).collect()];
        for policy in &self.policies {
            lines.extend(policy.runs.iter().map(|run| line(&policy.name, run)));
        }
        let widths: Vec<usize> = (0..COLUMNS.len() + 2)
            .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|text| text.chars().count()).max())
            .map(Option::unwrap_or_default)
            .collect();
        for line in &lines {
            for (column, (text, width)) in line.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "{text:<width$}")?,
                    _ => write!(f, "  {text:>width$}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn line(policy: &str, run: &Outcome) -> Vec<String> {
    let latency = &run.latency_ms;
    let mut line = vec![policy.to_owned(), run.level.to_string(), run.requests.to_string()];
    line.push(run.answers.failed().to_string());
    let times = [latency.mean, latency.p50, latency.p95, latency.p99, latency.p999, run.wait_ms];
    line.extend(times.map(|ms| format!("{ms:.2}")));
    line.push(format!("{:.2}", run.imbalance));
    line.push(format!("{:.1}%", run.moved * 100.0));
    line
}
