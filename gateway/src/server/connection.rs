//! The life of one client connection: handshake, protocol, exchanges, end. One timer serves all its deadlines.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::client_io::ClientIo;
use super::worker::{Endpoint, Worker};
use crate::observe::{Activity, Waits};
use crate::proxy::headers::Arrival;
use crate::proxy::{self, AnswerBody, Cause};

/// How long an idle connection is kept open for one more request when the worker drains: a request that is already on its
/// way to us is answered then, and not reset.
const LINGER: Duration = Duration::from_millis(500);

/// HTTP/2: streams at a time, and windows of a stream and of the connection, bytes.
const STREAMS: u32 = 100;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Serves one connection to its end.
pub(super) async fn serve(worker: Rc<Worker>, endpoint: Rc<Endpoint>, stream: TcpStream, peer: SocketAddr) {
    // Without it the kernel would hold small answers back; a socket that refuses is closed already.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let connection = Connection { worker, peer, server_name: None, endpoint, activity: Activity::start() };
    match connection.endpoint.tls.clone() {
        None => connection.plain(stream).await,
        Some(config) => connection.over_tls(TlsAcceptor::from(config), stream).await,
    }
}

struct Connection {
    worker: Rc<Worker>,
    endpoint: Rc<Endpoint>,
    peer: SocketAddr,
    server_name: Option<Arc<str>>,
    activity: Rc<Activity>,
}

/// How a connection ended.
enum End {
    /// By itself.
    Closed,
    /// A request head did not come in time.
    HeadStalled(Duration),
    /// Nothing came, or nobody read.
    Idle,
}

impl Connection {
    async fn plain(self, stream: TcpStream) {
        let mut io = ClientIo::new(stream, self.activity.clone());
        let is_h2 = match (self.endpoint.http1, self.endpoint.h2) {
            (true, false) => false,
            (false, _) => true,
            (true, true) => {
                let limit = self.worker.plan().config.timeouts.request_header;
                match self.before_requests(limit, io.begins_with_preface()).await {
                    Some(Ok(is_h2)) => is_h2,
                    _ => return,
                }
            }
        };
        if is_h2 { self.http2(io).await } else { self.http1(io).await }
    }

    async fn over_tls(mut self, acceptor: TlsAcceptor, stream: TcpStream) {
        let limit = self.worker.plan().config.timeouts.handshake;
        let stream = match self.before_requests(limit, acceptor.accept(stream)).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                tracing::debug!(target: "sluice", peer = %self.peer, reason = %error, "handshake failed");
                return;
            }
            None => {
                tracing::debug!(target: "sluice", peer = %self.peer, "handshake timed out");
                return;
            }
        };
        let session = stream.get_ref().1;
        self.server_name = session.server_name().map(Arc::from);
        let is_h2 = session.alpn_protocol() == Some(b"h2");
        let io = ClientIo::new(stream, self.activity.clone());
        match is_h2 {
            true => self.http2(io).await,
            false if self.endpoint.http1 => self.http1(io).await,
            // A client without ALPN at a listener that speaks HTTP/2 only.
            false => {}
        }
    }

    /// What a connection begins with, for `limit` at most; a worker that drains does not wait that long.
    async fn before_requests<T>(&self, limit: Duration, beginning: impl Future<Output = T>) -> Option<T> {
        let mut drain = self.worker.watch_drain();
        let drained = async {
            if drain.wait_for(|draining| *draining).await.is_err() {
                pending::<()>().await;
            }
            tokio::time::sleep(LINGER).await;
        };
        tokio::select! {
            begun = tokio::time::timeout(limit, beginning) => begun.ok(),
            () = drained => None,
        }
    }

    async fn http1<S: AsyncRead + AsyncWrite + Unpin + 'static>(self, io: ClientIo<S>) {
        let plan = self.worker.plan();
        let config = &plan.config;
        let mut builder = http1::Builder::new();
        builder.max_header_size(config.limits.header_bytes).max_headers(config.limits.headers).half_close(false);
        // The connection's own timer knows the difference between an idle connection and a slow head.
        builder.timer(TokioTimer::new()).header_read_timeout(None);
        let mut connection = builder.serve_connection(io, self.service());
        let head = Some(config.timeouts.request_header);
        let end = self.drive(Pin::new(&mut connection), head).await;
        if let End::HeadStalled(limit) = end {
            let stream = connection.into_parts().io;
            refuse(stream, limit).await;
        }
    }

    async fn http2<S: AsyncRead + AsyncWrite + Unpin + 'static>(self, io: ClientIo<S>) {
        let header_bytes = self.worker.plan().config.limits.header_bytes;
        let mut builder = http2::Builder::new(LocalExecutor);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX));
        let connection = pin!(builder.serve_connection(io, self.service()));
        // Frames come between heads as well, so that bytes do not tell when one begins.
        self.drive(connection, None).await;
    }

    fn service(&self) -> impl Service<Request<Incoming>, Response = Response<AnswerBody>, Error = Infallible> + use<> {
        let worker = self.worker.clone();
        let endpoint = self.endpoint.clone();
        let activity = self.activity.clone();
        let server_name = self.server_name.clone();
        let peer = self.peer;
        service_fn(move |request: Request<Incoming>| {
            let busy = activity.begin();
            let (worker, endpoint, server_name) = (worker.clone(), endpoint.clone(), server_name.clone());
            async move {
                let state = worker.state();
                let plan = state.plan.clone();
                let arrival = Arrival {
                    peer,
                    local: endpoint.address,
                    tls: endpoint.tls.is_some(),
                    server_name,
                    trusted: &plan.config.listeners[endpoint.index].trusted_proxies,
                };
                let version = request.version();
                let mut response = proxy::handle(request, arrival, state, busy).await;
                if worker.draining() && version < Version::HTTP_2 {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok(response)
            }
        })
    }

    /// Lets hyper work until the connection ends, a deadline passes, or the worker drains and nothing is left to do.
    async fn drive<P: Protocol>(&self, mut protocol: Pin<&mut P>, head: Option<Duration>) -> End {
        let plan = self.worker.plan();
        let timeouts = &plan.config.timeouts;
        let mut drain = self.worker.watch_drain();
        // What a connection waits for changes without a word to the timer: it looks at least this often.
        let look = timeouts.request_header.min(timeouts.stream_idle);
        let mut timer = pin!(tokio::time::sleep(look.min(timeouts.client_idle)));
        let mut idle = timeouts.client_idle;
        let (mut draining, mut closing) = (false, false);
        loop {
            let drained = async {
                if draining || drain.wait_for(|draining| *draining).await.is_err() {
                    pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                ended = protocol.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(target: "sluice", peer = %self.peer, reason = %error, "connection ended");
                    }
                    return End::Closed;
                }
                () = timer.as_mut() => {}
                () = drained => {
                    draining = true;
                    idle = idle.min(LINGER);
                    self.activity.touch();
                    protocol.as_mut().drain();
                }
            }
            let now = Instant::now();
            let next = match self.activity.waits(timeouts.stream_idle, head, idle) {
                Waits::Head(deadline) if deadline <= now => return End::HeadStalled(timeouts.request_header),
                Waits::Reader(deadline) if deadline <= now => return End::Idle,
                Waits::Request(deadline) if deadline <= now && closing => return End::Idle,
                Waits::Request(deadline) if deadline <= now => {
                    protocol.as_mut().shut_down();
                    // What is left is to say goodbye; a request that crosses it is still served.
                    closing = true;
                    idle = LINGER;
                    self.activity.touch();
                    now + LINGER
                }
                Waits::Reader(deadline) | Waits::Head(deadline) => deadline,
                Waits::Request(deadline) => deadline.min(now + look),
                Waits::Exchange => now + look.min(idle),
            };
            timer.as_mut().reset(next.into());
        }
    }
}

/// The two kinds of connection that hyper drives.
trait Protocol: Future<Output = hyper::Result<()>> {
    /// The worker takes no more: says so where that loses nothing.
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
#[derive(Debug, Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}

/// The answer to a head that never ended. hyper has not begun one, so it is written by hand.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut io: ClientIo<S>, limit: Duration) {
    let (status, headers, body) = Cause::HeadStalled(limit).answer();
    let mut text = format!("HTTP/1.1 {status}\r\nconnection: close\r\n").into_bytes();
    for (name, value) in &headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(&body);
    let stream = io.inner_mut();
    let goodbye = async {
        stream.write_all(&text).await?;
        stream.shutdown().await
    };
    // Whoever is that slow may not read either.
    let _ = tokio::time::timeout(LINGER, goodbye).await;
}
