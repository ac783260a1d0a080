//! How many requests an upstream has at a time, and who waits for a place: first come, first served, over all workers. Only
//! where that is configured; workers wake each other only while somebody waits.
//!
//! Who waits stands in line for the turn; who has it waits for a place to get free, and takes it before anybody else may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::sync::{Mutex, MutexGuard, Notify};

use crate::config::model;

/// The requests of one upstream.
#[derive(Debug)]
pub struct Load {
    most: u32,
    /// Where requests wait; none: nowhere.
    pub queue: Option<model::Queue>,
    counts: Arc<Counts>,
}

/// What is counted, over all workers and reloads.
#[derive(Debug, Default)]
struct Counts {
    in_flight: AtomicU32,
    waiting: AtomicU32,
    turn: Mutex<()>,
    freed: Notify,
    waits: AtomicU64,
    waited_us: AtomicU64,
}

/// One request at an upstream; dropping it frees its place.
#[derive(Debug)]
pub struct Place {
    counts: Arc<Counts>,
    /// Nobody needs to know that it gets free.
    is_silent: bool,
}

/// One request in line; dropping it leaves the line.
#[derive(Debug)]
pub struct Waiting<'l>(&'l Counts);

impl Load {
    /// As configured, if anything can be full. `before` is what the upstream of this name counted until now.
    pub fn new(settings: &model::Upstream, before: Option<&Self>) -> Option<Self> {
        if settings.max_in_flight.is_none() && settings.queue.is_none() {
            return None;
        }
        let counts = before.map(|before| before.counts.clone()).unwrap_or_default();
        Some(Self { most: settings.max_in_flight.unwrap_or(u32::MAX), queue: settings.queue.clone(), counts })
    }

    /// True if `settings` say the same.
    pub fn is_as(&self, settings: &model::Upstream) -> bool {
        self.most == settings.max_in_flight.unwrap_or(u32::MAX) && self.queue == settings.queue
    }

    /// A place; none if all are taken.
    pub fn enter(&self) -> Option<Place> {
        let take = |taken: u32| (taken < self.most).then_some(taken + 1);
        // Sequential, as all that decides whether to wait or to wake: one of both sees the other.
        let taken = self.counts.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        taken.is_ok().then(|| Place { counts: self.counts.clone(), is_silent: false })
    }

    /// Requests that wait.
    pub fn waiting(&self) -> u32 {
        self.counts.waiting.load(Ordering::SeqCst)
    }

    /// Joins the line; none if it is too long, or there is none.
    pub fn line_up(&self) -> Option<(Waiting<'_>, Duration)> {
        let queue = self.queue.as_ref()?;
        let join = |waiting: u32| (waiting < queue.length).then_some(waiting + 1);
        let joined = self.counts.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, join);
        joined.is_ok().then(|| (Waiting(&self.counts), queue.timeout))
    }

    /// The next one who comes to something free goes on; nobody if nobody waits.
    pub fn wake(&self) {
        self.counts.wake();
    }

    /// How many have waited, and for how long together.
    pub fn waits(&self) -> (u64, Duration) {
        let waited = Duration::from_micros(self.counts.waited_us.load(Ordering::Relaxed));
        (self.counts.waits.load(Ordering::Relaxed), waited)
    }
}

impl Counts {
    fn wake(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_one();
        }
    }
}

impl<'l> Waiting<'l> {
    /// Waits to be the first.
    pub async fn turn(&self) -> MutexGuard<'l, ()> {
        self.0.turn.lock().await
    }

    /// What gets free from now on.
    pub fn freed(&self) -> Notified<'l> {
        self.0.freed.notified()
    }

    /// It is over, with or without a place.
    pub fn ended(self, after: Duration) {
        self.0.waits.fetch_add(1, Ordering::Relaxed);
        self.0.waited_us.fetch_add(after.as_micros() as u64, Ordering::Relaxed);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Place {
    /// Something else that somebody may wait for has got free.
    pub fn freed(&self) {
        self.counts.wake();
    }

    /// Leaves without a word, after a look that found every endpoint full: whoever waits has seen the same.
    pub fn leave(mut self) {
        self.is_silent = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counts.in_flight.fetch_sub(1, Ordering::SeqCst);
        if !self.is_silent {
            self.counts.wake();
        }
    }
}
