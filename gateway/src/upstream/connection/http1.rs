//! A connection that speaks HTTP/1.1: one exchange after the other.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::bell::Bell;
use super::stream::Stream;
use super::wait::Wait;
use super::{HEAD_BYTES, HEAD_FIELDS, SendError};
use crate::message::{Body, Patience};

/// A connection that speaks HTTP/1.1. It has no task of its own: whoever waits for something from it lets it work meanwhile,
/// and between two requests nobody does. Dropped, it is closed at once, also in the middle of an answer: the endpoint learns
/// that nobody reads any more.
#[derive(Debug)]
pub(in crate::upstream) struct Http1 {
    sender: http1::SendRequest<Body>,
    link: Link,
    bell: Bell,
    patience: Patience,
}

type Driver = http1::Connection<TokioIo<Stream>, Body>;

/// What does a connection's work.
#[derive(Debug)]
struct Link {
    /// None once it has ended.
    driver: Option<Box<Driver>>,
    /// The stream then, and what was read of it already: hyper leaves it open where the protocol has changed.
    left: Option<(Stream, Bytes)>,
}

impl Http1 {
    /// The first thing that is said over `stream`.
    pub(super) async fn begin(stream: Stream) -> std::io::Result<Self> {
        let mut builder = http1::Builder::new();
        builder.max_header_size(HEAD_BYTES).max_headers(HEAD_FIELDS);
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (sender, driver) = handshake.map_err(std::io::Error::other)?;
        let link = Link { driver: Some(Box::new(driver)), left: None };
        Ok(Self { sender, link, bell: Bell::default(), patience: Patience::default() })
    }

    /// Sends a request and waits for the response head, for so long as [`Wait`] says.
    pub(super) fn send(
        &mut self,
        request: Request<Body>,
        limits: (Instant, Duration),
        seen: Option<&Cell<u64>>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> + Unpin {
        let Self { sender, link, bell, patience } = self;
        // Boxed, since it has room for the request, which is on its way by now.
        let mut answer = Box::pin(sender.try_send_request(request));
        let mut wait = Wait::new(limits, seen);
        let poll = move |context: &mut Context<'_>| {
            link.drive(context);
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(answer.map_err(SendError::from_hyper));
            }
            wait.poll(patience, context).map(Err)
        };
        attended(bell, poll)
    }

    /// Polls for what comes over this connection, letting it work if there is nothing yet.
    pub(in crate::upstream) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Self { link, bell, .. } = self;
        bell.attend(context, |context| {
            if let Poll::Ready(found) = wanted(context) {
                return Poll::Ready(found);
            }
            link.drive(context);
            wanted(context)
        })
    }

    /// The stream below and what was read of it already, after a request to change the protocol and an answer of 101. Waits
    /// until all of the request was sent; none if the connection broke.
    pub(in crate::upstream) async fn upgraded(mut self) -> Option<(Stream, Bytes)> {
        let Self { link, bell, .. } = &mut self;
        let poll = |context: &mut Context<'_>| {
            link.drive(context);
            match link.left.take() {
                None if link.driver.is_some() => Poll::Pending,
                left => Poll::Ready(left),
            }
        };
        attended(bell, poll).await
    }

    /// True if it could take another request now.
    pub(in crate::upstream) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// True if it will never take another request.
    pub(in crate::upstream) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until it can take another request; false if it never will.
    pub(in crate::upstream) async fn ready(&mut self) -> bool {
        let Self { sender, link, bell, .. } = self;
        let poll = |context: &mut Context<'_>| {
            link.drive(context);
            sender.poll_ready(context)
        };
        attended(bell, poll).await.is_ok()
    }

    /// Nobody waits for it any more.
    pub(in crate::upstream) fn rest(&mut self) {
        self.bell.forget();
    }

    /// Whether the endpoint has left an idle connection as it was.
    pub(in crate::upstream) fn is_sound(&mut self) -> bool {
        self.link.drive(&mut Context::from_waker(Waker::noop()));
        self.is_ready()
    }
}

/// Polls as somebody who attends to the bell.
fn attended<T>(bell: &Bell, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> impl Future<Output = T> {
    poll_fn(move |context| bell.attend(context, &mut poll))
}

impl Link {
    /// Lets the connection work, until it has ended. What goes wrong is told to whoever waits for an answer or a body.
    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(running) = &mut self.driver
            && let Poll::Ready(ended) = Pin::new(&mut **running).poll(context)
        {
            let parts = self.driver.take().filter(|_| ended.is_ok()).map(|driver| driver.into_parts());
            self.left = parts.map(|parts| (parts.io.into_inner(), parts.read_buf));
        }
    }
}
