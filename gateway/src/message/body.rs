//! Bodies that stream past: never collected, cut when nothing moves for too long, with a held-back beginning where a plugin
//! asked to see it. Back-pressure comes by itself, since nobody reads ahead of who writes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, Version};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::{BodyPrefix, Patience, fields};
use crate::config::model::MinimumRate;

/// Why a body broke off.
#[derive(Debug, Clone)]
pub enum BodyError {
    /// The sender broke off, or framed it badly.
    Broken(String),
    /// Nothing came for the time that `stream-idle` allows.
    Idle(Duration),
    /// Less came than the minimum rate asks for.
    Slow(u64),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Broken(reason) => f.write_str(reason),
            BodyError::Idle(limit) => write!(f, "nothing came for {limit:?}"),
            BodyError::Slow(rate) => write!(f, "it came at less than {rate} bytes per second"),
        }
    }
}

impl Error for BodyError {
    /// What hyper resets the stream with over which it was to be sent: nobody needs it any more.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        static CANCEL: LazyLock<h2::Error> = LazyLock::new(|| h2::Reason::CANCEL.into());
        Some(&*CANCEL)
    }
}

/// A body on its way. Small, since it is handed on from station to station; none costs nothing.
#[derive(Debug, Default)]
pub struct Body(Option<Box<Content>>);

#[derive(Debug, Default)]
struct Content {
    /// Frames read ahead, or the whole of a body of our own.
    held: VecDeque<Frame<Bytes>>,
    /// What went wrong while it was read ahead: to be said after what was held.
    failed: Option<BodyError>,
    rest: Option<Streamed>,
}

#[derive(Debug)]
struct Streamed {
    incoming: Incoming,
    /// A stream of HTTP/2.
    is_h2: bool,
    idle: Duration,
    /// Names that are taken out of the trailers, besides those that may not stand there at all.
    forbidden: Option<Arc<[HeaderName]>>,
    /// Data bytes so far.
    seen: Option<Rc<Cell<u64>>>,
    /// Since when nothing has come although somebody asks.
    waiting: Option<Instant>,
    /// How quickly it must come; none: in its own time.
    pace: Option<Pace>,
    patience: Patience,
}

/// Of a body that must come at some rate. The time in which nobody asks for more is not its sender's.
#[derive(Debug)]
struct Pace {
    least: MinimumRate,
    came: u64,
    /// What was waited for it.
    waited: Duration,
}

impl Body {
    /// One that the gateway itself wrote.
    pub fn full(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        Self(Some(Box::new(Content { held: VecDeque::from([Frame::data(bytes)]), ..Content::default() })))
    }

    /// One that streams in over that version of HTTP, cut after `idle` without a frame.
    pub fn streamed(incoming: Incoming, version: Version, idle: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::default();
        }
        let rest = Streamed {
            incoming,
            is_h2: version == Version::HTTP_2,
            idle,
            forbidden: None,
            seen: None,
            waiting: None,
            pace: None,
            patience: Patience::default(),
        };
        Self(Some(Box::new(Content { rest: Some(rest), ..Content::default() })))
    }

    /// The same, cut if it comes more slowly than that, as far as its length was declared: of another one nobody knows whether
    /// there is more to come at all.
    pub fn at_least(mut self, least: MinimumRate) -> Self {
        if let Some(rest) = self.rest_mut().filter(|rest| rest.incoming.size_hint().exact().is_some()) {
            rest.pace = Some(Pace { least, came: 0, waited: Duration::ZERO });
        }
        self
    }

    /// The same, with these names taken out of its trailers.
    pub fn without_trailers(mut self, names: &Arc<[HeaderName]>) -> Self {
        if let Some(rest) = self.rest_mut().filter(|_| !names.is_empty()) {
            rest.forbidden = Some(names.clone());
        }
        self
    }

    /// The same, counting what comes in.
    pub fn counted(mut self) -> Self {
        if let Some(rest) = self.rest_mut() {
            rest.seen = Some(Rc::default());
        }
        self
    }

    /// How many data bytes have come in, now and later; none if nobody counts, or there are none to come.
    pub fn seen(&self) -> Option<Rc<Cell<u64>>> {
        self.0.as_ref()?.rest.as_ref()?.seen.clone()
    }

    /// True if there is nothing in it and nothing to come.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|content| content.held.is_empty() && content.rest.is_none())
    }

    fn rest_mut(&mut self) -> Option<&mut Streamed> {
        self.0.as_mut()?.rest.as_mut()
    }

    /// Reads up to `most` bytes ahead; the body still yields them. What cannot be read breaks the body where it is sent.
    pub async fn hold(&mut self, most: usize) -> BodyPrefix {
        let Some(content) = &mut self.0 else { return BodyPrefix { complete: true, ..BodyPrefix::default() } };
        let mut bytes = BytesMut::new();
        while let Some(rest) = &mut content.rest {
            if bytes.len() >= most {
                break;
            }
            match poll_fn(|context| rest.poll_frame(context)).await {
                Some(Ok(frame)) => {
                    bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data.as_ref()));
                    content.held.push_back(frame);
                }
                Some(Err(error)) => {
                    content.failed = Some(error);
                    break;
                }
                None => content.rest = None,
            }
        }
        let complete = content.rest.is_none() && bytes.len() <= most;
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
        let Some(content) = &mut self.0 else { return Poll::Ready(None) };
        if let Some(frame) = content.held.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = content.failed.take() {
            content.rest = None;
            return Poll::Ready(Some(Err(error)));
        }
        match &mut content.rest {
            Some(rest) => rest.poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|content| {
            content.held.is_empty()
                && content.failed.is_none()
                && content.rest.as_ref().is_none_or(|rest| rest.incoming.is_end_stream())
        })
    }

    fn size_hint(&self) -> SizeHint {
        let Some(content) = &self.0 else { return SizeHint::with_exact(0) };
        let held = content.held.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum::<u64>();
        let rest = content.rest.as_ref().map_or(SizeHint::with_exact(0), |rest| rest.incoming.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + held);
        // A size that is known would leave no room for trailers.
        let trailers = content.held.iter().any(Frame::is_trailers);
        if let Some(upper) = rest.upper().filter(|_| !trailers) {
            hint.set_upper(upper + held);
        }
        hint
    }
}

impl Streamed {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
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
            return Poll::Ready(frame.map(|frame| frame.map(|frame| self.admit(frame)).map_err(broken)));
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

    fn admit(&self, mut frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(data) = frame.data_ref() {
            if let Some(seen) = &self.seen {
                seen.set(seen.get() + data.len() as u64);
            }
        } else if let Some(trailers) = frame.trailers_mut() {
            fields::check_trailers(trailers);
            for name in self.forbidden.iter().flat_map(|names| names.iter()) {
                trailers.remove(name);
            }
        }
        frame
    }
}
