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
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, Version};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::BodyPrefix;
use super::interim::Interims;
use super::replay::Reader;
use super::streamed::Streamed;
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
    /// More bytes came than its route takes.
    TooLarge(u64),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Broken(reason) => f.write_str(reason),
            BodyError::Idle(limit) => write!(f, "nothing came for {limit:?}"),
            BodyError::TooLarge(most) => write!(f, "more than {most} bytes"),
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
    rest: Option<Rest>,
}

/// Where what was not read ahead comes from.
#[derive(Debug)]
enum Rest {
    Streamed(Streamed),
    Kept(Reader),
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
        Self::from(Rest::Streamed(Streamed::new(incoming, version == Version::HTTP_2, idle)))
    }

    /// One that is kept while it is read.
    pub(super) fn kept(reader: Reader) -> Self {
        Self::from(Rest::Kept(reader))
    }

    fn from(rest: Rest) -> Self {
        Self(Some(Box::new(Content { rest: Some(rest), ..Content::default() })))
    }

    /// The same, cut if it comes more slowly than that, as far as its length was declared: of another one nobody knows whether
    /// there is more to come at all.
    pub fn at_least(mut self, least: MinimumRate) -> Self {
        if let Some(rest) = self.source().filter(|rest| rest.incoming.size_hint().exact().is_some()) {
            rest.hurry(least);
        }
        self
    }

    /// The same, with these names taken out of its trailers.
    pub fn without_trailers(mut self, names: &Arc<[HeaderName]>) -> Self {
        if let Some(rest) = self.source().filter(|_| !names.is_empty()) {
            rest.forbidden = Some(names.clone());
        }
        self
    }

    /// The same, counting what comes in.
    pub fn counted(mut self) -> Self {
        if let Some(rest) = self.source() {
            rest.seen = Some(Rc::default());
        }
        self
    }

    /// The same, held back until the endpoint asks for it; an empty one is not.
    pub fn withheld(mut self, interims: &Arc<Interims>) -> Self {
        if let Some(rest) = self.source() {
            rest.withhold(interims);
        }
        self
    }

    /// How many data bytes have come in, now and later; none if nobody counts, or there are none to come.
    pub fn seen(&self) -> Option<Rc<Cell<u64>>> {
        match self.0.as_ref()?.rest.as_ref()? {
            Rest::Streamed(rest) => rest.seen.clone(),
            Rest::Kept(_) => None,
        }
    }

    /// Breaks it off where more than `most` data bytes come.
    ///
    /// # Errors
    /// If it is known already that they will.
    pub fn limit(&mut self, most: u64) -> Result<(), BodyError> {
        if self.size_hint().lower() > most {
            return Err(BodyError::TooLarge(most));
        }
        if let Some(rest) = self.source() {
            rest.limit(most);
        }
        Ok(())
    }

    /// True if there is nothing in it and nothing to come.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|content| content.held.is_empty() && content.rest.is_none())
    }

    fn source(&mut self) -> Option<&mut Streamed> {
        match self.0.as_mut()?.rest.as_mut()? {
            Rest::Streamed(rest) => Some(rest),
            Rest::Kept(_) => None,
        }
    }

    /// Reads up to `most` bytes ahead; the body still yields them. What cannot be read breaks the body where it is sent.
    pub async fn hold(&mut self, most: usize) -> BodyPrefix {
        if let Some(rest) = self.source() {
            rest.release();
        }
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
            content.held.is_empty() && content.failed.is_none() && content.rest.as_ref().is_none_or(Rest::is_end_stream)
        })
    }

    fn size_hint(&self) -> SizeHint {
        let Some(content) = &self.0 else { return SizeHint::with_exact(0) };
        let held = content.held.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum::<u64>();
        let rest = content.rest.as_ref().map_or(SizeHint::with_exact(0), Rest::size_hint);
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

impl Rest {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Rest::Streamed(rest) => rest.poll_frame(context),
            Rest::Kept(reader) => reader.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Rest::Streamed(rest) => rest.incoming.is_end_stream(),
            Rest::Kept(reader) => reader.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Rest::Streamed(rest) => rest.incoming.size_hint(),
            Rest::Kept(reader) => reader.size_hint(),
        }
    }
}
