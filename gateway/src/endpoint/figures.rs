//! What is seen of an endpoint, over all workers and beyond reloads: atomics, and no rule. What follows from them is said by
//! the endpoint, its set, and `upstream`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::flow::Flow;
use super::latency::Latency;
use super::report::Reports;
use super::tally::Tally;

/// What is seen of an endpoint.
#[derive(Debug)]
pub struct Figures {
    /// Requests sent and not finished.
    pub(super) in_flight: AtomicU32,
    /// Requests in a row that got no answer.
    pub(super) failures: AtomicU32,
    /// Requests in a row that got none or an error.
    pub(super) errors: AtomicU32,
    /// Requests sent, or tried to be.
    pub(super) attempts: AtomicU64,
    pub(super) latency: Latency,
    /// What came of requests.
    pub(super) tally: Tally,
    pub(super) window: Window,
    pub(super) ejection: Ejection,
    pub(super) checked: Checked,
    /// What it says of its own load.
    pub(super) reports: Reports,
    /// What passes now.
    pub(super) flow: Flow,
    /// An operator wants it to finish what it has.
    pub(super) drained: AtomicBool,
    /// Since when it is in full use, a [`Figures::stamp`]; or [`WARM`], or [`COLD`].
    in_use_since: AtomicU64,
    born: Instant,
}

/// It was in full use when the gateway started, which is when all begin alike.
const WARM: u64 = 0;
/// It is not in full use.
const COLD: u64 = u64::MAX;

/// What came of requests since success rates were last compared.
#[derive(Debug, Default)]
pub(super) struct Window {
    requests: AtomicU32,
    good: AtomicU32,
}

/// Being taken out for what requests met.
#[derive(Debug, Default)]
pub(super) struct Ejection {
    /// A [`Figures::stamp`]; 0: not taken out.
    until: AtomicU64,
    /// When it was last taken back, likewise; 0: never.
    returned: AtomicU64,
    /// How often in a row, see [`Figures::ejections`].
    times: AtomicU32,
    /// How often since the start, in the order of [`Fault::ALL`].
    counts: [AtomicU64; Fault::ALL.len()],
}

impl Ejection {
    fn count(&self, fault: Fault) -> &AtomicU64 {
        let [failures, errors, success_rate] = &self.counts;
        match fault {
            Fault::Failures => failures,
            Fault::Errors => errors,
            Fault::SuccessRate => success_rate,
        }
    }
}

/// Why an endpoint is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Requests in a row got no answer.
    Failures,
    /// Requests in a row got an error, or none.
    Errors,
    /// Fewer of its answers are good than of the others'.
    SuccessRate,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 3] = [Fault::Failures, Fault::Errors, Fault::SuccessRate];

    /// For metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Failures => "failures",
            Fault::Errors => "errors",
            Fault::SuccessRate => "success_rate",
        }
    }
}

/// What checks say of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CheckVerdict {
    /// It is not checked, or was not yet.
    Unknown,
    /// It may be used.
    Good,
    /// It may not.
    Bad,
}

/// What checks have found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    verdict: AtomicU8,
    /// Why the last one failed, while the verdict is bad.
    reason: ArcSwapOption<String>,
    good: AtomicU64,
    bad: AtomicU64,
}

impl Figures {
    pub(super) fn new(is_warm: bool, born: Instant) -> Arc<Self> {
        Arc::new(Self {
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            errors: AtomicU32::new(0),
            attempts: AtomicU64::new(0),
            latency: Latency::since(born),
            tally: Tally::default(),
            window: Window::default(),
            ejection: Ejection::default(),
            checked: Checked::default(),
            reports: Reports::default(),
            flow: Flow::default(),
            drained: AtomicBool::new(false),
            in_use_since: AtomicU64::new(if is_warm { WARM } else { COLD }),
            born,
        })
    }

    /// A moment as a number that is neither [`WARM`] nor [`COLD`].
    pub(super) fn stamp(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.born).as_millis() as u64 + 1
    }

    /// True while it is taken out by what requests met.
    pub(super) fn is_ejected(&self) -> bool {
        self.ejection.until.load(Ordering::Relaxed) != 0
    }

    /// How long it is still taken out.
    pub(super) fn ejected_for(&self, now: Instant) -> Option<Duration> {
        let until = self.ejection.until.load(Ordering::Relaxed);
        (until != 0).then(|| Duration::from_millis(until.saturating_sub(self.stamp(now))))
    }

    /// How often it was taken out in a row, and how long it is back since then.
    pub(super) fn ejections(&self, now: Instant) -> (u32, Duration) {
        let returned = self.ejection.returned.load(Ordering::Relaxed);
        let back = Duration::from_millis(self.stamp(now).saturating_sub(returned));
        (self.ejection.times.load(Ordering::Relaxed), back)
    }

    /// Takes it out; false if it is out already. `times`: how often in a row that is now.
    pub(super) fn eject(&self, now: Instant, period: Duration, times: u32, fault: Fault) -> bool {
        let until = self.stamp(now + period);
        let out = &self.ejection;
        let is_first = out.until.compare_exchange(0, until, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_first {
            out.times.store(times, Ordering::Relaxed);
            out.count(fault).fetch_add(1, Ordering::Relaxed);
            self.failures.store(0, Ordering::Relaxed);
            self.errors.store(0, Ordering::Relaxed);
        }
        is_first
    }

    /// Takes it back if its time is over: true for the one who does.
    pub(super) fn take_back(&self, now: Instant) -> bool {
        let (out, now) = (&self.ejection, self.stamp(now));
        let until = out.until.load(Ordering::Relaxed);
        let is_first = until != 0
            && now >= until
            && out.until.compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_first {
            out.returned.store(now, Ordering::Relaxed);
        }
        is_first
    }

    /// How often it was taken out for that.
    pub(super) fn ejected(&self, fault: Fault) -> u64 {
        self.ejection.count(fault).load(Ordering::Relaxed)
    }

    /// How long it is in full use, which it is now or is not; none: not at all, or since the start. `notes`: remember it.
    pub(super) fn in_use_for(&self, is_in_use: bool, now: Instant, notes: bool) -> Option<Duration> {
        let since = &self.in_use_since;
        match (is_in_use, since.load(Ordering::Relaxed)) {
            (false, COLD) | (true, WARM) => None,
            (false, _) => {
                if notes {
                    since.store(COLD, Ordering::Relaxed);
                }
                None
            }
            (true, COLD) => {
                if notes {
                    // Another thread may have been quicker by a moment.
                    let _ = since.compare_exchange(COLD, self.stamp(now), Ordering::Relaxed, Ordering::Relaxed);
                }
                Some(Duration::ZERO)
            }
            (true, begun) => Some(Duration::from_millis(self.stamp(now).saturating_sub(begun))),
        }
    }
}

impl Figures {
    /// How long it is in full use, as far as that was noted: no time while it is not; none: since the start.
    pub(super) fn used_for(&self, now: Instant) -> Option<Duration> {
        match self.in_use_since.load(Ordering::Relaxed) {
            WARM => None,
            COLD => Some(Duration::ZERO),
            begun => Some(Duration::from_millis(self.stamp(now).saturating_sub(begun))),
        }
    }
}

impl Window {
    pub(super) fn count(&self, is_good: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.good.fetch_add(u32::from(is_good), Ordering::Relaxed);
    }

    /// Requests, and the good ones of them; from here on it is counted anew.
    pub(super) fn take(&self) -> (u32, u32) {
        let good = self.good.swap(0, Ordering::Relaxed);
        // What was counted in between makes the rate no better than it is.
        (self.requests.swap(0, Ordering::Relaxed), good)
    }
}

impl Checked {
    pub(super) fn verdict(&self) -> CheckVerdict {
        match self.verdict.load(Ordering::Relaxed) {
            1 => CheckVerdict::Good,
            2 => CheckVerdict::Bad,
            _ => CheckVerdict::Unknown,
        }
    }

    pub(super) fn judge(&self, verdict: CheckVerdict, reason: Option<String>) {
        self.reason.store(reason.map(Arc::new));
        self.verdict.store(verdict as u8, Ordering::Relaxed);
    }

    pub(super) fn reason(&self) -> Option<Arc<String>> {
        self.reason.load_full()
    }

    pub(super) fn count(&self, is_good: bool) {
        let count = if is_good { &self.good } else { &self.bad };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Good ones, bad ones.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.good.load(Ordering::Relaxed), self.bad.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
