//! What an endpoint says of its own load: the last report of each stands beside what is measured of it, over all workers, and
//! selectors may ask for it. Nobody can know whether it is true; here it is only held against what can be.

mod orca;
pub mod protobuf;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::Endpoint;

/// More than any share of a resource in use is. Beyond 1 is what passes a soft limit.
const MOST_SHARE: f64 = 1e3;
/// More than any rate or other figure is.
const MOST: f64 = 1e15;

/// What an endpoint says of its load, in the words of ORCA (xDS, `xds.data.orca.v3.OrcaLoadReport`). What it does not say is 0, as
/// it is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// CPU in use, as a share of what there is.
    pub cpu: f64,
    /// Memory in use, likewise.
    pub memory: f64,
    /// What the application calls its utilization, likewise.
    pub utilization: f64,
    /// Requests per second.
    pub requests_per_second: f64,
    /// Errors per second.
    pub errors_per_second: f64,
    /// The names that are kept of all others.
    names: Arc<[Arc<str>]>,
    /// Their values; no number: not said.
    named: Box<[f64]>,
}

/// Why something is no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoReport {
    /// Fields, lines or bytes that are more than a report has.
    #[error("too long, or more than one")]
    TooMuch,
    /// None of the forms of ORCA.
    #[error("neither TEXT nor JSON nor BIN, or not well-formed")]
    Form,
    /// A value that no figure has: no number, below 0, infinite.
    #[error("a value that cannot be")]
    Value,
    /// Nothing that is read was in it.
    #[error("nothing that is read is in it")]
    Nothing,
}

impl Report {
    /// One that says nothing, of which these named figures are kept.
    pub fn keeping(names: &Arc<[Arc<str>]>) -> Self {
        Self {
            cpu: 0.0,
            memory: 0.0,
            utilization: 0.0,
            requests_per_second: 0.0,
            errors_per_second: 0.0,
            names: names.clone(),
            named: vec![f64::NAN; names.len()].into(),
        }
    }

    /// Takes one figure in, by its name in ORCA. Those that nobody keeps are passed over.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn put(&mut self, name: &str, value: f64) -> Result<(), NoReport> {
        let (figure, most) = match name {
            // The short names are those of Envoy's documents.
            "cpu_utilization" | "cpu" => (&mut self.cpu, MOST_SHARE),
            "mem_utilization" | "mem" => (&mut self.memory, MOST_SHARE),
            "application_utilization" => (&mut self.utilization, MOST_SHARE),
            "rps_fractional" => (&mut self.requests_per_second, MOST),
            // Of before there were fractions: the other one says it better.
            "rps" if self.requests_per_second == 0.0 => (&mut self.requests_per_second, MOST),
            "eps" => (&mut self.errors_per_second, MOST),
            _ => return self.put_named(name.strip_prefix("named_metrics.").unwrap_or(name), value),
        };
        if !(0.0..=most).contains(&value) {
            return Err(NoReport::Value);
        }
        *figure = value;
        Ok(())
    }

    fn put_named(&mut self, name: &str, value: f64) -> Result<(), NoReport> {
        let kept = self.names.iter().position(|kept| **kept == *name);
        let Some(place) = kept.and_then(|place| self.named.get_mut(place)) else { return Ok(()) };
        // Named figures may be anything, also below 0.
        if !(-MOST..=MOST).contains(&value) {
            return Err(NoReport::Value);
        }
        *place = value;
        Ok(())
    }

    /// A named figure; none: it was not said, or is not kept.
    pub fn named(&self, name: &str) -> Option<f64> {
        self.all_named().find(|(kept, _)| ***kept == *name).map(|(_, value)| value)
    }

    /// All named figures that were said.
    pub fn all_named(&self) -> impl Iterator<Item = (&Arc<str>, f64)> {
        self.names.iter().zip(self.named.iter().copied()).filter(|(_, value)| !value.is_nan())
    }
}

/// The reports of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Reports {
    last: ArcSwapOption<Kept>,
    taken: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    report: Report,
    at: Instant,
    /// When the first of those came that came without a pause of `expire` in between.
    since: Instant,
    expire: Duration,
}

/// How many reports an endpoint has given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// They counted.
    pub taken: u64,
    /// They were no reports.
    pub refused: u64,
    /// It was asked for one and gave none.
    pub failed: u64,
}

/// What an endpoint has reported last.
#[derive(Debug, Clone)]
pub struct Reported {
    kept: Arc<Kept>,
    /// How old it is.
    pub age: Duration,
    /// How long it has reported without a pause, and been in full use.
    pub steady: Duration,
}

impl std::ops::Deref for Reported {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.kept.report
    }
}

impl Endpoint {
    /// It has reported that, `now`; after `expire` it counts no more.
    pub fn reports(&self, report: Report, now: Instant, expire: Duration) {
        let reports = &self.figures.reports;
        let before = reports.last.load();
        let goes_on = before.as_ref().filter(|before| now.saturating_duration_since(before.at) < expire);
        let since = goes_on.map_or(now, |before| before.since);
        reports.last.store(Some(Arc::new(Kept { report, at: now, since, expire })));
        reports.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// What it said was no report.
    pub fn report_refused(&self) {
        self.figures.reports.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// It was asked for a report, and gave none.
    pub fn report_failed(&self) {
        self.figures.reports.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Its last report; none if there was none, or it is too old.
    pub fn reported(&self, now: Instant) -> Option<Reported> {
        let kept = self.figures.reports.last.load_full()?;
        let age = now.saturating_duration_since(kept.at);
        if age >= kept.expire {
            return None;
        }
        let steady = now.saturating_duration_since(kept.since);
        let steady = self.figures.used_for(now).map_or(steady, |used| used.min(steady));
        Some(Reported { kept, age, steady })
    }

    /// How many reports it has given so far.
    pub fn reports_given(&self) -> Given {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Reports { taken, refused, failed, .. } = &self.figures.reports;
        Given { taken: count(taken), refused: count(refused), failed: count(failed) }
    }
}

#[cfg(test)]
mod tests;
