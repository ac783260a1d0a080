//! Which plots a report has, and how to read each.

use std::fmt::Write;

use super::super::outcome::{Moment, Outcome, Outcomes, PolicyOutcome};
use super::plot::{Line, Plot, class, escaped, number};

/// Endpoints that have a line each; of more, the least, the middle and the most are shown.
const LINES: usize = 8;

/// All plots that these outcomes have something for.
pub(super) fn write(outcomes: &Outcomes, page: &mut String) -> std::fmt::Result {
    let levels = outcomes.policies.first().map_or(0, |policy| policy.runs.len());
    if levels > 1 {
        against_level(outcomes, page)?;
    }
    distribution(outcomes, page)?;
    over_time(outcomes, page)?;
    in_flight(outcomes, page)
}

fn section(page: &mut String, title: &str, reading: &str) -> std::fmt::Result {
    writeln!(page, "<h2>{}</h2><p>{}</p><div class=\"plots\">", escaped(title), escaped(reading))
}

fn figure(page: &mut String, caption: &str, plot: &Plot<'_>) -> std::fmt::Result {
    let caption = escaped(caption);
    writeln!(page, "<figure><figcaption>{caption}</figcaption>{}</figure>", plot.svg(&caption))
}

fn end(page: &mut String) -> std::fmt::Result {
    writeln!(page, "</div>")
}

/// One line for each policy, over its runs.
fn runs(outcomes: &Outcomes, value: impl Fn(&Outcome) -> f64) -> Vec<Line> {
    let line = |policy: &PolicyOutcome| Line {
        name: policy.name.clone(),
        points: policy.runs.iter().map(|run| (run.level, Some(value(run)))).collect(),
    };
    let mut lines: Vec<Line> = outcomes.policies.iter().map(line).collect();
    lines.iter_mut().for_each(|line| line.points.sort_by(|one, other| one.0.total_cmp(&other.0)));
    lines
}

/// What of a part of a run is shown.
type Seen = fn(&Moment) -> Option<f64>;

/// A figure of a run, with its name.
type Value = (&'static str, fn(&Outcome) -> f64);

fn against_level(outcomes: &Outcomes, page: &mut String) -> std::fmt::Result {
    let reading = "What a request takes, the more comes. Of a hundred requests, fifty are quicker than the median (p50), and one is slower than \
         p99. Each step up is a factor. The further to the right a line stays flat, the more the same endpoints can take.";
    section(page, &format!("Latency against {}", outcomes.axis), reading)?;
    let latencies: [Value; 4] = [
        ("mean", |run| run.latency_ms.mean),
        ("p50", |run| run.latency_ms.p50),
        ("p99", |run| run.latency_ms.p99),
        ("p99.9", |run| run.latency_ms.p999),
    ];
    for (name, value) in latencies {
        let lines = runs(outcomes, value);
        figure(page, name, &Plot { x: outcomes.axis, y: "ms", lines, is_logarithmic: true, ..Plot::default() })?;
    }
    end(page)?;
    let reading = "Imbalance: how many times the mean the busiest endpoint has in flight, by weight; 1 is perfect. Failed: of a hundred \
         requests, those without a good answer. Moved: of a hundred requests whose key came before, those that went elsewhere than the last time.";
    section(page, &format!("Balance, failures and affinity against {}", outcomes.axis), reading)?;
    let others: [Value; 3] = [
        ("imbalance", |run| run.imbalance),
        ("failed, %", |run| run.answers.failed() as f64 * 100.0 / run.requests.max(1) as f64),
        ("moved, %", |run| run.moved * 100.0),
    ];
    for (name, value) in others {
        let lines = runs(outcomes, value);
        figure(page, name, &Plot { x: outcomes.axis, y: name, lines, ..Plot::default() })?;
    }
    end(page)
}

fn distribution(outcomes: &Outcomes, page: &mut String) -> std::fmt::Result {
    let names = ["p50", "p90", "p95", "p99", "p99.9", "max"];
    let line = |(policy, run): (&PolicyOutcome, &Outcome)| {
        let latency = &run.latency_ms;
        let values = [latency.p50, latency.p90, latency.p95, latency.p99, latency.p999, latency.max];
        let points = values.iter().enumerate().map(|(place, value)| (place as f64, Some(*value)));
        Line { name: policy.name.clone(), points: points.collect() }
    };
    let reading = "From the request in the middle to the slowest of all. Where lines part to the right, policies differ for the unlucky few.";
    section(page, &format!("Latency at {} {}", outcomes.axis, number(outcomes.highest())), reading)?;
    let lines = outcomes.at_highest().map(line).collect();
    let plot = Plot { x: "of all requests", y: "ms", lines, names: &names, is_logarithmic: true, ..Plot::default() };
    figure(page, "quantiles", &plot)?;
    end(page)
}

/// What happened on the way, in seconds.
fn marks(run: &Outcome) -> Vec<(f64, String)> {
    run.changes.iter().map(|change| (change.at_ms / 1_000.0, change.change.clone())).collect()
}

fn over_time(outcomes: &Outcomes, page: &mut String) -> std::fmt::Result {
    let reading =
        "The run from its beginning to its end. Dotted lines are what happened on the way; the table below says what.";
    section(page, &format!("Course at {} {}", outcomes.axis, number(outcomes.highest())), reading)?;
    let values: [(&str, bool, Seen); 4] = [
        ("p50, ms", true, |moment| moment.p50_ms),
        ("p99, ms", true, |moment| moment.p99_ms),
        ("failed, %", false, |moment| Some(moment.failed as f64 * 100.0 / moment.requests.max(1) as f64)),
        ("keys moved, %", false, |moment| moment.moved.map(|part| part * 100.0)),
    ];
    for (name, is_logarithmic, value) in values {
        let line = |(policy, run): (&PolicyOutcome, &Outcome)| Line {
            name: policy.name.clone(),
            points: run.over_time.iter().map(|moment| (moment.at_ms / 1_000.0, value(moment))).collect(),
        };
        let plot = Plot {
            x: "s",
            y: name,
            lines: outcomes.at_highest().map(line).collect(),
            marks: outcomes.at_highest().next().map(|(_, run)| marks(run)).unwrap_or_default(),
            shaded_until: outcomes.warm_up_seconds,
            is_logarithmic,
            ..Plot::default()
        };
        figure(page, name, &plot)?;
    }
    end(page)
}

/// A plot for each policy: who has how many requests.
fn in_flight(outcomes: &Outcomes, page: &mut String) -> std::fmt::Result {
    let reading = "How many requests each endpoint has, waiting or in work. Lines that lie together are balance; one that climbs away is an \
         endpoint that gets more than it can do.";
    section(page, "In flight per endpoint", reading)?;
    for (policy, run) in outcomes.at_highest() {
        let plot = Plot {
            x: "s",
            y: "requests",
            lines: endpoint_lines(run),
            marks: marks(run),
            shaded_until: outcomes.warm_up_seconds,
            ..Plot::default()
        };
        figure(page, &policy.name, &plot)?;
    }
    end(page)?;
    page.push_str("<ul class=\"legend\">");
    let names = outcomes.at_highest().next().map(|(_, run)| endpoint_lines(run)).unwrap_or_default();
    for (index, line) in names.iter().enumerate() {
        let (class, name) = (class(index), escaped(&line.name));
        write!(
            page,
            "<li><svg viewBox=\"0 0 16 10\" aria-hidden=\"true\"><polyline class=\"{class}\" points=\"0,5 16,5\"/></svg> {name}</li>"
        )?;
    }
    writeln!(page, "</ul>")
}

fn endpoint_lines(run: &Outcome) -> Vec<Line> {
    let times: Vec<f64> = run.over_time.iter().map(|moment| moment.at_ms / 1_000.0).collect();
    let line = |name: &str, values: &[f64]| Line {
        name: name.to_owned(),
        points: times.iter().zip(values).map(|(time, value)| (*time, Some(*value))).collect(),
    };
    if run.endpoints.len() <= LINES {
        return run.endpoints.iter().map(|endpoint| line(&endpoint.id, &endpoint.over_time)).collect();
    }
    let sorted = (0..times.len()).map(|part| {
        let mut values: Vec<f64> =
            run.endpoints.iter().filter_map(|endpoint| endpoint.over_time.get(part).copied()).collect();
        values.sort_by(f64::total_cmp);
        values
    });
    let sorted: Vec<Vec<f64>> = sorted.collect();
    let at = |part: f64| -> Vec<f64> {
        sorted.iter().map(|values| super::super::outcome::quantile(values, part).unwrap_or_default()).collect()
    };
    vec![line("the most", &at(1.0)), line("the middle", &at(0.5)), line("the least", &at(0.0))]
}
