//! The wait for the head of an answer.

use std::cell::Cell;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::SendError;
use crate::message::Patience;

/// A wait that begins anew as long as the client still sends.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    began: Instant,
    limit: Duration,
    seen: Option<&'a Cell<u64>>,
    before: u64,
}

impl<'a> Wait<'a> {
    /// From `began` on, for `limit`; `seen` are the bytes of the request's body.
    pub(super) fn new((began, limit): (Instant, Duration), seen: Option<&'a Cell<u64>>) -> Self {
        Self { began, limit, seen, before: seen.map_or(0, Cell::get) }
    }

    /// Ready when it is over.
    pub(super) fn poll(&mut self, patience: &mut Patience, context: &mut Context<'_>) -> Poll<SendError> {
        while patience.poll_until(self.began + self.limit, context).is_ready() {
            let now = self.seen.map_or(0, Cell::get);
            if now == self.before {
                return Poll::Ready(SendError::TimedOut(self.limit));
            }
            (self.began, self.before) = (Instant::now(), now);
        }
        Poll::Pending
    }
}
