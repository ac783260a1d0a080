//! One connection to an endpoint, whatever it speaks and however it was made. No type of hyper's client leaves this room but the
//! body of an answer.

mod bell;
mod client_address;
mod connect;
mod error;
mod http1;
mod http2;
mod stream;
mod wait;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Version};
use hyper::body::Incoming;

pub use client_address::{Ends, OWN_CONNECTION};
pub(super) use connect::Target;
pub use error::{ConnectError, SendError};
pub(super) use http1::Http1;
pub(super) use http2::{Http2, Place};
pub use stream::Stream;

use crate::message::Body;
use crate::socket::Outbox;

/// Bytes of an endpoint's response head: what does not fit is a broken answer.
const HEAD_BYTES: usize = 64 * 1024;
/// Fields of an endpoint's response head.
const HEAD_FIELDS: usize = 200;

/// A new connection.
#[derive(Debug)]
pub(super) enum Connection {
    /// For one exchange after the other.
    Http1(Box<Http1>),
    /// For many at a time.
    Http2(Rc<Http2>),
}

impl Connection {
    /// Opens one.
    pub(super) async fn open(target: Target<'_>, outbox: &Rc<Outbox>) -> Result<Self, ConnectError> {
        connect::connect(target, outbox).await
    }
}

/// What an exchange has of a connection.
#[derive(Debug)]
pub(super) enum Carrier {
    /// All of it.
    Http1(Box<Http1>),
    /// A stream of it.
    Http2(Place),
}

impl Carrier {
    /// What is spoken.
    pub(super) fn version(&self) -> Version {
        match self {
            Carrier::Http1(_) => Version::HTTP_11,
            Carrier::Http2(_) => Version::HTTP_2,
        }
    }

    /// Sends a request and waits for the response head, from `began` on for `limit` at most; the wait begins anew as long as
    /// `seen`, the bytes of the request's body, grows.
    pub(super) fn send(
        &mut self,
        request: Request<Body>,
        (began, limit): (Instant, Duration),
        seen: Option<&Cell<u64>>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> {
        let (mut over_http1, mut over_http2) = match self {
            Carrier::Http1(connection) => (Some(connection.send(request, (began, limit), seen)), None),
            Carrier::Http2(place) => (None, Some(place.send(request, (began, limit), seen))),
        };
        poll_fn(move |context| match (&mut over_http1, &mut over_http2) {
            (Some(sending), _) => Pin::new(sending).poll(context),
            (_, Some(sending)) => Pin::new(sending).poll(context),
            (None, None) => Poll::Pending,
        })
    }

    /// The stream below, after an answer of 101: see [`Http1::upgraded`].
    pub(super) async fn upgraded(self) -> Option<(Stream, Bytes)> {
        match self {
            Carrier::Http1(connection) => connection.upgraded().await,
            // HTTP/2 knows no such answer (RFC 9113 §8.6).
            Carrier::Http2(_) => None,
        }
    }

    /// Polls for what comes over the connection, letting it work where nobody else does.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match self {
            Carrier::Http1(connection) => connection.poll(context, wanted),
            // It has a task.
            Carrier::Http2(_) => wanted(context),
        }
    }
}
