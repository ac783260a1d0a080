//! Bodies that stream past: never collected, cut when nothing moves for too long, with a held-back beginning where a plugin
//! asked to see it. Back-pressure comes by itself, since nobody reads ahead of who writes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::HeaderName;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::{BodyPrefix, fields};

/// Why a body broke off.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyError {
    /// The sender broke off, or framed it badly.
    #[error("{0}")]
    Broken(String),
    /// Nothing came for the time that `stream-idle` allows.
    #[error("nothing came for {0:?}")]
    Idle(Duration),
}

/// A body on its way.
#[derive(Debug, Default)]
pub struct Body {
    /// Frames read ahead, or the whole of a body of our own.
    held: VecDeque<Frame<Bytes>>,
    /// What went wrong while it was read ahead: to be said after what was held.
    failed: Option<BodyError>,
    rest: Option<Streamed>,
}

#[derive(Debug)]
struct Streamed {
    incoming: Incoming,
    idle: Duration,
    /// Names that are taken out of the trailers, besides those that may not stand there at all.
    forbidden: Option<Arc<[HeaderName]>>,
    /// Data bytes so far.
    seen: Rc<Cell<u64>>,
    /// When it last moved, kept while a timer runs.
    timer: Option<(Pin<Box<Sleep>>, Instant)>,
}

impl Body {
    /// One that the gateway itself wrote.
    pub fn full(bytes: Bytes) -> Self {
        let held = if bytes.is_empty() { VecDeque::new() } else { VecDeque::from([Frame::data(bytes)]) };
        Self { held, ..Self::default() }
    }

    /// One that streams in, cut after `idle` without a frame.
    pub fn streamed(incoming: Incoming, idle: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::default();
        }
        Self {
            rest: Some(Streamed { incoming, idle, forbidden: None, seen: Rc::default(), timer: None }),
            ..Self::default()
        }
    }

    /// The same, with these names taken out of its trailers.
    pub fn without_trailers(mut self, names: &Arc<[HeaderName]>) -> Self {
        if let Some(rest) = self.rest.as_mut().filter(|_| !names.is_empty()) {
            rest.forbidden = Some(names.clone());
        }
        self
    }

    /// How many data bytes have come in, now and later.
    pub fn seen(&self) -> Rc<Cell<u64>> {
        self.rest.as_ref().map(|rest| rest.seen.clone()).unwrap_or_default()
    }

    /// True if there is nothing in it and nothing to come.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.rest.is_none()
    }

    /// Reads up to `most` bytes ahead; the body still yields them. What cannot be read breaks the body where it is sent.
    pub async fn hold(&mut self, most: usize) -> BodyPrefix {
        let mut bytes = BytesMut::new();
        while let Some(rest) = &mut self.rest {
            if bytes.len() >= most {
                break;
            }
            match poll_fn(|context| rest.poll_frame(context)).await {
                Some(Ok(frame)) => {
                    bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data.as_ref()));
                    self.held.push_back(frame);
                }
                Some(Err(error)) => {
                    self.failed = Some(error);
                    break;
                }
                None => self.rest = None,
            }
        }
        let complete = self.rest.is_none() && bytes.len() <= most;
        bytes.truncate(most);
        BodyPrefix { bytes: bytes.freeze(), complete }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(frame) = self.held.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = self.failed.take() {
            self.rest = None;
            return Poll::Ready(Some(Err(error)));
        }
        match &mut self.rest {
            Some(rest) => rest.poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty()
            && self.failed.is_none()
            && self.rest.as_ref().is_none_or(|rest| rest.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum::<u64>();
        let rest = self.rest.as_ref().map_or(SizeHint::with_exact(0), |rest| rest.incoming.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + held);
        // A size that is known would leave no room for trailers.
        let trailers = self.held.iter().any(Frame::is_trailers);
        if let Some(upper) = rest.upper().filter(|_| !trailers) {
            hint.set_upper(upper + held);
        }
        hint
    }
}

impl Streamed {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            if let Some((_, moved)) = &mut self.timer {
                *moved = Instant::now();
            }
            let broken = |error: hyper::Error| BodyError::Broken(error.to_string());
            return Poll::Ready(frame.map(|frame| frame.map(|frame| self.admit(frame)).map_err(broken)));
        }
        let idle = self.idle;
        let (timer, moved) = self.timer.get_or_insert_with(|| (Box::pin(tokio::time::sleep(idle)), Instant::now()));
        loop {
            ready!(timer.as_mut().poll(context));
            let deadline = *moved + idle;
            if deadline <= Instant::now() {
                return Poll::Ready(Some(Err(BodyError::Idle(idle))));
            }
            timer.as_mut().reset(deadline.into());
        }
    }

    fn admit(&self, mut frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(data) = frame.data_ref() {
            self.seen.set(self.seen.get() + data.len() as u64);
        } else if let Some(trailers) = frame.trailers_mut() {
            fields::check_trailers(trailers);
            for name in self.forbidden.iter().flat_map(|names| names.iter()) {
                trailers.remove(name);
            }
        }
        frame
    }
}
