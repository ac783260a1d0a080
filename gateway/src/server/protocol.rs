//! HTTP/1.1 and HTTP/2 as hyper speaks them, so that one loop drives both.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use tokio::io::{AsyncRead, AsyncWrite};

use super::client_io::ClientIo;
use super::stream::{Bounds, Stream};
use crate::proxy::AnswerBody;

/// The two kinds of connection that hyper drives.
pub(super) trait Protocol: Future<Output = hyper::Result<()>> {
    /// It is to end: says so where that loses nothing.
    fn drain(self: Pin<&mut Self>);
    /// No more requests on this connection.
    fn shut_down(self: Pin<&mut Self>);
}

impl<S, V> Protocol for http1::Connection<ClientIo<S>, V>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    V: Service<Request<Incoming>, Response = Response<AnswerBody>, Error = Infallible>,
{
    // An idle connection gets a moment more, and the answer on it says `Connection: close`.
    fn drain(self: Pin<&mut Self>) {}

    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, V> Protocol for http2::Connection<ClientIo<S>, V, LocalExecutor>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    V: Service<Request<Incoming>, Response = Response<AnswerBody>, Error = Infallible>,
    V::Future: 'static,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }

    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Lets hyper spawn on this worker.
#[derive(Debug, Clone)]
pub(super) struct LocalExecutor(pub(super) Rc<Bounds>);

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        // Boxed, since the runtime moves a task's future about several times, and this one is large.
        tokio::task::spawn_local(Stream::new(Box::pin(future), self.0.clone()));
    }
}
