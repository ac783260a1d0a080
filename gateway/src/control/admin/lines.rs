//! Families and their samples, line by line: what `prometheus-client` writes, in the few forms that are needed here.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Where families are written.
#[derive(Debug)]
pub(super) struct Lines<'a>(pub(super) DescriptorEncoder<'a>);

/// A family, of which all samples stand together.
#[derive(Debug)]
pub(super) struct Samples<'a>(MetricEncoder<'a>);

/// Name and value of each; values are escaped where they must be.
type Labels<'l, const N: usize> = [(&'static str, &'l str); N];

impl Lines<'_> {
    /// Only grows; `_total` is added to the name of its samples.
    pub(super) fn counters<'s>(&'s mut self, name: &'s str, help: &str) -> Result<Samples<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Counter).map(Samples)
    }

    /// Goes up and down.
    pub(super) fn gauges<'s>(&'s mut self, name: &'s str, help: &str) -> Result<Samples<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge).map(Samples)
    }

    /// Distributions.
    pub(super) fn histograms<'s>(&'s mut self, name: &'s str, help: &str) -> Result<Samples<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Histogram).map(Samples)
    }
}

impl Samples<'_> {
    pub(super) fn count<const N: usize>(
        &mut self,
        labels: Labels<'_, N>,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        match N {
            0 => self.0.encode_counter::<NoLabelSet, _, u64>(&value, None),
            _ => self.0.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None),
        }
    }

    pub(super) fn gauge<const N: usize>(&mut self, labels: Labels<'_, N>, value: impl EncodeGaugeValue) -> fmt::Result {
        match N {
            0 => self.0.encode_gauge(&value),
            _ => self.0.encode_family(&labels)?.encode_gauge(&value),
        }
    }

    /// `buckets`: upper bounds, the last one infinite, each with what is above the one before.
    pub(super) fn histogram<const N: usize>(
        &mut self,
        labels: Labels<'_, N>,
        sum: f64,
        buckets: &[(f64, u64)],
    ) -> fmt::Result {
        let count = buckets.iter().map(|(_, count)| count).sum();
        self.0.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Example;

    impl Collector for Example {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut lines = Lines(encoder);
            let mut counters = lines.counters("a_bytes", "Of a")?;
            counters.count([("x", "plain"), ("y", "a\\b\"c\nd")], 1_u64)?;
            counters.count([("x", "")], 2.5)?;
            lines.counters("b", "Of b")?.count([], u64::MAX)?;
            let mut gauges = lines.gauges("c", "Of c")?;
            gauges.gauge([], f64::NAN)?;
            gauges.gauge([("x", "y")], f64::NEG_INFINITY)?;
            let buckets = [(0.001, 1), (1.0, 0), (f64::INFINITY, 2)];
            lines.histograms("d_seconds", "Of d")?.histogram([("x", "y")], 0.25, &buckets)
        }
    }

    #[test]
    fn lines_are_written_as_the_format_wants_them() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Example));
        let mut written = String::new();
        text::encode(&mut written, &registry).expect("a text takes everything");
        let expected = [
            "# HELP a_bytes Of a",
            "# TYPE a_bytes counter",
            r#"a_bytes_total{x="plain",y="a\\b\"c\nd"} 1"#,
            r#"a_bytes_total{x=""} 2.5"#,
            "# HELP b Of b",
            "# TYPE b counter",
            "b_total 18446744073709551615",
            "# HELP c Of c",
            "# TYPE c gauge",
            "c NaN",
            r#"c{x="y"} -inf"#,
            "# HELP d_seconds Of d",
            "# TYPE d_seconds histogram",
            r#"d_seconds_sum{x="y"} 0.25"#,
            r#"d_seconds_count{x="y"} 3"#,
            r#"d_seconds_bucket{le="0.001",x="y"} 1"#,
            r#"d_seconds_bucket{le="1.0",x="y"} 1"#,
            r#"d_seconds_bucket{le="+Inf",x="y"} 3"#,
            "# EOF",
        ];
        assert_eq!(written.lines().collect::<Vec<_>>(), expected);
    }
}
