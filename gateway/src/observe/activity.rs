//! What one client connection is doing: whether an exchange is going on, since when it idles, since when a request head is
//! coming in. Noted in passing, so that one timer for the connection serves all its deadlines.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Cut;

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
    cut: Cell<Option<Cut>>,
    turn: Cell<Option<Turn>>,
    asked_to_leave: Cell<bool>,
    /// Who drives the connection.
    driver: RefCell<Option<Waker>>,
    /// Where it stands in the roll of its worker.
    pub place: Cell<usize>,
}

/// Whose turn it is in an exchange of HTTP/2, as its answer has noted last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The endpoint's: its answer was asked for more, and has none.
    Asks,
    /// The client's: so many bytes were handed over.
    Gives(u64),
    /// Nobody's any more.
    Cut(Cut),
}

/// What a connection is waiting for, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// For the end of an exchange, which has bounds of its own.
    Exchange,
    /// For the client to read what was written.
    Reader,
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
            cut: Cell::new(None),
            turn: Cell::new(None),
            asked_to_leave: Cell::new(false),
            driver: RefCell::new(None),
            place: Cell::new(0),
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

    /// The connection is to be cut off, at the next look at what the client sends.
    pub fn cut(&self, why: Cut) {
        if self.cut.get().is_none() {
            self.cut.set(Some(why));
        }
    }

    /// Why it is cut off, or was.
    pub fn is_cut(&self) -> Option<Cut> {
        self.cut.get()
    }

    /// Since when it has no exchange; none if it has one, or goes already.
    pub fn idle_since(&self) -> Option<Instant> {
        let is_idle = !self.is_busy() && !self.asked_to_leave.get();
        is_idle.then(|| self.idle_since.get())
    }

    /// Others need its place: it is to end where that loses nothing.
    pub fn ask_to_leave(&self) {
        self.asked_to_leave.set(true);
        let driver = self.driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// True once it was asked to.
    pub fn is_asked_to_leave(&self) -> bool {
        self.asked_to_leave.get()
    }

    /// Ready once it was asked to; whoever drives the connection is woken then.
    pub fn poll_asked_to_leave(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.asked_to_leave.get() {
            return Poll::Ready(());
        }
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            *driver = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// Whose turn it is now in the exchange at work.
    pub fn note(&self, turn: Turn) {
        self.turn.set(Some(turn));
    }

    /// What was noted since the last time that this was asked.
    pub fn take_turn(&self) -> Option<Turn> {
        self.turn.take()
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

    /// What it waits for: a head for `head` at most, where they come one after the other or are blocks of HTTP/2, which come while
    /// exchanges go on; a request for `idle`.
    pub fn waits(&self, head: Duration, blocks: bool, idle: Duration) -> Waits {
        let idle_since = self.idle_since.get();
        // Of HTTP/1 one that began while an exchange was going on could not be read to its end before.
        let head_since = self.head_since.get().map(|since| if blocks { since } else { since.max(idle_since) });
        match (self.stalled_since.get(), self.is_busy(), head_since) {
            (Some(_), _, _) => Waits::Reader,
            (None, is_busy, Some(since)) if blocks || !is_busy => Waits::Head(since + head),
            (None, false, _) => Waits::Request(idle_since + idle),
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

    /// Whose turn it is now.
    pub fn note(&self, turn: Turn) {
        self.activity.note(turn);
    }

    /// Why the client was cut off, if it was.
    pub fn is_cut(&self) -> Option<Cut> {
        match self.activity.turn.get() {
            Some(Turn::Cut(why)) => Some(why),
            _ => self.activity.cut.get(),
        }
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
