//! A connection that speaks HTTP/2: many exchanges of this worker at a time. It has a task, since it is nobody's own; the task ends
//! when the endpoint closes it, or when nobody needs it any more and its last stream is over.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;
use super::wait::Wait;
use super::{ConnectError, HEAD_BYTES, HEAD_FIELDS, SendError};
use crate::message::{Body, Patience};

/// Exchanges at a time over one connection, if the endpoint does not want fewer.
const PLACES: usize = 100;
/// What an endpoint may send ahead in one stream, bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for all streams: as much as for each of them, so that clients that do not read hold up nobody else.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * PLACES as u32;
/// What is kept of a request's body while the endpoint does not take it, bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// Lets hyper spawn on this worker.
#[derive(Debug, Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// A connection.
#[derive(Debug)]
pub(in crate::upstream) struct Http2 {
    sender: RefCell<http2::SendRequest<Body>>,
    line: Rc<Line>,
    /// Exchanges that are on it.
    taken: Cell<usize>,
    /// It takes no new ones.
    retired: Cell<bool>,
    /// Since when there are none on it.
    idle_since: Cell<Instant>,
}

/// What the task has of it: not the sender, or it would never end.
#[derive(Debug)]
struct Line {
    /// None once it has ended: whoever still waits for it learns that when it is dropped.
    driver: RefCell<Option<http2::Connection<TokioIo<Heard>, Body, LocalExecutor>>>,
    heard: Rc<News>,
}

/// What comes from the endpoint.
#[derive(Debug, Default)]
struct News {
    /// How often something was read.
    count: Cell<u64>,
    /// Whoever waits for the first.
    first: RefCell<Option<Waker>>,
    /// Why nothing comes any more: hyper keeps that to itself.
    failed: RefCell<Option<io::Error>>,
}

/// A place for one exchange; dropped before its answer has ended, its stream is reset.
#[derive(Debug)]
pub(in crate::upstream) struct Place {
    connection: Rc<Http2>,
    patience: Patience,
}

impl Http2 {
    /// The first thing that is said over `stream`, and the endpoint's answer to it: how many exchanges it takes at a time is known
    /// from then on, and that it speaks HTTP/2 at all.
    pub(super) async fn begin(stream: Stream) -> Result<Rc<Self>, ConnectError> {
        let heard = Rc::<News>::default();
        let io = TokioIo::new(Heard { stream, news: heard.clone() });
        let mut builder = http2::Builder::new(LocalExecutor);
        builder
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(HEAD_BYTES as u32);
        let (sender, driver) = builder.handshake(io).await.map_err(io::Error::other)?;
        let line = Rc::new(Line { driver: RefCell::new(Some(driver)), heard });
        let task = line.clone();
        tokio::task::spawn_local(async move {
            // What goes wrong is told to whoever waits for an answer or a body.
            poll_fn(|context| match &mut *task.driver.borrow_mut() {
                Some(driver) => Pin::new(driver).poll(context).map(drop),
                None => Poll::Ready(()),
            })
            .await;
            drop(task.driver.take());
            task.heard.wake();
        });
        poll_fn(|context| line.heard.poll_first(sender.is_closed(), context)).await?;
        let (taken, retired, idle_since) = (Cell::new(0), Cell::new(false), Cell::new(Instant::now()));
        Ok(Rc::new(Self { sender: RefCell::new(sender), line, taken, retired, idle_since }))
    }

    /// A place on it, if there is one.
    pub(in crate::upstream) fn enter(self: &Rc<Self>) -> Option<Place> {
        // Only its own task changes it, which calls nobody who asks.
        let theirs = self.line.driver.try_borrow().ok()?.as_ref()?.current_max_send_streams();
        if self.is_over() || self.taken.get() >= theirs.min(PLACES) {
            return None;
        }
        self.taken.set(self.taken.get() + 1);
        Some(Place { connection: self.clone(), patience: Patience::default() })
    }

    /// True if it takes no new exchanges.
    pub(in crate::upstream) fn is_over(&self) -> bool {
        self.retired.get() || self.sender.borrow().is_closed()
    }

    /// How long there has been none on it.
    pub(in crate::upstream) fn idle(&self, now: Instant) -> Option<Duration> {
        (self.taken.get() == 0).then(|| now.saturating_duration_since(self.idle_since.get()))
    }
}

impl Place {
    /// The connection that it is on.
    pub(in crate::upstream) fn connection(&self) -> &Rc<Http2> {
        &self.connection
    }

    /// Sends a request and waits for the response head, for so long as [`Wait`] says.
    pub(super) fn send(
        &mut self,
        request: Request<Body>,
        limits: (Instant, Duration),
        seen: Option<&Cell<u64>>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> + Unpin {
        let Self { connection, patience } = self;
        let heard = connection.line.heard.count.get();
        let mut answer = Box::pin(connection.sender.borrow_mut().try_send_request(request));
        let mut wait = Wait::new(limits, seen);
        poll_fn(move |context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(answer.map_err(SendError::from_hyper).and_then(check));
            }
            let over = ready!(wait.poll(patience, context));
            // Nothing at all has come all the while: whoever comes next is not to wait for the dead.
            if connection.line.heard.count.get() == heard {
                connection.retired.set(true);
            }
            Poll::Ready(Err(over))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.connection.taken.get().saturating_sub(1);
        self.connection.taken.set(left);
        if left == 0 {
            self.connection.idle_since.set(Instant::now());
        }
    }
}

/// Bytes of a head are hyper's to bound.
fn check(response: Response<Incoming>) -> Result<Response<Incoming>, SendError> {
    let fits = response.headers().len() <= HEAD_FIELDS;
    if fits { Ok(response) } else { Err(SendError::TooManyFields(HEAD_FIELDS)) }
}

impl News {
    /// Waits for the first, unless the connection is over.
    fn poll_first(&self, is_over: bool, context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(ConnectError::from_tls(error)));
        }
        if is_over {
            return Poll::Ready(Err(ConnectError::NotH2));
        }
        if self.count.get() > 0 {
            return Poll::Ready(Ok(()));
        }
        *self.first.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }

    fn wake(&self) {
        if let Some(waiting) = self.first.take() {
            waiting.wake();
        }
    }
}

/// The same error once more, as far as it tells of TLS.
fn copy(error: &io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(of_tls) => io::Error::new(error.kind(), of_tls.clone()),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// The byte stream, counting what comes.
#[derive(Debug)]
struct Heard {
    stream: Stream,
    news: Rc<News>,
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Err(error) = ready!(Pin::new(&mut self.stream).poll_read(context, buffer)) {
            *self.news.failed.borrow_mut() = Some(copy(&error));
            return Poll::Ready(Err(error));
        }
        // The end is no news.
        if buffer.filled().len() > before {
            self.news.count.set(self.news.count.get() + 1);
            self.news.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
