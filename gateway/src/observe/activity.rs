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
}

/// What a connection is waiting for, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// For the end of an exchange, which has bounds of its own.
    Exchange,
    /// For the rest of a request head.
    Head(Instant),
    /// For a request.
    Request(Instant),
}

impl Activity {
    /// A connection that was just made.
    pub fn start() -> Rc<Self> {
        Rc::new(Self { exchanges: Cell::new(0), idle_since: Cell::new(Instant::now()), head_since: Cell::new(None) })
    }

    /// Bytes came in.
    pub fn received(&self) {
        if self.exchanges.get() == 0 && self.head_since.get().is_none() {
            self.head_since.set(Some(Instant::now()));
        }
    }

    /// A request head is complete.
    pub fn begin(self: &Rc<Self>) -> Busy {
        self.head_since.set(None);
        self.exchanges.set(self.exchanges.get() + 1);
        Busy(self.clone())
    }

    /// True while an exchange is going on.
    pub fn is_busy(&self) -> bool {
        self.exchanges.get() > 0
    }

    /// What it waits for: a head for `head` at most, a request for `idle`.
    pub fn waits(&self, head: Duration, idle: Duration) -> Waits {
        match (self.exchanges.get(), self.head_since.get()) {
            (0, Some(since)) => Waits::Head(since + head),
            (0, None) => Waits::Request(self.idle_since.get() + idle),
            _ => Waits::Exchange,
        }
    }
}

/// An exchange is going on; dropped when it is over.
#[derive(Debug)]
pub struct Busy(Rc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        let left = self.0.exchanges.get() - 1;
        self.0.exchanges.set(left);
        if left == 0 {
            self.0.idle_since.set(Instant::now());
        }
    }
}
