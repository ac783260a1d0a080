//! Figures that endpoints report of themselves. Their names are those of the configuration, whatever an endpoint says.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::lines::Lines;
use crate::config::model;
use crate::endpoint::{Endpoint, Given, Members, Reported};

/// What a figure is called, and what it is of a report.
type Figure = (&'static str, fn(&Reported) -> f64);

/// Figures that every report may have.
pub(super) const FIGURES: [Figure; 5] = [
    ("cpu", |report| report.cpu),
    ("memory", |report| report.memory),
    ("utilization", |report| report.utilization),
    ("requests-per-second", |report| report.requests_per_second),
    ("errors-per-second", |report| report.errors_per_second),
];

/// Those of upstreams whose endpoints report.
pub(super) fn reports(lines: &mut Lines<'_>, upstreams: &[(&model::Upstream, Arc<Members>)]) -> fmt::Result {
    let now = Instant::now();
    let all = || {
        let reporting = upstreams.iter().filter(|(settings, _)| settings.reported_load.is_some());
        reporting.flat_map(|(settings, members)| members.endpoints.iter().map(|endpoint| (&*settings.name, endpoint)))
    };
    let last = || all().filter_map(|(upstream, endpoint)| Some((upstream, endpoint, endpoint.reported(now)?)));
    let help = "Reports of an endpoint on its own load, by what became of them; failed: it was asked and gave none.";
    let mut given = lines.counters("sluice_endpoint_reports", help)?;
    for (upstream, endpoint) in all() {
        let Given { taken, refused, failed } = endpoint.reports_given();
        for (outcome, count) in [("taken", taken), ("refused", refused), ("failed", failed)] {
            given.count([("upstream", upstream), ("endpoint", id(endpoint)), ("outcome", outcome)], count)?;
        }
    }
    let help = "How old the last report of an endpoint is; none where it is too old to count.";
    let mut ages = lines.gauges("sluice_endpoint_report_age_seconds", help)?;
    for (upstream, endpoint, report) in last() {
        ages.gauge([("upstream", upstream), ("endpoint", id(endpoint))], report.age.as_secs_f64())?;
    }
    let help = "What an endpoint has reported last, by figure; named ones as named.NAME.";
    let mut figures = lines.gauges("sluice_endpoint_reported", help)?;
    for (upstream, endpoint, report) in last() {
        let mut show = |figure: &str, value| {
            figures.gauge([("upstream", upstream), ("endpoint", id(endpoint)), ("figure", figure)], value)
        };
        for (figure, of) in FIGURES {
            show(figure, of(&report))?;
        }
        for (name, value) in report.all_named() {
            show(&format!("named.{name}"), value)?;
        }
    }
    Ok(())
}

fn id(endpoint: &Endpoint) -> &str {
    &endpoint.settings.id
}
