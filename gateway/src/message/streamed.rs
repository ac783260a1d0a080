//! What streams in: each frame is looked at as it passes, and a sender that is too slow, silent or long-winded is cut.

use std::cell::Cell;
use std::error::Error as _;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderName;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;

use super::body::BodyError;
use super::interim::{Gate, Interims};
use super::{Patience, fields};
use crate::config::model::MinimumRate;

/// A body on its way in.
#[derive(Debug)]
pub(super) struct Streamed {
    pub(super) incoming: Incoming,
    /// A stream of HTTP/2.
    is_h2: bool,
    idle: Duration,
    /// Names that are taken out of the trailers, besides those that may not stand there at all.
    pub(super) forbidden: Option<Arc<[HeaderName]>>,
    /// Data bytes so far.
    pub(super) seen: Option<Rc<Cell<u64>>>,
    /// Data bytes that may still come, of how many.
    left: u64,
    most: u64,
    /// Since when nothing has come although somebody asks.
    waiting: Option<Instant>,
    /// How quickly it must come; none: in its own time.
    pace: Option<Pace>,
    patience: Patience,
    /// It is held back until the endpoint wants it.
    gate: Option<Gate>,
}

/// Of a body that must come at some rate. The time in which nobody asks for more is not its sender's.
#[derive(Debug)]
struct Pace {
    least: MinimumRate,
    came: u64,
    /// What was waited for it.
    waited: Duration,
}

impl Streamed {
    /// Cut after `idle` without a frame.
    pub(super) fn new(incoming: Incoming, is_h2: bool, idle: Duration) -> Self {
        Self {
            incoming,
            is_h2,
            idle,
            forbidden: None,
            seen: None,
            left: u64::MAX,
            most: u64::MAX,
            waiting: None,
            pace: None,
            patience: Patience::default(),
            gate: None,
        }
    }

    /// Cut if it comes more slowly than that.
    pub(super) fn hurry(&mut self, least: MinimumRate) {
        self.pace = Some(Pace { least, came: 0, waited: Duration::ZERO });
    }

    /// Breaks off where more than `most` data bytes come.
    pub(super) fn limit(&mut self, most: u64) {
        (self.left, self.most) = (most, most);
    }

    /// Held back until the endpoint asks for it.
    pub(super) fn withhold(&mut self, interims: &Arc<Interims>) {
        self.gate = Some(Gate::new(interims));
    }

    /// Goes at once, whether the endpoint asks for it or not.
    pub(super) fn release(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.open();
        }
    }

    pub(super) fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.poll(context));
            self.gate = None;
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            // hyper takes a reset with NO_ERROR for an end, which it only is behind one (RFC 9113 §8.1).
            if frame.is_none() && self.is_h2 && !self.incoming.is_end_stream() {
                return Poll::Ready(Some(Err(BodyError::Broken("reset before its end".to_owned()))));
            }
            let since = self.waiting.take();
            if let Some(pace) = &mut self.pace {
                pace.waited += since.map_or(Duration::ZERO, |since| since.elapsed());
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                pace.came += data.map_or(0, |data| data.len() as u64);
            }
            // What hyper says of it is only that it was reading a body.
            let reason = |error: hyper::Error| error.source().map_or_else(|| error.to_string(), ToString::to_string);
            let broken = |error: hyper::Error| BodyError::Broken(reason(error));
            return Poll::Ready(frame.map(|frame| self.admit(frame.map_err(broken)?)));
        }
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let left = self.pace.as_ref().map(|pace| pace.least.time_for(pace.came).saturating_sub(pace.waited));
        let limit = left.map_or(self.idle, |left| left.min(self.idle));
        ready!(self.patience.poll_until(since + limit, context));
        Poll::Ready(Some(Err(match &self.pace {
            Some(pace) if limit < self.idle => BodyError::Slow(pace.least.bytes_per_second),
            _ => BodyError::Idle(self.idle),
        })))
    }

    fn admit(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        if let Some(data) = frame.data_ref() {
            self.left = self.left.checked_sub(data.len() as u64).ok_or(BodyError::TooLarge(self.most))?;
            if let Some(seen) = &self.seen {
                seen.set(seen.get() + data.len() as u64);
            }
        } else if let Some(trailers) = frame.trailers_mut() {
            fields::check_trailers(trailers);
            for name in self.forbidden.iter().flat_map(|names| names.iter()) {
                trailers.remove(name);
            }
        }
        Ok(frame)
    }
}
