//! `sluice:plugin/reports`: load that endpoints report of themselves.

use std::time::Instant;

use wasmtime::Result;

use crate::endpoint::Endpoint;
use crate::plugin::bindings::sluice::plugin::reports::{Host, Report};
use crate::plugin::context::Context;

impl Host for Context {
    fn last(&mut self, endpoint: u32) -> Result<Option<Report>> {
        Ok(last(self.endpoint(endpoint)?, self.owner.now()))
    }

    fn last_all(&mut self) -> Result<Vec<Option<Report>>> {
        let now = self.owner.now();
        Ok(self.members.endpoints.iter().map(|endpoint| last(endpoint, now)).collect())
    }

    fn named(&mut self, endpoint: u32, name: String) -> Result<Option<f64>> {
        let reported = self.endpoint(endpoint)?.reported(self.owner.now());
        Ok(reported.and_then(|report| report.named(&name)))
    }

    fn named_all(&mut self, name: String) -> Result<Vec<Option<f64>>> {
        let now = self.owner.now();
        let named = |endpoint: &Endpoint| endpoint.reported(now)?.named(&name);
        Ok(self.members.endpoints.iter().map(|endpoint| named(endpoint)).collect())
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
