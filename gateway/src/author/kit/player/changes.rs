//! What changes around a plugin between exchanges: time, verdicts, figures, and instances.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{BATCH, Broken, FEEDBACK, Player};
use crate::author::kit::scenario::Condition;
use crate::endpoint::Report;
use crate::plugin::{Hook, Inherited, Plugin};

/// How long a report counts, as where a configuration says nothing else.
const REPORT: Duration = Duration::from_secs(180);

impl Player {
    /// Time passes; what is due in it is done in it.
    pub(in crate::author::kit) fn advance(&mut self, by: Duration) -> Result<(), Broken> {
        let until = self.stage().clock.passed_us() + by.as_micros() as u64;
        while let Some(due) = self.next_tick.filter(|due| *due <= until) {
            self.stage().clock.advance_to(due);
            self.hear()?;
            self.rig.tick().map_err(self.failed(Hook::Timer))?;
            let period = self.rig.slot(0).tick_period();
            self.next_tick = period.map(|period| due + period.as_micros() as u64);
        }
        self.stage().clock.advance_to(until);
        if until >= self.next_feedback || self.unheard >= BATCH {
            self.hear()?;
        }
        Ok(())
    }

    /// Outcomes are handed over.
    fn hear(&mut self) -> Result<(), Broken> {
        self.unheard = 0;
        self.next_feedback = self.stage().clock.passed_us() + FEEDBACK.as_micros() as u64;
        self.rig.observe().map_err(self.failed(Hook::Feedback))
    }

    /// Fresh instances, as in a swap.
    pub(in crate::author::kit) fn swap(&mut self, plugin: &Arc<Plugin>) -> Result<Vec<Inherited>, Broken> {
        self.events += 1;
        let inherited = self.rig.swap(plugin).map_err(|error| self.broken(error.to_string()))?;
        inherited.into_iter().map(|inherited| inherited.map_err(self.failed(Hook::State))).collect()
    }

    pub(in crate::author::kit) fn judge(&mut self, id: &str, condition: Condition) {
        self.events += 1;
        let members = self.stage().members();
        if let Some(index) = members.endpoints.iter().position(|endpoint| *endpoint.settings.id == *id) {
            self.stage().judge(index, condition != Condition::Unhealthy);
            self.stage().drain(index, condition == Condition::Draining);
        }
    }

    /// So many in flight there beside those of exchanges.
    pub(in crate::author::kit) fn set_in_flight(&mut self, id: &str, count: u32) {
        self.events += 1;
        let members = self.stage().members();
        if let Some(endpoint) = members.endpoints.iter().find(|endpoint| *endpoint.settings.id == *id) {
            let held = (0..count).filter_map(|_| endpoint.enter()).collect();
            self.set.insert(endpoint.settings.id.clone(), held);
        }
    }

    /// So many bytes a second go there and come from there.
    pub(in crate::author::kit) fn set_bytes_per_second(&mut self, id: &str, bytes: u64) {
        self.events += 1;
        let members = self.stage().members();
        if let Some(endpoint) = members.endpoints.iter().find(|endpoint| *endpoint.settings.id == *id) {
            endpoint.set_bytes_per_second(bytes);
        }
    }

    /// It reports that of its load.
    pub(in crate::author::kit) fn report(&mut self, id: &str, figures: &BTreeMap<String, f64>) -> Result<(), Broken> {
        self.events += 1;
        let named = figures.keys().map(|name| Arc::from(name.strip_prefix("named_metrics.").unwrap_or(name)));
        let mut report = Report::keeping(&named.collect());
        for (name, value) in figures {
            report.put(name, *value).map_err(|error| self.broken(format!("{id} reports {name} = {value}: {error}")))?;
        }
        let members = self.stage().members();
        if let Some(endpoint) = members.endpoints.iter().find(|endpoint| *endpoint.settings.id == *id) {
            endpoint.reports(report, self.stage().clock.instant(), REPORT);
        }
        Ok(())
    }
}
