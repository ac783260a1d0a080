//! One member of an upstream and the set that it belongs to: identity, live figures, and the host's verdict on whom plugins
//! may choose. Shared by all workers, so everything that changes here is an atomic or swapped whole. Who connects to an
//! endpoint and when it is taken out is `upstream`'s business.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};

use crate::config::model;

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

/// One member of an upstream, as one configuration describes it. What is seen of it outlives that: after a reload, the
/// endpoint of the same id and address has the same figures.
#[derive(Debug)]
pub struct Endpoint {
    /// As configured.
    pub settings: model::Endpoint,
    figures: Arc<Figures>,
}

/// What is seen of an endpoint, over all workers.
#[derive(Debug)]
pub struct Figures {
    since: Instant,
    /// Taken out by what was seen of it, until so many milliseconds after `since`; 0: not taken out.
    out_until: AtomicU64,
    /// Failed connections in a row.
    failures: AtomicU32,
    /// Requests sent and not finished.
    in_flight: AtomicU32,
    /// Requests sent, or tried to be.
    attempts: AtomicU64,
    latency: Latency,
}

impl Endpoint {
    /// A member nobody has talked to yet.
    pub fn new(settings: model::Endpoint) -> Arc<Self> {
        let figures = Figures {
            since: Instant::now(),
            out_until: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            attempts: AtomicU64::new(0),
            latency: Latency::default(),
        };
        Arc::new(Self { settings, figures: Arc::new(figures) })
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
    pub fn latency_us(&self) -> u32 {
        self.figures.latency.read(Instant::now())
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

    /// A connection to it was made: what failed before does not count any more.
    pub fn reached(&self) {
        if self.figures.failures.load(Ordering::Relaxed) != 0 {
            self.figures.failures.store(0, Ordering::Relaxed);
        }
    }

    /// A connection to it failed: how often that was so in a row.
    pub fn missed(&self) -> u32 {
        self.figures.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// True while it is taken out by what was seen of it.
    pub fn is_ejected(&self) -> bool {
        self.figures.out_until.load(Ordering::Relaxed) != 0
    }

    /// Takes it out for a while; false if it is out already.
    pub fn eject(&self, period: Duration) -> bool {
        let until = (self.figures.since.elapsed() + period).as_millis() as u64;
        let swapped = self.figures.out_until.compare_exchange(0, until.max(1), Ordering::Relaxed, Ordering::Relaxed);
        self.figures.failures.store(0, Ordering::Relaxed);
        swapped.is_ok()
    }

    /// Takes it back in if its time is over: true for the one who does.
    pub fn take_back(&self) -> bool {
        let until = self.figures.out_until.load(Ordering::Relaxed);
        until != 0
            && self.figures.since.elapsed().as_millis() as u64 >= until
            && self.figures.out_until.compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The verdict on it, whatever that on the others is.
    pub fn health(&self) -> Health {
        if self.is_ejected() {
            Health::Unhealthy
        } else if self.settings.draining {
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

/// A peaking mean: it jumps up to a slow sample and decays towards quick ones over [`Latency::DECAY`]
/// (the peak EWMA of Finagle's balancer). Value and time stand in one word, so that workers never tear it.
#[derive(Debug)]
struct Latency {
    /// High half: microseconds; low half: milliseconds since [`Latency::origin`].
    word: AtomicU64,
    origin: Instant,
}

impl Default for Latency {
    fn default() -> Self {
        Self { word: AtomicU64::new(u64::from(u32::MAX) << 32), origin: Instant::now() }
    }
}

impl Latency {
    const DECAY: Duration = Duration::from_secs(10);

    fn read(&self, now: Instant) -> u32 {
        let word = self.word.load(Ordering::Relaxed);
        match (word >> 32) as u32 {
            u32::MAX => u32::MAX,
            value => (f64::from(value) * self.keep(word, now)) as u32,
        }
    }

    /// What is left of a value after the time since it was written.
    fn keep(&self, word: u64, now: Instant) -> f64 {
        let age = self.stamp(now).wrapping_sub(word as u32);
        // Another thread may have written a moment after `now`.
        let age = if age > u32::MAX / 2 { 0 } else { age };
        (-f64::from(age) / Self::DECAY.as_millis() as f64).exp()
    }

    fn stamp(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.origin).as_millis() as u32
    }

    fn sample(&self, sample: Duration, now: Instant) {
        let sample = u32::try_from(sample.as_micros()).unwrap_or(u32::MAX - 1);
        let update = |word: u64| {
            let value = (word >> 32) as u32;
            let next = if value == u32::MAX || sample > value {
                sample
            } else {
                let keep = self.keep(word, now);
                (f64::from(value) * keep + f64::from(sample) * (1.0 - keep)) as u32
            };
            Some(u64::from(next) << 32 | u64::from(self.stamp(now)))
        };
        // The closure always answers, so the update cannot fail.
        let _ = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }
}

/// The endpoints of an upstream at one moment, with the verdict on each. Position is the contract's `endpoint-index`.
#[derive(Debug)]
pub struct Members {
    /// In the order of the source.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// The verdict on each.
    pub conditions: Vec<Health>,
}

impl Members {
    /// Where an endpoint stands; none if it is gone. One comparison each.
    pub fn position(&self, endpoint: &Endpoint) -> Option<u32> {
        let found = self.endpoints.iter().position(|e| e.is(endpoint));
        found.and_then(|i| u32::try_from(i).ok())
    }

    /// How many are in full use.
    pub fn healthy(&self) -> usize {
        let in_use = |health: &&Health| matches!(health, Health::Healthy | Health::Degraded);
        self.conditions.iter().filter(in_use).count()
    }
}

/// The members of one upstream, as they are now. Readers take the current snapshot without a lock; whoever changes a
/// member publishes a new one.
#[derive(Debug)]
pub struct Set {
    current: ArcSwap<Members>,
    when_all_bad: model::WhenAllBad,
}

impl Set {
    /// The set that a configuration names.
    pub fn new(endpoints: Vec<Arc<Endpoint>>, when_all_bad: model::WhenAllBad) -> Arc<Self> {
        let conditions = judge(&endpoints, when_all_bad);
        Arc::new(Self { current: ArcSwap::from_pointee(Members { endpoints, conditions }), when_all_bad })
    }

    /// The current snapshot, for a look.
    pub fn load(&self) -> Guard<Arc<Members>> {
        self.current.load()
    }

    /// The current snapshot, to keep.
    pub fn snapshot(&self) -> Arc<Members> {
        self.current.load_full()
    }

    /// Judges every member again, and publishes the result if a verdict has changed.
    pub fn refresh(&self) {
        if judge(&self.load().endpoints, self.when_all_bad) != self.load().conditions {
            self.current.rcu(|members| {
                let conditions = judge(&members.endpoints, self.when_all_bad);
                Members { endpoints: members.endpoints.clone(), conditions }
            });
        }
    }

    /// What happens when none may be chosen.
    pub fn when_all_bad(&self) -> model::WhenAllBad {
        self.when_all_bad
    }
}

fn judge(endpoints: &[Arc<Endpoint>], when_all_bad: model::WhenAllBad) -> Vec<Health> {
    let mut conditions: Vec<Health> = endpoints.iter().map(|e| e.health()).collect();
    let none_left = !conditions.contains(&Health::Healthy);
    if none_left && when_all_bad == model::WhenAllBad::UseAll {
        conditions.fill(Health::Degraded);
    }
    conditions
}
