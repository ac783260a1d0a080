//! Shares by the load that endpoints report of themselves: client-side weighted round robin, as gRPC (gRFC A58) and Envoy
//! define it. The weight of an endpoint is
//!
//! ```text
//! requests per second / (utilization + errors per second / requests per second × error-penalty)
//! ```
//!
//! so that an endpoint which does as much with less of its CPU gets more. The utilization is what the application calls so, else
//! the largest of the figures that `utilization` names, else that of the CPU. Where nobody reports requests per second, the
//! configured weight stands for them.
//!
//! Configuration, with the defaults:
//! - `update`: `"1s"`, how often shares follow the reports.
//! - `blackout`: `"10s"`, how long an endpoint must have reported, without a pause and in use, before that counts.
//! - `error-penalty`: `1.0`.
//! - `utilization`: none; such as `["named_metrics.kv_cache"]`.
//!
//! The upstream's `reported-load` says how endpoints report, and when a report is too old. An endpoint that does not report gets
//! what its configured weight is worth among those that do. Use it where endpoints know better than the gateway how busy they are.

mod config;
mod schedule;
mod weights;

use config::Config;
use schedule::Schedule;
use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{Gauge, Issues, Members, Plugin, Request, Selection, Setup, Shares, TimeUs, Timer};
use weights::weights;

struct ReportedLoad {
    config: Config,
    /// Where this worker's rotation begins.
    seed: u64,
    rated: Gauge,
    /// As configured.
    shares: Shares,
    warm_up: Vec<u32>,
    schedule: Schedule,
}

sluice_plugin::export!(ReportedLoad: Selection, Timer);

impl Plugin for ReportedLoad {
    type Config = Config;

    fn new(config: Config, setup: &Setup) -> Result<Self, Issues> {
        config.check()?;
        setup.tick(config.update.0);
        let rated = setup.gauge("rated_endpoints", "Endpoints whose share goes by what they report.");
        let seed = u64::from(setup.worker()) + 1;
        let (shares, warm_up, schedule) = (Shares::default(), Vec::new(), Schedule::default());
        Ok(Self { config, seed, rated, shares, warm_up, schedule })
    }
}

impl Selection for ReportedLoad {
    fn set_endpoints(&mut self, members: &Members) {
        self.shares = members.shares();
        self.warm_up = members.warm_up();
        // Others may stand where somebody was due.
        self.schedule.forget();
        self.follow();
    }

    fn select(&mut self, input: Input, _: Option<&Request>) -> Decision {
        let endpoint = if input.attempt == 0 { self.schedule.next() } else { self.schedule.next_untried() };
        endpoint.map_or(Decision::pass(), Decision::endpoint)
    }
}

impl Timer for ReportedLoad {
    fn tick(&mut self, _: TimeUs) {
        self.follow();
    }
}

impl ReportedLoad {
    /// Shares are as the reports are now.
    fn follow(&mut self) {
        let (weights, rated) = weights(&self.shares, &self.warm_up, &self.config);
        self.schedule.set(&weights, self.seed);
        self.rated.set(rated as f64);
    }
}

#[cfg(test)]
mod tests;
