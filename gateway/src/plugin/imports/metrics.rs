//! `sluice:plugin/metrics`: a plugin's own figures, opened while it is configured.

use std::sync::Arc;

use wasmtime::{Result, bail};

use crate::observe::metrics::{Kind, Metric};
use crate::plugin::bindings::sluice::plugin::metrics::Host;
use crate::plugin::context::{Context, Phase};
use crate::plugin::guest_log::short;

impl Context {
    fn open_metric(&mut self, kind: Kind, name: String, help: String) -> Result<u32> {
        if self.phase != Phase::Configuring {
            bail!("a metric opened outside `configure`: `{}`", short(&name));
        }
        let metric = match self.state.metrics.open(kind, &name, &help) {
            Ok(metric) => metric,
            Err(reason) => bail!("{reason}: metric `{}`", short(&name)),
        };
        let known = self.metrics.iter().position(|known| Arc::ptr_eq(known, &metric));
        let position = known.unwrap_or_else(|| {
            self.metrics.push(metric);
            self.metrics.len() - 1
        });
        Ok(position as u32)
    }

    fn metric(&self, metric: u32, kind: Kind) -> Result<&Arc<Metric>> {
        match self.metrics.get(metric as usize) {
            Some(metric) if metric.kind() == kind => Ok(metric),
            Some(metric) => bail!("a {:?} used as a {kind:?}", metric.kind()),
            None => bail!("metric {metric} was never opened"),
        }
    }
}

impl Host for Context {
    fn counter(&mut self, name: String, help: String) -> Result<u32> {
        self.open_metric(Kind::Counter, name, help)
    }

    fn gauge(&mut self, name: String, help: String) -> Result<u32> {
        self.open_metric(Kind::Gauge, name, help)
    }

    fn histogram(&mut self, name: String, help: String) -> Result<u32> {
        self.open_metric(Kind::Histogram, name, help)
    }

    fn add(&mut self, metric: u32, delta: u64) -> Result<()> {
        self.metric(metric, Kind::Counter)?.add(delta);
        Ok(())
    }

    fn set(&mut self, metric: u32, value: f64) -> Result<()> {
        self.metric(metric, Kind::Gauge)?.set(value);
        Ok(())
    }

    fn observe(&mut self, metric: u32, value: f64) -> Result<()> {
        self.metric(metric, Kind::Histogram)?.observe(value);
        Ok(())
    }
}
