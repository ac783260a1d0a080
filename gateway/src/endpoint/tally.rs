//! What came of the requests that an endpoint got. Each worker writes a share of its own with plain loads and stores, so that
//! counting takes no lock and no other core's cache line; who shows them adds the shares up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Endpoint, Figures};

/// Upper bounds of the classes of latencies in microseconds, 0.5 ms to 30 s; beyond is one more class.
const BOUNDS: [u64; 12] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

/// What became of a request at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// An answer, of that status.
    Answered(u16),
    /// No connection.
    Unconnected,
    /// No answer in time.
    TimedOut,
    /// The connection broke before an answer.
    Reset,
    /// The client went away before an answer.
    Cancelled,
}

impl Fate {
    /// What labels call them, by their positions: the classes of statuses, then why there was none.
    pub const ALL: [&str; 9] = ["1xx", "2xx", "3xx", "4xx", "5xx", "connect-failure", "timeout", "reset", "cancelled"];

    fn position(self) -> usize {
        match self {
            Self::Answered(status) => usize::from(status / 100).clamp(1, 5) - 1,
            Self::Unconnected => 5,
            Self::TimedOut => 6,
            Self::Reset => 7,
            Self::Cancelled => 8,
        }
    }
}

/// A request that an endpoint has got, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Went {
    /// How it ended.
    pub fate: Fate,
    /// From the choice to the head of the answer.
    pub latency: Duration,
    /// Body bytes of the request that were not counted yet.
    pub sent: u64,
    /// Body bytes of the answer, likewise.
    pub received: u64,
}

/// What has come of requests, all workers together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// By [`Fate::ALL`].
    pub fates: [u64; Fate::ALL.len()],
    latencies: [u64; BOUNDS.len() + 1],
    /// Times to the heads of all answers together.
    pub latency: Duration,
    /// Body bytes of requests.
    pub sent: u64,
    /// Body bytes of answers.
    pub received: u64,
}

impl Totals {
    /// Requests without a good answer: one with a 5xx, or none that the client would have waited for.
    pub fn failed(&self) -> u64 {
        let Self { fates: [_, _, _, _, error, unconnected, timed_out, reset, _], .. } = self;
        error + unconnected + timed_out + reset
    }

    /// Upper bounds in seconds, the last one infinite, each with the answers whose head took longer than the one before allows.
    pub fn latencies(&self) -> impl Iterator<Item = (f64, u64)> {
        let bound = |class: usize| BOUNDS.get(class).map_or(f64::INFINITY, |&us| us as f64 / 1e6);
        self.latencies.iter().enumerate().map(move |(class, count)| (bound(class), *count))
    }
}

/// What is counted of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Made with the first request.
    shares: OnceLock<Box<[Share]>>,
    /// Connections that are open, and all there have been.
    open: AtomicU64,
    opened: AtomicU64,
}

/// What one worker counts; nobody else writes it. Lines of its own (in pairs, as they are fetched).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Share {
    fates: [AtomicU64; Fate::ALL.len()],
    latencies: [AtomicU64; BOUNDS.len() + 1],
    latency_us: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Share {
    fn pass(&self, sent: u64, received: u64) {
        for (sum, bytes) in [(&self.sent, sent), (&self.received, received)] {
            if bytes > 0 {
                add(sum, bytes);
            }
        }
    }
}

impl Tally {
    /// Counts what that one of so many workers has seen; their number never changes. Only its own thread may do so: two writers of
    /// one share lose counts.
    pub(super) fn count(&self, (worker, workers): (usize, usize), went: &Went) {
        let shares = self.shares.get_or_init(|| (0..workers).map(|_| Share::default()).collect());
        let Some(share) = shares.get(worker) else { return };
        share.fates.get(went.fate.position()).into_iter().for_each(|count| add(count, 1));
        if let Fate::Answered(_) = went.fate {
            let latency_us = went.latency.as_micros() as u64;
            let class = BOUNDS.partition_point(|&bound| bound < latency_us);
            share.latencies.get(class).into_iter().for_each(|count| add(count, 1));
            add(&share.latency_us, latency_us);
        }
        share.pass(went.sent, went.received);
    }

    /// Counts bytes of a request that is not over, by the same rule.
    fn pass(&self, (worker, workers): (usize, usize), sent: u64, received: u64) {
        let shares = self.shares.get_or_init(|| (0..workers).map(|_| Share::default()).collect());
        shares.get(worker).into_iter().for_each(|share| share.pass(sent, received));
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for share in self.shares.get().into_iter().flatten() {
            totals.fates.iter_mut().zip(&share.fates).for_each(|(sum, count)| *sum += read(count));
            totals.latencies.iter_mut().zip(&share.latencies).for_each(|(sum, count)| *sum += read(count));
            totals.latency += Duration::from_micros(read(&share.latency_us));
            totals.sent += read(&share.sent);
            totals.received += read(&share.received);
        }
        totals
    }
}

/// An open connection to an endpoint; dropping it takes it off the count.
#[derive(Debug)]
pub struct Open(Arc<Figures>);

impl Open {
    pub(super) fn new(figures: &Arc<Figures>) -> Self {
        figures.tally.open.fetch_add(1, Ordering::Relaxed);
        figures.tally.opened.fetch_add(1, Ordering::Relaxed);
        Self(figures.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.tally.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Endpoint {
    /// Counts what became of a request there, as that one of so many workers has seen it; see [`Went`].
    pub fn went_by(&self, worker: (usize, usize), went: &Went) {
        self.figures.tally.count(worker, went);
    }

    /// Counts bytes of a request there that is not over: body bytes that went there, and those that came.
    pub fn passed(&self, worker: (usize, usize), sent: u64, received: u64) {
        self.figures.tally.pass(worker, sent, received);
    }

    /// What became of requests there, over all workers.
    pub fn totals(&self) -> Totals {
        self.figures.tally.totals()
    }

    /// Counts one more connection to it until the guard is dropped.
    pub fn connected(&self) -> Open {
        Open::new(&self.figures)
    }

    /// Connections to it, over all workers: those there are, and those there have been.
    pub fn connections(&self) -> (u64, u64) {
        let tally = &self.figures.tally;
        (read(&tally.open), read(&tally.opened))
    }
}

/// For one writer: no other store can come between.
fn add(figure: &AtomicU64, delta: u64) {
    figure.store(read(figure).wrapping_add(delta), Ordering::Relaxed);
}

fn read(figure: &AtomicU64) -> u64 {
    figure.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_have_their_places() {
        let cases = [
            (Fate::Answered(101), "1xx"),
            (Fate::Answered(299), "2xx"),
            (Fate::Answered(599), "5xx"),
            (Fate::Answered(999), "5xx"),
            (Fate::Answered(0), "1xx"),
            (Fate::Unconnected, "connect-failure"),
            (Fate::TimedOut, "timeout"),
            (Fate::Reset, "reset"),
            (Fate::Cancelled, "cancelled"),
        ];
        for (fate, name) in cases {
            assert_eq!(Fate::ALL[fate.position()], name, "{fate:?}");
        }
    }

    #[test]
    fn shares_add_up_and_only_answers_have_latencies() {
        let tally = Tally::default();
        assert_eq!(tally.totals(), Totals::default());
        let went = |fate, ms, sent, received| Went { fate, latency: Duration::from_millis(ms), sent, received };
        tally.count((0, 2), &went(Fate::Answered(200), 3, 5, 7));
        tally.count((1, 2), &went(Fate::Answered(503), 2, 0, 1));
        tally.count((1, 2), &went(Fate::TimedOut, 30_000, 2, 0));
        tally.count((2, 2), &went(Fate::Reset, 1, 1, 1));
        let totals = tally.totals();
        assert_eq!(totals.fates, [0, 1, 0, 0, 1, 0, 1, 0, 0]);
        assert_eq!((totals.latency, totals.sent, totals.received), (Duration::from_millis(5), 7, 8));
        let counted: Vec<_> = totals.latencies().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(0.0025, 1), (0.005, 1)]);
    }

    #[test]
    fn connections_are_open_until_they_are_dropped() {
        let endpoint = crate::endpoint::tests::endpoint("a", 1);
        let two = [endpoint.connected(), endpoint.connected()];
        assert_eq!(endpoint.connections(), (2, 2));
        drop(two);
        assert_eq!(endpoint.connections(), (0, 2));
    }
}
