//! What one client connection is doing: whether an exchange is going on, since when it idles, since when a request head is
//! coming in. Noted in passing, so that one timer for the connection serves all its deadlines.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// One client connection.
#[derive(Debug)]
pub struct Activity {
    exchanges: Cell<u32>,
    /// Heads that have come in and of which no exchange has begun yet.
    due: Cell<u32>,
    /// Those of them whose answer has begun.
    answered: Cell<u32>,
    idle_since: Cell<Instant>,
    head_since: Cell<Option<Instant>>,
    stalled_since: Cell<Option<Instant>>,
    refused: Cell<bool>,
    broken: Cell<bool>,
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
            due: Cell::new(0),
            answered: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            head_since: Cell::new(None),
            stalled_since: Cell::new(None),
            refused: Cell::new(false),
            broken: Cell::new(false),
        })
    }

    /// Bytes came in: so many heads came to their end, and whether one is coming in now.
    pub fn heads(&self, whole: u32, in_head: bool) {
        self.due.set(self.due.get() + whole);
        match self.head_since.get() {
            Some(_) if in_head && whole == 0 => {}
            // No clock is read for a head that comes in one piece.
            None if !in_head => {}
            _ => self.head_since.set(in_head.then(Instant::now)),
        }
    }

    /// The head that was coming in is none: nothing more is taken from this client.
    pub fn refuse(&self) {
        self.refused.set(true);
    }

    /// True once a head was refused and all before it is answered.
    pub fn is_over(&self) -> bool {
        self.refused.get() && !self.is_busy() && self.stalled_since.get().is_none()
    }

    /// This side ends: who was refused is not told any more.
    pub fn ends(&self) {
        self.refused.set(false);
    }

    /// The body that was coming in is none: the answer to it is the last one.
    pub fn break_body(&self) {
        self.broken.set(true);
    }

    /// True once a body was none.
    pub fn is_broken(&self) -> bool {
        self.broken.get()
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

    /// An exchange begins.
    pub fn begin(self: &Rc<Self>) -> Busy {
        self.due.set(self.due.get().saturating_sub(1));
        self.exchanges.set(self.exchanges.get() + 1);
        Busy { activity: self.clone(), answered: false, until: None }
    }

    /// True while an exchange is going on, or about to begin.
    pub fn is_busy(&self) -> bool {
        self.exchanges.get() > 0 || self.due.get() > 0
    }

    /// True while an exchange is going on whose answer has begun.
    pub fn is_streaming(&self) -> bool {
        self.answered.get() > 0
    }

    /// What it waits for: a reader for `stream` at most, a head for `head` where heads come one after the other, a request
    /// for `idle`.
    pub fn waits(&self, stream: Duration, head: Option<Duration>, idle: Duration) -> Waits {
        let idle_since = self.idle_since.get();
        // One that began while an exchange was going on could not be read to its end before.
        let head_until = self.head_since.get().zip(head).map(|(since, head)| since.max(idle_since) + head);
        match (self.stalled_since.get(), self.is_busy(), head_until) {
            (Some(since), _, _) => Waits::Reader(since + stream),
            (None, false, Some(until)) => Waits::Head(until),
            (None, false, None) => Waits::Request(idle_since + idle),
            (None, true, _) => Waits::Exchange,
        }
    }
}

/// An exchange is going on; dropped when it is over.
#[derive(Debug)]
pub struct Busy {
    activity: Rc<Activity>,
    answered: bool,
    until: Option<Instant>,
}

impl Busy {
    /// The answer has begun.
    pub fn answered(&mut self) {
        if !self.answered {
            self.answered = true;
            self.activity.answered.set(self.activity.answered.get() + 1);
        }
    }

    /// It is over as of then; dropped without that, at the moment when it is dropped.
    pub fn until(&mut self, then: Instant) {
        self.until = Some(then);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.answered {
            self.activity.answered.set(self.activity.answered.get() - 1);
        }
        let left = self.activity.exchanges.get() - 1;
        self.activity.exchanges.set(left);
        if left == 0 {
            self.activity.idle_since.set(self.until.unwrap_or_else(Instant::now));
        }
    }
}
