//! One connection to an endpoint. No type of hyper's client leaves this file, so that HTTP/2 and TLS to endpoints change
//! nothing outside of it.

use std::error::Error as _;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::message::Body;
use crate::message::body::BodyError;

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
}

impl SendError {
    /// True if the endpoint closed the connection without a word: on a reused one that is the usual race between its idle
    /// timer and our request.
    pub fn is_closed(&self) -> bool {
        match self {
            SendError::Unsent(_) => true,
            SendError::Body(_) => false,
            SendError::Broken(error) => error.is_incomplete_message() || error.is_closed(),
        }
    }
}

/// A connection that speaks HTTP/1.1. Dropped, it is closed at once, also in the middle of an answer: the endpoint learns
/// that nobody reads any more.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Body>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Opens one to `address` (host and port; a name is looked up).
    pub async fn open(address: &str, most: Duration) -> Result<Self, ConnectError> {
        let stream = match tokio::time::timeout(most, TcpStream::connect(address)).await {
            Ok(stream) => stream?,
            Err(_) => return Err(ConnectError::TimedOut(most)),
        };
        stream.set_nodelay(true)?;
        let mut builder = http1::Builder::new();
        builder.max_header_size(HEAD_BYTES).max_headers(HEAD_FIELDS);
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(std::io::Error::other)?;
        // What goes wrong is told to whoever waits for an answer.
        let driver = tokio::task::spawn_local(async move { drop(connection.await) });
        Ok(Self { sender, driver })
    }

    /// Sends a request and waits for the response head.
    pub async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, SendError> {
        self.sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
            Some(request) => SendError::Unsent(Box::new(request)),
            None => broken(error.into_error()),
        })
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
        self.sender.ready().await.is_ok()
    }
}

/// hyper wraps what our own body says in an error of its own.
fn broken(error: hyper::Error) -> SendError {
    match error.source().and_then(|source| source.downcast_ref::<BodyError>()) {
        Some(of_client) => SendError::Body(of_client.clone()),
        None => SendError::Broken(error),
    }
}
