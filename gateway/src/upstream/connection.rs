//! One connection to an endpoint. No type of hyper's client leaves this file, so that HTTP/2 and TLS to endpoints change
//! nothing outside of it.

use std::cell::Cell;
use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::bell::Bell;
use crate::message::body::BodyError;
use crate::message::{Body, Patience};
use crate::socket::{Outbox, Socket};

/// Bytes of an endpoint's response head: what does not fit is a broken answer.
const HEAD_BYTES: usize = 64 * 1024;
/// Fields of an endpoint's response head.
const HEAD_FIELDS: usize = 200;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The system said no.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It took too long.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
}

impl ConnectError {
    /// True if this machine lacks something (descriptors, memory, ports): it says nothing of the endpoint.
    pub fn is_our_own(&self) -> bool {
        use rustix::io::Errno;
        let ConnectError::Io(error) = self else { return false };
        let own = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
        own.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nothing of the request was sent; here it is again.
    #[error("the connection was closed before the request was sent")]
    Unsent(Box<Request<Body>>),
    /// The client's body broke off or stalled: no fault of the endpoint.
    #[error("{0}")]
    Body(BodyError),
    /// The connection broke while it was sent or answered, or the answer made no sense.
    #[error("{0}")]
    Broken(hyper::Error),
    /// No answer within the time that was allowed.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

impl SendError {
    /// True if the endpoint closed the connection without a word: on a reused one that is the usual race between its idle
    /// timer and our request.
    pub fn is_closed(&self) -> bool {
        match self {
            SendError::Unsent(_) => true,
            SendError::Body(_) | SendError::TimedOut(_) => false,
            SendError::Broken(error) => error.is_incomplete_message() || error.is_closed(),
        }
    }
}

/// A connection that speaks HTTP/1.1. It has no task of its own: whoever waits for something from it lets it work meanwhile,
/// and between two requests nobody does. Dropped, it is closed at once, also in the middle of an answer: the endpoint learns
/// that nobody reads any more.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Body>,
    link: Link,
    bell: Bell,
    patience: Patience,
}

type Driver = http1::Connection<TokioIo<Socket>, Body>;

/// A stream to an endpoint.
pub type Stream = Socket;

/// What does a connection's work.
#[derive(Debug)]
struct Link {
    /// None once it has ended.
    driver: Option<Box<Driver>>,
    /// The stream then, and what was read of it already: hyper leaves it open where the protocol has changed.
    left: Option<(Stream, Bytes)>,
}

impl Connection {
    /// Opens one to `address` (host and port; a name is looked up).
    pub async fn open(address: &str, most: Duration, outbox: &Rc<Outbox>) -> Result<Self, ConnectError> {
        let stream = match tokio::time::timeout(most, TcpStream::connect(address)).await {
            Ok(stream) => stream?,
            Err(_) => return Err(ConnectError::TimedOut(most)),
        };
        stream.set_nodelay(true)?;
        let mut builder = http1::Builder::new();
        builder.max_header_size(HEAD_BYTES).max_headers(HEAD_FIELDS);
        let handshake = builder.handshake(TokioIo::new(Socket::new(stream, outbox))).await;
        let (sender, driver) = handshake.map_err(std::io::Error::other)?;
        let link = Link { driver: Some(Box::new(driver)), left: None };
        Ok(Self { sender, link, bell: Bell::default(), patience: Patience::default() })
    }

    /// Sends a request and waits for the response head, from `began` on for `limit` at most; the wait begins anew as long as
    /// `seen`, the bytes of the request's body, grows.
    pub fn send(
        &mut self,
        request: Request<Body>,
        (mut began, limit): (Instant, Duration),
        seen: Option<&Cell<u64>>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> {
        let Self { sender, link, bell, patience } = self;
        // Boxed, since it has room for the request, which is on its way by now.
        let mut answer = Box::pin(sender.try_send_request(request));
        let seen = move || seen.map_or(0, Cell::get);
        let mut before = seen();
        let poll = move |context: &mut Context<'_>| {
            link.drive(context);
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(answer.map_err(unanswered));
            }
            while patience.poll_until(began + limit, context).is_ready() {
                if seen() == before {
                    return Poll::Ready(Err(SendError::TimedOut(limit)));
                }
                (began, before) = (Instant::now(), seen());
            }
            Poll::Pending
        };
        attended(bell, poll)
    }

    /// Polls for what comes over this connection, letting it work if there is nothing yet.
    pub fn poll<T>(
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
    pub async fn upgraded(mut self) -> Option<(Stream, Bytes)> {
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
    pub fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// True if it will never take another request.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until it can take another request; false if it never will.
    pub async fn ready(&mut self) -> bool {
        let Self { sender, link, bell, .. } = self;
        let poll = |context: &mut Context<'_>| {
            link.drive(context);
            sender.poll_ready(context)
        };
        attended(bell, poll).await.is_ok()
    }

    /// Nobody waits for it any more.
    pub fn rest(&mut self) {
        self.bell.forget();
    }

    /// Whether the endpoint has left an idle connection as it was.
    pub fn is_sound(&mut self) -> bool {
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

fn unanswered(mut error: TrySendError<Request<Body>>) -> SendError {
    match error.take_message() {
        Some(request) => SendError::Unsent(Box::new(request)),
        None => broken(error.into_error()),
    }
}

/// hyper wraps what our own body says in an error of its own.
fn broken(error: hyper::Error) -> SendError {
    match error.source().and_then(|source| source.downcast_ref::<BodyError>()) {
        Some(of_client) => SendError::Body(of_client.clone()),
        None => SendError::Broken(error),
    }
}
