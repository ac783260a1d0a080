//! The figures that a sample gives, and how they are written.

use crate::rounds::Sample;

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Column {
    /// Requests per second.
    Rate,
    /// CPU time of the proxy for a request, and its two parts.
    Cpu,
    User,
    System,
    /// Requests per second of CPU time.
    PerCpuSecond,
    /// Bytes of bodies per second of CPU time.
    Throughput,
    P50,
    P99,
    /// Memory at the end.
    Resident,
    /// Memory for each idle connection.
    PerConnection,
}

impl Column {
    /// What stands above it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Rate => "requests/s",
            Self::Cpu => "CPU µs/request",
            Self::User => "user µs",
            Self::System => "system µs",
            Self::PerCpuSecond => "connections/CPU s",
            Self::Throughput => "MB/CPU s",
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::Resident => "RSS MiB",
            Self::PerConnection => "bytes/connection",
        }
    }

    /// The figure of a sample, if it has one.
    pub(crate) fn of(self, sample: &Sample) -> Option<f64> {
        let (answers, cpu) = (sample.answers as f64, sample.user_us + sample.system_us);
        let figure = match self {
            Self::Rate => answers / sample.seconds,
            Self::Cpu => cpu / answers,
            Self::User => sample.user_us / answers,
            Self::System => sample.system_us / answers,
            Self::PerCpuSecond => answers / (cpu / 1e6),
            // Bytes per microsecond are megabytes per second.
            Self::Throughput => sample.moved as f64 / cpu,
            Self::P50 => sample.p50_us?,
            Self::P99 => sample.p99_us?,
            Self::Resident => sample.resident as f64 / f64::from(1 << 20),
            Self::PerConnection => sample.per_connection?,
        };
        figure.is_finite().then_some(figure)
    }

    /// A figure as it stands in a table.
    pub(crate) fn text(self, figure: f64) -> String {
        match self {
            Self::Cpu | Self::User | Self::System if figure < 100.0 => format!("{figure:.2}"),
            Self::Resident => format!("{figure:.1}"),
            _ => thousands(figure),
        }
    }
}

/// A whole number with a comma at each thousand.
pub(super) fn thousands(figure: f64) -> String {
    let digits = format!("{:.0}", figure.abs());
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if figure < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_from_samples() {
        let sample = Sample {
            answers: 1_000,
            seconds: 0.5,
            user_us: 3_000.0,
            system_us: 7_000.0,
            moved: 40_000,
            resident: 3 << 20,
            p99_us: Some(9.0),
            ..Sample::default()
        };
        for (column, expected) in [
            (Column::Rate, Some(2_000.0)),
            (Column::Cpu, Some(10.0)),
            (Column::User, Some(3.0)),
            (Column::System, Some(7.0)),
            (Column::PerCpuSecond, Some(100_000.0)),
            (Column::Throughput, Some(4.0)),
            (Column::P50, None),
            (Column::P99, Some(9.0)),
            (Column::Resident, Some(3.0)),
            (Column::PerConnection, None),
        ] {
            assert_eq!(column.of(&sample), expected, "{column:?}");
        }
        assert_eq!(Column::Cpu.of(&Sample::default()), None);
    }

    #[test]
    fn large_figures_have_commas_and_small_ones_fractions() {
        for (column, figure, expected) in [
            (Column::Cpu, 10.678, "10.68"),
            (Column::Cpu, 1234.5, "1,234"),
            (Column::Rate, 72310.4, "72,310"),
            (Column::Rate, 1_234_567.0, "1,234,567"),
            (Column::P50, 830.0, "830"),
            (Column::Resident, 12.34, "12.3"),
            (Column::PerConnection, -4096.0, "-4,096"),
        ] {
            assert_eq!(column.text(figure), expected);
        }
    }
}
