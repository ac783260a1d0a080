//! Taking endpoints out for what requests meet there, and back in when their time is over.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::Upstream;
use super::outliers::{bar, most_out, time_out, times_in_a_row};
use crate::config::model::SuccessRate;
use crate::endpoint::{Endpoint, Fault, Members};

/// What is counted apart from the endpoints; locked while some are counted out or in.
#[derive(Debug)]
pub(super) struct Counting {
    /// When success rates were last compared.
    compared: Instant,
}

impl Counting {
    pub(super) fn since(now: Instant) -> Self {
        Self { compared: now }
    }
}

impl Upstream {
    /// `endpoint` gave no answer, or one that makes no sense; it is taken out if that was one too many. Nobody looks at the clock
    /// otherwise.
    pub fn failed(&self, endpoint: &Arc<Endpoint>, now: impl Fn() -> Instant) {
        self.trouble.notify_one();
        let (limit, failures) = (self.ejection.consecutive_failures, endpoint.gave_nothing());
        if limit > 0 && failures >= limit {
            self.eject(endpoint, Fault::Failures, now(), || format!("no answer to {failures} requests in a row"));
        }
        if self.ejection.counts_errors() {
            self.went(endpoint, false, now);
        }
    }

    /// `endpoint` answered. What that costs where nothing else is configured is one comparison.
    pub fn answered(&self, endpoint: &Arc<Endpoint>, status: u16, now: impl Fn() -> Instant) {
        endpoint.answered();
        if self.ejection.counts_errors() {
            self.went(endpoint, !self.ejection.error_status.contains(status), now);
        }
    }

    fn went(&self, endpoint: &Arc<Endpoint>, is_good: bool, now: impl Fn() -> Instant) {
        let (limit, errors) = (self.ejection.consecutive_errors, endpoint.went(is_good));
        if limit > 0 && errors >= limit {
            self.eject(endpoint, Fault::Errors, now(), || format!("{errors} errors in a row"));
        }
        if self.ejection.success_rate.is_some() {
            endpoint.count_in_window(is_good);
        }
    }

    /// What happens by the clock: those are taken back whose time is over, success rates are compared, slow starts go on,
    /// budgets turn, and what flows is measured.
    /// Called every now and then; costs a look at each endpoint.
    pub fn look(&self, now: Instant) {
        for endpoint in &self.set.load().endpoints {
            if endpoint.take_back(now) {
                tracing::info!(target: "sluice", upstream = %self.name, endpoint = %endpoint.settings.id, "returned");
            }
            endpoint.measure(now);
        }
        if let Some(rule) = &self.ejection.success_rate {
            self.compare(rule, now);
        }
        self.set.refresh(now);
        self.budget.turn(now, || self.set.attempts());
        if let Some(load) = &self.load {
            // There may be more to choose from now.
            load.wake();
        }
    }

    /// Takes those out whose answers are bad more often than the others', if the interval is over.
    fn compare(&self, rule: &SuccessRate, now: Instant) {
        {
            let mut counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
            if now.saturating_duration_since(counting.compared) < rule.interval {
                return;
            }
            counting.compared = now;
        }
        let members = self.set.snapshot();
        let rated = members.endpoints.iter().filter_map(|endpoint| {
            let (requests, good) = endpoint.take_window();
            (requests >= rule.requests).then(|| (endpoint, f64::from(good.min(requests)) / f64::from(requests)))
        });
        let rated: Vec<(&Arc<Endpoint>, f64)> = rated.collect();
        if rated.len() < rule.endpoints {
            return;
        }
        let rates: Vec<f64> = rated.iter().map(|(_, rate)| *rate).collect();
        let bar = bar(&rates, rule.deviations_per_mille);
        for (endpoint, rate) in rated.into_iter().filter(|(_, rate)| *rate < bar) {
            let percent = |rate: f64| rate * 100.0;
            self.eject(endpoint, Fault::SuccessRate, now, || {
                format!("{:.1} % of its answers are good, and the bar is {:.1} %", percent(rate), percent(bar))
            });
        }
    }

    /// Takes it out, unless it is out already or too many are.
    fn eject(&self, endpoint: &Endpoint, fault: Fault, now: Instant, reason: impl FnOnce() -> String) {
        let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let members: Arc<Members> = self.set.snapshot();
        let out = members.endpoints.iter().filter(|endpoint| endpoint.is_ejected()).count();
        if out >= most_out(members.endpoints.len(), self.ejection.at_most_per_mille) {
            return;
        }
        let (times, back) = endpoint.ejections(now);
        let times = times_in_a_row(times, back, self.ejection.period);
        let period = time_out(times, self.ejection.period, self.ejection.longest);
        if endpoint.eject(now, period, times, fault) {
            tracing::warn!(
                target: "sluice",
                upstream = %self.name,
                endpoint = %endpoint.settings.id,
                reason = %reason(),
                times,
                seconds = period.as_secs_f64(),
                "ejected"
            );
            self.set.refresh(now);
        }
    }
}
