//! What one client connection is doing: whether an exchange is going on, since when it idles, since when a request head is
//! coming in. Noted in passing, so that one timer for the connection serves all its deadlines.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// One client connection.
#[derive(Debug)]
pub struct Activity {
    exchanges: Cell<u32>,
    idle_since: Cell<Instant>,
    head_since: Cell<Option<Instant>>,
    stalled_since: Cell<Option<Instant>>,
}

/// What a connection is waiting for, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// For the end of an exchange, which has bounds of its own.
    Exchange,
    /// For the client to read what was written.
    Reader(Instant),
    /// For the rest of a request head.
    Head(Instant),
    /// For a request.
    Request(Instant),
}

impl Activity {
    /// A connection that was just made.
    pub fn start() -> Rc<Self> {
        Rc::new(Self {
            exchanges: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            head_since: Cell::new(None),
            stalled_since: Cell::new(None),
        })
    }

    /// Bytes came in.
    pub fn received(&self) {
        if self.exchanges.get() == 0 && self.head_since.get().is_none() {
            self.head_since.set(Some(Instant::now()));
        }
    }

    /// Something was written, or could not be since the client does not read.
    pub fn wrote(&self, stalled: bool) {
        if !stalled {
            self.stalled_since.set(None);
        } else if self.stalled_since.get().is_none() {
            self.stalled_since.set(Some(Instant::now()));
        }
    }

    /// Idleness begins anew.
    pub fn touch(&self) {
        self.idle_since.set(Instant::now());
    }

    /// A request head is complete.
    pub fn begin(self: &Rc<Self>) -> Busy {
        self.head_since.set(None);
        self.exchanges.set(self.exchanges.get() + 1);
        Busy { activity: self.clone(), until: None }
    }

    /// True while an exchange is going on.
    pub fn is_busy(&self) -> bool {
        self.exchanges.get() > 0
    }

    /// What it waits for: a reader for `stream` at most, a head for `head` where heads come one after the other, a request
    /// for `idle`.
    pub fn waits(&self, stream: Duration, head: Option<Duration>, idle: Duration) -> Waits {
        let head_until = self.head_since.get().zip(head).map(|(since, head)| since + head);
        match (self.stalled_since.get(), self.exchanges.get(), head_until) {
            (Some(since), _, _) => Waits::Reader(since + stream),
            (None, 0, Some(until)) => Waits::Head(until),
            (None, 0, None) => Waits::Request(self.idle_since.get() + idle),
            (None, _, _) => Waits::Exchange,
        }
    }
}

/// An exchange is going on; dropped when it is over.
#[derive(Debug)]
pub struct Busy {
    activity: Rc<Activity>,
    until: Option<Instant>,
}

impl Busy {
    /// It is over as of then; dropped without that, at the moment when it is dropped.
    pub fn until(&mut self, then: Instant) {
        self.until = Some(then);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let left = self.activity.exchanges.get() - 1;
        self.activity.exchanges.set(left);
        if left == 0 {
            self.activity.idle_since.set(self.until.unwrap_or_else(Instant::now));
        }
    }
}
