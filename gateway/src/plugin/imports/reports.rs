//! `sluice:plugin/reports`: load that endpoints report of themselves.

use std::time::Instant;

use wasmtime::Result;

use crate::endpoint::Endpoint;
use crate::observe::recorded;
use crate::plugin::bindings::sluice::plugin::reports::{Host, Report};
use crate::plugin::context::Context;

impl Host for Context {
    fn last(&mut self, endpoint: u32) -> Result<Option<Report>> {
        let live = last(self.endpoint(endpoint)?, self.owner.now());
        Ok(self.saw_report(endpoint, live))
    }

    fn last_all(&mut self) -> Result<Vec<Option<Report>>> {
        let now = self.owner.now();
        let live: Vec<_> = self.members.endpoints.iter().map(|endpoint| last(endpoint, now)).collect();
        if self.witness.is_none() {
            return Ok(live);
        }
        Ok(live.into_iter().enumerate().map(|(endpoint, live)| self.saw_report(endpoint as u32, live)).collect())
    }

    fn named(&mut self, endpoint: u32, name: String) -> Result<Option<f64>> {
        let live = self.endpoint(endpoint)?.reported(self.owner.now());
        let live = live.and_then(|report| report.named(&name));
        Ok(self.saw_named(endpoint, &name, live))
    }

    fn named_all(&mut self, name: String) -> Result<Vec<Option<f64>>> {
        let now = self.owner.now();
        let named = |endpoint: &Endpoint| endpoint.reported(now)?.named(&name);
        let live: Vec<_> = self.members.endpoints.iter().map(|endpoint| named(endpoint)).collect();
        if self.witness.is_none() {
            return Ok(live);
        }
        Ok(live.into_iter().enumerate().map(|(endpoint, live)| self.saw_named(endpoint as u32, &name, live)).collect())
    }
}

impl Context {
    /// A report, or the one that was seen then.
    fn saw_report(&mut self, endpoint: u32, live: Option<Report>) -> Option<Report> {
        if self.witness.is_none() {
            return live;
        }
        let seen = self.saw_of(|seen| &mut seen.reports, endpoint, live.as_ref().map(written));
        seen.as_ref().map(read)
    }

    /// A figure of one, likewise.
    fn saw_named(&mut self, endpoint: u32, name: &str, live: Option<f64>) -> Option<f64> {
        let Some(at) = self.members.endpoints.get(endpoint as usize).filter(|_| self.witness.is_some()) else {
            return live;
        };
        let at = format!("{} {name}", at.settings.id);
        let seen = self.saw(|seen| &mut seen.named, &at, live.map(|figure| figure.to_string()));
        seen.map(|text| number(&text))
    }
}

fn last(endpoint: &Endpoint, now: Instant) -> Option<Report> {
    let reported = endpoint.reported(now)?;
    Some(Report {
        age_us: reported.age.as_micros() as u64,
        steady_us: reported.steady.as_micros() as u64,
        cpu: reported.cpu,
        memory: reported.memory,
        utilization: reported.utilization,
        requests_per_second: reported.requests_per_second,
        errors_per_second: reported.errors_per_second,
    })
}

/// For a record.
fn written(report: &Report) -> recorded::Report {
    recorded::Report {
        age_us: report.age_us,
        steady_us: report.steady_us,
        cpu: report.cpu.to_string(),
        memory: report.memory.to_string(),
        utilization: report.utilization.to_string(),
        requests_per_second: report.requests_per_second.to_string(),
        errors_per_second: report.errors_per_second.to_string(),
    }
}

/// Of a record.
fn read(report: &recorded::Report) -> Report {
    Report {
        age_us: report.age_us,
        steady_us: report.steady_us,
        cpu: number(&report.cpu),
        memory: number(&report.memory),
        utilization: number(&report.utilization),
        requests_per_second: number(&report.requests_per_second),
        errors_per_second: number(&report.errors_per_second),
    }
}

/// What is none is 0.
fn number(text: &str) -> f64 {
    text.parse().unwrap_or(0.0)
}
