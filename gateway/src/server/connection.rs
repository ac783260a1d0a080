//! The life of one client connection: handshake, protocol, exchanges, end. One timer serves all its deadlines.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HeaderName};
use http::{HeaderValue, Method, Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::client_io::ClientIo;
use super::drain::LINGER;
use super::gate::{Admission, Gate};
use super::goodbye;
use super::guard::Guard;
use super::guard::http1::Scanner;
use super::protocol::{LocalExecutor, Protocol};
use super::worker::Worker;
use crate::observe::{Activity, Waits};
use crate::proxy::headers::Arrival;
use crate::proxy::{self, AnswerBody, Answered, Cause, Tunnel};
use crate::socket::Socket;
use crate::state::Entrance;
use crate::tls;

/// HTTP/2: streams at a time, and windows of a stream and of the connection, bytes.
const STREAMS: u32 = 100;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// HTTP/1: what hyper keeps of what a client sent or is to get, bytes; more where heads may be longer. It is hyper's own number.
const BUFFER: usize = 408 * 1024;

/// Serves one connection to its end.
pub(super) async fn serve(
    worker: Rc<Worker>,
    gate: Rc<Gate>,
    admission: Admission,
    stream: TcpStream,
    peer: SocketAddr,
) {
    // Without it the kernel would hold small answers back; a socket that refuses is closed already.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    // By this one for its TLS and protocols, whatever takes its place.
    let entrance = gate.entrance();
    let tls = entrance.tls.is_some();
    let activity = Activity::start();
    let stream = Socket::new(stream, &worker.outbox);
    let connection = Connection {
        worker,
        gate,
        admission,
        peer,
        tls,
        server_name: None,
        client: Box::default(),
        activity,
        asks_for_upgrade: Cell::default(),
        tunnel: Cell::default(),
    };
    match &entrance.tls {
        None => connection.plain(&entrance, stream).await,
        Some(tls) => connection.over_tls(&entrance, tls, stream).await,
    }
}

/// What is known of a connection; its exchanges share it.
struct Connection {
    worker: Rc<Worker>,
    gate: Rc<Gate>,
    admission: Admission,
    peer: SocketAddr,
    tls: bool,
    /// What the client asked for in the TLS handshake, in lower case.
    server_name: Option<Arc<str>>,
    /// What the client's certificate says of it.
    client: Box<[(HeaderName, HeaderValue)]>,
    activity: Rc<Activity>,
    /// A request over HTTP/1.1 asked for another protocol: hyper leaves the stream open, whatever the answer was.
    asks_for_upgrade: Cell<bool>,
    /// What comes after HTTP/1.1.
    tunnel: Cell<Option<Box<Tunnel>>>,
}

/// How a connection ended.
enum End {
    /// By itself.
    Closed,
    /// A request head did not come in time.
    HeadStalled(Duration),
    /// A request head was none, and all before it is answered.
    HeadRefused,
    /// Nothing came, or nobody read.
    Idle,
}

impl Connection {
    async fn plain(self, entrance: &Entrance, stream: Socket) {
        let mut io = ClientIo::new(stream, self.activity.clone());
        let is_h2 = match (entrance.settings.http1, entrance.settings.h2) {
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
        self.http(io, is_h2).await;
    }

    async fn over_tls(mut self, entrance: &Entrance, tls: &tls::Server, stream: Socket) {
        let limit = self.worker.plan().config.timeouts.handshake;
        let acceptor = TlsAcceptor::from(tls.config().clone());
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
        match tls.client_fields(session) {
            Ok(fields) => self.client = fields.into(),
            Err(error) => {
                tracing::debug!(target: "sluice", peer = %self.peer, reason = %error, "session not resumed");
                return;
            }
        }
        let is_h2 = session.alpn_protocol() == Some(b"h2");
        // Otherwise a client without ALPN at a listener that speaks HTTP/2 only.
        if is_h2 || entrance.settings.http1 {
            let io = ClientIo::new(Box::new(stream), self.activity.clone());
            self.http(io, is_h2).await;
        }
    }

    /// What a connection begins with, for `limit` at most; one that is to end does not wait that long.
    async fn before_requests<T>(&self, limit: Duration, beginning: impl Future<Output = T>) -> Option<T> {
        let over = async {
            self.admission.over().await;
            tokio::time::sleep(self.worker.linger()).await;
        };
        tokio::select! {
            begun = tokio::time::timeout(limit, beginning) => begun.ok(),
            () = over => None,
        }
    }

    async fn http<S: AsyncRead + AsyncWrite + Unpin + 'static>(self, io: ClientIo<S>, is_h2: bool) {
        let connection = Rc::new(self);
        // Boxed, so that the many others are not as large as the few of HTTP/2.
        if is_h2 { Box::pin(connection.http2(io)).await } else { connection.http1(io).await }
    }

    async fn http1<S: AsyncRead + AsyncWrite + Unpin + 'static>(self: Rc<Self>, io: ClientIo<S>) {
        let (limits, head) = {
            let config = &self.worker.plan().config;
            (config.limits.clone(), Some(config.timeouts.request_header))
        };
        let mut builder = http1::Builder::new();
        // The guard keeps to the limits, and comes before these: they count empty lines before heads, and hold for trailers too.
        let most = limits.header_bytes.max(limits.trailers) + 64;
        builder.max_header_size(most).max_headers(limits.headers).max_buf_size(most.max(BUFFER)).half_close(false);
        // The connection's own timer knows the difference between an idle connection and a slow head.
        builder.timer(TokioTimer::new()).header_read_timeout(None);
        let io = io.guarded(Guard::Http1(Scanner::new(&limits)));
        let mut connection = builder.serve_connection(io, self.service());
        let end = self.drive(Pin::new(&mut connection), head).await;
        let parts = match end {
            End::HeadStalled(_) | End::HeadRefused => connection.into_parts(),
            End::Closed if self.asks_for_upgrade.get() => {
                let parts = connection.into_parts();
                return Box::pin(self.after_http1(parts.io, parts.read_buf)).await;
            }
            End::Closed | End::Idle => return,
        };
        let cause = match end {
            End::HeadStalled(limit) => Some(Cause::HeadStalled(limit)),
            _ => parts.io.refused_head().map(Cause::Refused),
        };
        if let Some(cause) = cause {
            let peer = self.peer.ip().to_canonical();
            goodbye::say(parts.io, proxy::refuse(cause, peer, &self.worker.state(), self.activity.begin())).await;
        }
    }

    /// The stream is somebody else's now; or it is left to be closed, since there was no change of protocol after all.
    async fn after_http1<S: AsyncRead + AsyncWrite + Unpin>(&self, mut io: ClientIo<S>, ahead: Bytes) {
        let Some(tunnel) = self.tunnel.take() else {
            let closed = poll_fn(|context| hyper::rt::Write::poll_shutdown(Pin::new(&mut io), context));
            // It may be closed already.
            let _ = closed.await;
            return;
        };
        let (stream, behind) = io.into_inner();
        let mut ahead = BytesMut::from(ahead);
        ahead.extend_from_slice(&behind);
        let end = async {
            self.admission.over().await;
            tokio::time::sleep(self.worker.plan().config.timeouts.drain_streams).await;
        };
        if tunnel.run(stream, ahead.freeze(), end).await {
            self.worker.cuts_off();
        }
    }

    async fn http2<S: AsyncRead + AsyncWrite + Unpin + 'static>(self: Rc<Self>, io: ClientIo<S>) {
        let header_bytes = self.worker.plan().config.limits.header_bytes;
        let mut builder = http2::Builder::new(LocalExecutor);
        builder
            .timer(TokioTimer::new())
            .enable_connect_protocol()
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX));
        let connection = pin!(builder.serve_connection(io, self.service()));
        // Frames come between heads as well, so that bytes do not tell when one begins.
        self.drive(connection, None).await;
    }

    fn service(
        self: &Rc<Self>,
    ) -> impl Service<Request<Incoming>, Response = Response<AnswerBody>, Error = Infallible> + use<> {
        let connection = self.clone();
        service_fn(move |mut request: Request<Incoming>| {
            let busy = connection.activity.begin();
            let connection = connection.clone();
            async move {
                let version = request.version();
                let upgrade = connection.upgrade(&mut request);
                // Of this moment, both: they may have changed since the connection began.
                let (entrance, state) = (connection.gate.entrance(), connection.worker.state());
                let arrival = Arrival {
                    peer: connection.peer,
                    tls: connection.tls,
                    server_name: connection.server_name.as_ref(),
                    client: &connection.client,
                    entrance: &entrance,
                };
                let Answered { mut response, tunnel } = proxy::handle(request, arrival, state, busy).await;
                let is_last = connection.admission.is_over() || connection.activity.is_broken();
                match tunnel {
                    Some(tunnel) => connection.change(tunnel, upgrade),
                    None if version < Version::HTTP_2 && is_last => {
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    None => {}
                }
                Ok(response)
            }
        })
    }

    /// What gives the stream of a request that asks for another protocol: of HTTP/2 its own, of HTTP/1.1 the connection's,
    /// which is to be had at its end.
    fn upgrade(&self, request: &mut Request<Incoming>) -> Option<OnUpgrade> {
        if request.extensions().is_empty() {
            return None;
        }
        if *request.method() == Method::CONNECT && request.version() == Version::HTTP_2 {
            return Some(hyper::upgrade::on(request));
        }
        self.asks_for_upgrade.set(true);
        None
    }

    /// The protocol changes with the answer that goes out now.
    fn change(&self, tunnel: Box<Tunnel>, upgrade: Option<OnUpgrade>) {
        let Some(upgrade) = upgrade else {
            self.tunnel.set(Some(tunnel));
            return;
        };
        tokio::task::spawn_local(async move {
            // It ends with its connection, which knows when that has to be.
            if let Ok(stream) = upgrade.await {
                tunnel.run(TokioIo::new(stream), Bytes::new(), pending()).await;
            }
        });
    }

    /// Lets hyper work until the connection ends, a deadline passes, or it is to end and nothing is left to do.
    async fn drive<P: Protocol>(&self, mut protocol: Pin<&mut P>, head: Option<Duration>) -> End {
        // Of when it began, and no more of the plan than that: connections outlive many.
        let timeouts = self.worker.plan().config.timeouts.clone();
        // What a connection waits for changes without a word to the timer: it looks at least this often.
        let look = timeouts.request_header.min(timeouts.stream_idle);
        let mut timer = pin!(tokio::time::sleep(look.min(timeouts.client_idle)));
        let mut idle = timeouts.client_idle;
        let (mut draining, mut closing): (Option<Drain>, _) = (None, false);
        loop {
            tokio::select! {
                biased;
                ended = protocol.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(target: "sluice", peer = %self.peer, reason = %error, "connection ended");
                    }
                    return End::Closed;
                }
                () = poll_fn(|_| if self.activity.is_over() { Poll::Ready(()) } else { Poll::Pending }) => {
                    return End::HeadRefused;
                }
                () = timer.as_mut() => {}
                () = self.admission.over(), if draining.is_none() => {
                    draining = Some(Drain::begin(&self.worker));
                    idle = idle.min(self.worker.linger());
                    self.activity.touch();
                    protocol.as_mut().drain();
                }
            }
            let now = Instant::now();
            // A client that is to go and keeps exchanges open is not waited for any longer than the end of the gateway would be.
            let cut_off = draining.as_ref().map(|drain| drain.until(&self.activity));
            if cut_off.is_some_and(|cut_off| cut_off <= now) {
                self.worker.cuts_off();
                return End::Idle;
            }
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
            timer.as_mut().reset(cut_off.map_or(next, |cut_off| next.min(cut_off)).into());
        }
    }
}

/// Until when a connection that is to end may go on.
struct Drain {
    exchanges: Instant,
    streams: Instant,
}

impl Drain {
    fn begin(worker: &Worker) -> Self {
        let (now, timeouts) = (Instant::now(), &worker.plan().config.timeouts);
        Self { exchanges: now + timeouts.drain, streams: now + timeouts.drain_streams }
    }

    fn until(&self, activity: &Activity) -> Instant {
        if activity.is_streaming() { self.streams } else { self.exchanges }
    }
}
