//! One member of an upstream and the set that it belongs to: identity, live figures, and the host's verdict on whom plugins
//! may choose. Shared by all workers, so everything that changes here is an atomic or swapped whole. Who connects to an
//! endpoint and when it is taken out is `upstream`'s business, what checks ask of it `control`'s.

mod figures;
mod flow;
mod follow;
mod latency;
mod report;
mod set;
mod tally;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::config::model;
pub use figures::{CheckVerdict, Fault, Figures};
pub use follow::{Departed, Followed, again};
pub use report::{Given, NoReport, Report, Reported, protobuf};
pub use set::{Members, Rules, Set};
pub use tally::{Fate, Open, Totals, Went};

/// The host's verdict on an endpoint, as the contract's `health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// In full use.
    Healthy,
    /// Usable although something speaks against it: none is healthy, and the upstream says `use-all`.
    Degraded,
    /// Finishing what it has.
    Draining,
    /// Not to be used.
    Unhealthy,
}

impl Health {
    /// As the contract spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Healthy => "healthy",
            Health::Degraded => "degraded",
            Health::Draining => "draining",
            Health::Unhealthy => "unhealthy",
        }
    }
}

/// One member of an upstream, as one configuration describes it. What is seen of it outlives that: after a reload, the
/// endpoint of the same id and address has the same figures.
#[derive(Debug)]
pub struct Endpoint {
    /// As configured.
    pub settings: model::Endpoint,
    figures: Arc<Figures>,
}

impl Endpoint {
    /// A member nobody has talked to yet, from the start on.
    pub fn new(settings: model::Endpoint) -> Arc<Self> {
        Self::since(Instant::now(), settings, true)
    }

    /// One that joins others, which serve already.
    pub fn joining(settings: model::Endpoint) -> Arc<Self> {
        Self::since(Instant::now(), settings, false)
    }

    /// A member of which nothing is known before `born`, by the clock that all its times come from. `is_warm`: it was there from
    /// the start.
    pub fn since(born: Instant, settings: model::Endpoint, is_warm: bool) -> Arc<Self> {
        Arc::new(Self { settings, figures: Figures::new(is_warm, born) })
    }

    /// The same member under other settings: what was seen of it stays.
    pub fn under(&self, settings: model::Endpoint) -> Arc<Self> {
        Arc::new(Self { settings, figures: self.figures.clone() })
    }

    /// True if both are the same member, whatever their settings.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.figures, &other.figures)
    }

    /// What is seen of it: identity, for those that outlive configurations.
    pub fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// Requests sent and not finished, over all workers.
    pub fn in_flight(&self) -> u32 {
        self.figures.in_flight.load(Ordering::Relaxed)
    }

    /// Counts an attempt to send it a request.
    pub fn attempted(&self) {
        // Beside what was just written to count the request as in flight, so hardly more than an addition.
        self.figures.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// Attempts to send it a request, over all workers.
    pub fn attempts(&self) -> u64 {
        self.figures.attempts.load(Ordering::Relaxed)
    }

    /// Time to the response head in microseconds, decayed to `now`; `u32::MAX` if never sampled.
    pub fn latency_us(&self, now: Instant) -> u32 {
        self.figures.latency.read(now)
    }

    /// Its time to the response head is that, microseconds, as at another time; none: never sampled.
    pub fn set_latency(&self, latency_us: Option<u32>, now: Instant) {
        self.figures.latency.set(latency_us.unwrap_or(u32::MAX), now);
    }

    /// Takes one sample of the time to the response head, measured `now`; a failure counts as its timeout.
    pub fn sample_latency(&self, sample: Duration, now: Instant) {
        self.figures.latency.sample(sample, now);
    }

    /// Takes the sample of an answer that is an error: it counts where it is slow, and never makes the endpoint look quick.
    pub fn sample_error(&self, sample: Duration, now: Instant) {
        let known = self.figures.latency.read(now);
        let known = if known == u32::MAX { Duration::ZERO } else { Duration::from_micros(known.into()) };
        self.figures.latency.sample(sample.max(known), now);
    }

    /// Counts one more request in flight until the guard is dropped; none if that would pass `max-in-flight`.
    pub fn enter(self: &Arc<Self>) -> Option<InFlight> {
        let before = self.figures.in_flight.fetch_add(1, Ordering::Relaxed);
        let guard = InFlight(self.clone());
        match self.settings.max_in_flight {
            Some(most) if before >= most => None,
            _ => Some(guard),
        }
    }

    /// True if one more request would pass `max-in-flight`.
    pub fn is_full(&self) -> bool {
        self.settings.max_in_flight.is_some_and(|most| self.in_flight() >= most)
    }

    /// It answered: what went without an answer before does not count any more.
    pub fn answered(&self) {
        if self.figures.failures.load(Ordering::Relaxed) != 0 {
            self.figures.failures.store(0, Ordering::Relaxed);
        }
    }

    /// It gave no answer: how often that was so in a row.
    pub fn gave_nothing(&self) -> u32 {
        self.figures.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Whether a request went well, for those who count that: how many went wrong in a row.
    pub fn went(&self, is_good: bool) -> u32 {
        if !is_good {
            return self.figures.errors.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        }
        if self.figures.errors.load(Ordering::Relaxed) != 0 {
            self.figures.errors.store(0, Ordering::Relaxed);
        }
        0
    }

    /// Counts a request among those of which the success rate is made.
    pub fn count_in_window(&self, is_good: bool) {
        self.figures.window.count(is_good);
    }

    /// Those that were counted, and the good ones of them; from here on it is counted anew.
    pub fn take_window(&self) -> (u32, u32) {
        self.figures.window.take()
    }

    /// True while it is taken out for what requests met.
    pub fn is_ejected(&self) -> bool {
        self.figures.is_ejected()
    }

    /// How long it is still taken out; none if it is not.
    pub fn ejected_for(&self, now: Instant) -> Option<Duration> {
        self.figures.ejected_for(now)
    }

    /// How often it was taken out in a row, and how long it is back since then.
    pub fn ejections(&self, now: Instant) -> (u32, Duration) {
        self.figures.ejections(now)
    }

    /// How often it was taken out for that since the start.
    pub fn ejected(&self, fault: Fault) -> u64 {
        self.figures.ejected(fault)
    }

    /// Takes it out for a while; false if it is out already. `times`: how often in a row that is now.
    pub fn eject(&self, now: Instant, period: Duration, times: u32, fault: Fault) -> bool {
        self.figures.eject(now, period, times, fault)
    }

    /// Takes it back in if its time is over: true for the one who does.
    pub fn take_back(&self, now: Instant) -> bool {
        self.figures.take_back(now)
    }

    /// What checks say of it.
    pub fn checked(&self) -> CheckVerdict {
        self.figures.checked.verdict()
    }

    /// Why the last check failed, while checks speak against it.
    pub fn check_reason(&self) -> Option<Arc<String>> {
        self.figures.checked.reason()
    }

    /// Checks have come to a verdict, or are no more.
    pub fn set_checked(&self, verdict: CheckVerdict, reason: Option<String>) {
        self.figures.checked.judge(verdict, reason);
    }

    /// Counts a check.
    pub fn count_check(&self, is_good: bool) {
        self.figures.checked.count(is_good);
    }

    /// Checks that went well, and those that did not.
    pub fn checks(&self) -> (u64, u64) {
        self.figures.checked.counts()
    }

    /// True while an operator wants it to finish what it has.
    pub fn is_drained(&self) -> bool {
        self.figures.drained.load(Ordering::Relaxed)
    }

    /// An operator wants that, or does not any more: whether that is new.
    pub fn set_drained(&self, drained: bool) -> bool {
        self.figures.drained.swap(drained, Ordering::Relaxed) != drained
    }

    /// The verdict on it, whatever that on the others is.
    pub fn health(&self) -> Health {
        if self.is_ejected() || self.checked() == CheckVerdict::Bad {
            Health::Unhealthy
        } else if self.settings.draining || self.is_drained() {
            Health::Draining
        } else {
            Health::Healthy
        }
    }
}

/// One request in flight at an endpoint; dropping it takes it off the count.
#[derive(Debug)]
pub struct InFlight(Arc<Endpoint>);

impl InFlight {
    /// Where it is.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.figures.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(crate) mod tests;
