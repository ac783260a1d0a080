//! The two forms in which figures are told: OpenMetrics 1.0, and the text format 0.0.4 of Prometheus for those who do not ask
//! for the other.

use std::collections::BTreeSet;

/// How figures are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `application/openmetrics-text`.
    OpenMetrics,
    /// `text/plain`.
    Plain,
}

impl Format {
    /// What the values of `Accept` prefer: OpenMetrics only if it is named, in a version that this is, and nothing that is text
    /// is preferred.
    pub(super) fn wanted_by<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let (mut open, mut plain) = (0.0_f32, 0.0_f32);
        for range in accept.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters: Vec<_> = parts.filter_map(|parameter| parameter.split_once('=')).collect();
            let parameter = |wanted: &str| {
                let found = parameters.iter().find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
                found.map(|(_, value)| value.trim().trim_matches('"'))
            };
            let quality: f32 = parameter("q").map_or(1.0, |q| q.parse().unwrap_or(0.0));
            match name.as_str() {
                "application/openmetrics-text" if parameter("version").is_none_or(|version| version == "1.0.0") => {
                    open = quality.max(open);
                }
                "text/plain" | "text/*" => plain = quality.max(plain),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Plain }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What is to be sent for a text of OpenMetrics.
    pub(super) fn of(self, text: String) -> String {
        match self {
            Self::OpenMetrics => text,
            Self::Plain => plain(&text),
        }
    }
}

/// Without the mark of the end. A counter is described by its name in the text format, by its family's in OpenMetrics, which is
/// without `_total`.
fn plain(text: &str) -> String {
    let counter = |line: &'_ str| line.strip_prefix("# TYPE ")?.strip_suffix(" counter").map(str::to_owned);
    let counters: BTreeSet<String> = text.lines().filter_map(counter).collect();
    let mut plain = String::with_capacity(text.len() + counters.len() * 2 * "_total".len());
    for line in text.lines().filter(|line| *line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", what, name, rest] if counters.contains(name) => {
                plain.extend(["# ", what, " ", name, "_total ", rest]);
            }
            _ => plain.push_str(line),
        }
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_goes_to_those_who_ask_for_it() {
        let open = [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8",
            "text/html, application/openmetrics-text;q=0.1",
            // What Prometheus sends.
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;\
             q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        ];
        let plain = [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-text; version=0.0.1, text/plain; q=0.5",
            "application/openmetrics-text; version=2.0.0",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=many",
            "application/openmetrics-text;q=0.4,text/plain;q=0.5",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
        ];
        for (accepts, format) in [(&open[..], Format::OpenMetrics), (&plain, Format::Plain)] {
            for accept in accepts {
                assert_eq!(Format::wanted_by([*accept].into_iter()), format, "{accept:?}");
            }
        }
        assert_eq!(Format::wanted_by(["text/html", "application/openmetrics-text"].into_iter()), Format::OpenMetrics);
    }

    #[test]
    fn plain_text_describes_counters_by_their_own_name() {
        let open = "# HELP a_b Of a_b  and c\n# TYPE a_b counter\na_b_total{x=\"# TYPE a_b counter\"} 1\n\
                    # HELP a_b_c Depth\n# TYPE a_b_c gauge\na_b_c 2\n# EOF\n";
        let plain = "# HELP a_b_total Of a_b  and c\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE a_b counter\"} 1\n\
                     # HELP a_b_c Depth\n# TYPE a_b_c gauge\na_b_c 2\n";
        assert_eq!(Format::Plain.of(open.to_owned()), plain);
        assert_eq!(Format::OpenMetrics.of(open.to_owned()), open);
    }
}
