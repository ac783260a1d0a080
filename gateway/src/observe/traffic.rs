//! What went by: figures of the exchanges of a route. Each worker writes a share of its own with
//! plain loads and stores, so that counting takes no lock and no other core's cache line; who shows them adds the shares up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the classes of durations in microseconds, 0.25 ms to 30 s; beyond is one more class. Those below a millisecond
/// are what a gateway before quick endpoints is about.
const BOUNDS: [u64; 15] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    30_000_000,
];

/// What clients got: the class of the status, or nothing since they had left before.
pub const CODES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Why a request was sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It had reached nobody.
    Unsent,
    /// The connection broke before an answer.
    Reset,
    /// No answer came in time.
    TimedOut,
    /// The answer's status.
    Status,
    /// A plugin asked for it.
    Plugin,
}

impl Again {
    /// All, in the order of their positions.
    pub const ALL: [Self; 5] = [Self::Unsent, Self::Reset, Self::TimedOut, Self::Status, Self::Plugin];

    /// For labels; as in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsent => "connect-failure",
            Self::Reset => "reset",
            Self::TimedOut => "timeout",
            Self::Status => "status",
            Self::Plugin => "plugin",
        }
    }
}

/// Which bound a request was refused by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Too many of one client.
    Rate,
    /// Too long a body.
    Body,
    /// The upstream was full, and nobody left in time.
    Full,
}

impl Bound {
    /// All, in the order of their positions.
    pub const ALL: [Self; 3] = [Self::Rate, Self::Body, Self::Full];

    /// For labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Body => "body",
            Self::Full => "full",
        }
    }
}

/// The figures of one route. They stay as long as there is a route of that name, over reloads too.
#[derive(Debug)]
pub struct Traffic {
    /// The route; empty for exchanges that found none.
    pub route: Arc<str>,
    /// By worker.
    shares: Box<[Share]>,
}

/// What one worker counts; nobody else writes it. A line of its own (two, as they are fetched in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Share {
    begun: AtomicU64,
    codes: [AtomicU64; CODES.len()],
    durations: [AtomicU64; BOUNDS.len() + 1],
    duration_us: AtomicU64,
    retries: [AtomicU64; Again::ALL.len()],
    refused: [AtomicU64; Bound::ALL.len()],
    received: AtomicU64,
    sent: AtomicU64,
}

/// An exchange that is over, as far as figures go.
#[derive(Debug, Clone, Copy)]
pub struct Passed {
    /// What the client got; 0: it went away before.
    pub status: u16,
    /// From the request head to the last byte of the answer.
    pub duration: Duration,
    /// How often it was sent once more, by [`Again`].
    pub retries: [u32; Again::ALL.len()],
    /// The bound that it was refused by.
    pub refused: Option<Bound>,
    /// Body bytes from the client.
    pub received: u64,
    /// Body bytes to the client.
    pub sent: u64,
}

/// The figures of a route, all workers together. Those of exchanges that end meanwhile may be in some and not in others.
#[derive(Debug, Clone, PartialEq)]
pub struct Totals {
    /// Exchanges that have begun and are not over; of those that no route takes none is counted.
    pub in_flight: u64,
    /// Exchanges, by [`CODES`].
    pub codes: [u64; CODES.len()],
    /// Upper bounds in seconds, the last one infinite, each with the exchanges that took longer than the one before allows.
    pub durations: [(f64, u64); BOUNDS.len() + 1],
    /// All durations together.
    pub duration: Duration,
    /// Attempts after the first ones, by [`Again`].
    pub retries: [u64; Again::ALL.len()],
    /// Exchanges that were refused, by [`Bound`].
    pub refused: [u64; Bound::ALL.len()],
    /// Body bytes from clients.
    pub received: u64,
    /// Body bytes to clients.
    pub sent: u64,
}

impl Traffic {
    /// Nothing yet, for so many workers.
    pub fn new(route: Arc<str>, workers: usize) -> Arc<Self> {
        Arc::new(Self { route, shares: (0..workers).map(|_| Share::default()).collect() })
    }

    /// An exchange is the route's from here on. Only that worker's thread may say so, as for [`Traffic::count`].
    pub fn begin(&self, worker: usize) {
        self.shares.get(worker).into_iter().for_each(|share| add(&share.begun, 1));
    }

    /// Counts an exchange. Only that worker's thread may do so: two writers of one share lose counts. Costs a few
    /// nanoseconds, no lock and no allocation.
    pub fn count(&self, worker: usize, passed: &Passed) {
        let Some(share) = self.shares.get(worker) else { return };
        let duration_us = passed.duration.as_micros() as u64;
        count_in(&share.codes, code(passed.status));
        count_in(&share.durations, BOUNDS.partition_point(|&bound| bound < duration_us));
        add(&share.duration_us, duration_us);
        if passed.retries != [0; _] {
            for (retries, made) in share.retries.iter().zip(passed.retries) {
                add(retries, made.into());
            }
        }
        if let Some(bound) = passed.refused {
            count_in(&share.refused, bound as usize);
        }
        if passed.received > 0 {
            add(&share.received, passed.received);
        }
        if passed.sent > 0 {
            add(&share.sent, passed.sent);
        }
    }

    /// What was counted so far.
    pub fn totals(&self) -> Totals {
        let sum =
            |figure: fn(&Share) -> &AtomicU64| -> u64 { self.shares.iter().map(|share| read(figure(share))).sum() };
        let bound = |class: usize| BOUNDS.get(class).map_or(f64::INFINITY, |&us| us as f64 / 1e6);
        let taken = |class: usize| self.shares.iter().map(|share| share.durations.get(class).map_or(0, read)).sum();
        let codes: [u64; CODES.len()] =
            std::array::from_fn(|code| self.shares.iter().map(|share| share.codes.get(code).map_or(0, read)).sum());
        Totals {
            in_flight: sum(|share| &share.begun).saturating_sub(codes.iter().sum::<u64>()),
            codes,
            durations: std::array::from_fn(|class| (bound(class), taken(class))),
            duration: Duration::from_micros(sum(|share| &share.duration_us)),
            retries: std::array::from_fn(|why| {
                self.shares.iter().map(|share| share.retries.get(why).map_or(0, read)).sum()
            }),
            refused: std::array::from_fn(|bound| {
                self.shares.iter().map(|share| share.refused.get(bound).map_or(0, read)).sum()
            }),
            received: sum(|share| &share.received),
            sent: sum(|share| &share.sent),
        }
    }
}

/// Position in [`CODES`].
fn code(status: u16) -> usize {
    usize::from(status / 100).min(CODES.len() - 1)
}

fn count_in(classes: &[AtomicU64], class: usize) {
    classes.get(class).into_iter().for_each(|count| add(count, 1));
}

/// For one writer: no other store can come between.
fn add(figure: &AtomicU64, delta: u64) {
    figure.store(figure.load(Ordering::Relaxed).wrapping_add(delta), Ordering::Relaxed);
}

fn read(figure: &AtomicU64) -> u64 {
    figure.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(status: u16, duration: Duration) -> Passed {
        Passed { status, duration, retries: [0; _], refused: None, received: 0, sent: 0 }
    }

    #[test]
    fn all_stand_at_their_positions() {
        assert!(Again::ALL.iter().enumerate().all(|(position, why)| *why as usize == position));
        assert!(Bound::ALL.iter().enumerate().all(|(position, bound)| *bound as usize == position));
    }

    #[test]
    fn statuses_have_their_classes() {
        let cases = [(0, "none"), (101, "1xx"), (200, "2xx"), (299, "2xx"), (308, "3xx"), (499, "4xx"), (504, "5xx")];
        for (status, class) in cases.into_iter().chain([(999, "5xx"), (42, "none")]) {
            assert_eq!(CODES[code(status)], class, "{status}");
        }
    }

    #[test]
    fn a_duration_counts_where_the_first_bound_holds_it() {
        let us = Duration::from_micros;
        let cases =
            [(0, 0.000_25), (251, 0.0005), (1_000, 0.001), (1_001, 0.0025), (250_000, 0.25), (29_999_999, 30.0)];
        for (duration, bound) in cases.into_iter().chain([(30_000_001, f64::INFINITY)]) {
            let traffic = Traffic::new("r".into(), 1);
            traffic.count(0, &passed(200, us(duration)));
            let counted: Vec<_> = traffic.totals().durations.into_iter().filter(|(_, count)| *count > 0).collect();
            assert_eq!(counted, [(bound, 1)], "{duration} us");
        }
    }

    #[test]
    fn shares_add_up() {
        let traffic = Traffic::new("r".into(), 2);
        (0..5).for_each(|number| traffic.begin(number % 2));
        traffic.count(0, &Passed { retries: [1, 0, 0, 0, 0], received: 5, ..passed(200, Duration::from_millis(3)) });
        traffic.count(1, &Passed { refused: Some(Bound::Full), sent: 7, ..passed(404, Duration::from_millis(4)) });
        traffic.count(1, &Passed { retries: [0, 0, 0, 1, 1], sent: 1, ..passed(0, Duration::from_secs(60)) });
        // There is no such worker.
        traffic.count(2, &passed(200, Duration::ZERO));
        let totals = traffic.totals();
        assert_eq!((totals.codes, totals.in_flight), ([1, 0, 1, 0, 1, 0], 2));
        assert_eq!((totals.duration, totals.retries), (Duration::from_millis(60_007), [1, 0, 0, 1, 1]));
        assert_eq!(totals.refused, [0, 0, 1]);
        assert_eq!((totals.received, totals.sent), (5, 8));
        assert_eq!(totals.durations.iter().map(|(_, count)| count).sum::<u64>(), 3);
    }
}
