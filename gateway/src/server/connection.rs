//! The life of one client connection: handshake, protocol, exchanges, end.

mod beginning;
mod drive;
mod upgrade;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONNECTION, HeaderName};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use drive::End;

use super::client_io::ClientIo;
use super::drain::LINGER;
use super::gate::{Admission, Gate};
use super::goodbye;
use super::guard::http1::Scanner;
use super::guard::{Frames, Guard};
use super::protocol::LocalExecutor;
use super::stream::Bounds;
use super::worker::Worker;
use crate::message::Interims;
use crate::observe::{Activity, Arrived};
use crate::proxy::headers::Arrival;
use crate::proxy::{self, AnswerBody, Answered, Cause, Tunnel};
use crate::socket::{Meter, Socket};

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
    activity: Rc<Activity>,
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
    // A listener on all addresses does not say which of them the client came to; only some endpoints want to know.
    let is_wanted = || worker.plan().config.upstreams.iter().any(|upstream| upstream.send_proxy_protocol);
    let local = Some(entrance.address).filter(|address| !address.ip().is_unspecified() || !is_wanted());
    let local = local.or_else(|| stream.local_addr().ok()).unwrap_or(entrance.address);
    let stream = Socket::new(stream, &worker.outbox);
    let meter = stream.meter();
    let connection = Connection {
        worker,
        gate,
        admission,
        peer,
        local,
        tls,
        server_name: None,
        client: Box::default(),
        activity,
        interims: Interims::new(true),
        meter,
        asks_for_upgrade: Cell::default(),
        tunnel: Cell::default(),
        arrived: entrance.arrivals.enter(),
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
    local: SocketAddr,
    tls: bool,
    /// What the client asked for in the TLS handshake, in lower case.
    server_name: Option<Arc<str>>,
    /// What the client's certificate says of it.
    client: Box<[(HeaderName, HeaderValue)]>,
    activity: Rc<Activity>,
    /// What endpoints say before their answers.
    interims: Arc<Interims>,
    /// A request over HTTP/1.1 asked for another protocol: hyper leaves the stream open, whatever the answer was.
    asks_for_upgrade: Cell<bool>,
    /// What comes after HTTP/1.1.
    tunnel: Cell<Option<Box<Tunnel>>>,
    meter: Meter,
    /// Counts for its listener.
    arrived: Arrived,
}

impl Connection {
    /// True once the next answer is to be the last.
    fn is_to_end(&self) -> bool {
        self.admission.is_over() || self.activity.is_asked_to_leave() || self.activity.is_broken()
    }

    /// Ready once others need its place.
    fn asked_to_leave(&self) -> impl Future<Output = ()> {
        poll_fn(|context| self.activity.poll_asked_to_leave(context))
    }

    async fn http<S: AsyncRead + AsyncWrite + Unpin + 'static>(self, io: ClientIo<S>, is_h2: bool) {
        self.arrived.speaks(is_h2);
        let connection = Rc::new(self);
        // Boxed, so that the many others are not as large as the few of HTTP/2.
        if is_h2 {
            Box::pin(connection.clone().http2(io)).await
        } else {
            connection.clone().http1(io).await
        }
        if let Some(why) = connection.activity.is_cut() {
            connection.worker.total.cut(why);
            tracing::debug!(target: "sluice", peer = %connection.peer, reason = %why, "cut off");
        }
    }

    async fn http1<S: AsyncRead + AsyncWrite + Unpin + 'static>(self: Rc<Self>, io: ClientIo<S>) {
        let limits = self.worker.plan().config.limits.clone();
        let mut builder = http1::Builder::new();
        // The guard keeps to the limits, and comes before these: they count empty lines before heads, and hold for trailers too.
        let most = limits.header_bytes.max(limits.trailers) + 64;
        builder.max_header_size(most).max_headers(limits.headers).max_buf_size(most.max(BUFFER)).half_close(false);
        // The connection's own timer knows the difference between an idle connection and a slow head.
        builder.timer(TokioTimer::new()).header_read_timeout(None);
        let io = io.guarded(Guard::Http1(Scanner::new(&limits)));
        let mut connection = builder.serve_connection(io, self.service());
        let end = self.drive(Pin::new(&mut connection), false).await;
        let parts = match end {
            End::HeadStalled(_) | End::HeadRefused => connection.into_parts(),
            End::Closed if self.asks_for_upgrade.get() => {
                let parts = connection.into_parts();
                return Box::pin(self.after_http1(parts.io, parts.read_buf)).await;
            }
            End::Closed | End::Idle | End::Cut => return,
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

    async fn http2<S: AsyncRead + AsyncWrite + Unpin + 'static>(self: Rc<Self>, io: ClientIo<S>) {
        let plan = self.worker.plan();
        let (limits, timeouts) = (&plan.config.limits, &plan.config.timeouts);
        let io = io.guarded(Guard::Http2(Box::new(Frames::new(limits.resets, Instant::now()))));
        let bounds = Bounds {
            activity: self.activity.clone(),
            connections: self.worker.total.clone(),
            stall: timeouts.send_stall,
            least: limits.minimum_rate,
        };
        let (header_bytes, resets) = (limits.header_bytes, limits.resets as usize);
        // No connection keeps a plan.
        drop(plan);
        let mut builder = http2::Builder::new(LocalExecutor(Rc::new(bounds)));
        builder
            .timer(TokioTimer::new())
            .enable_connect_protocol()
            .max_concurrent_streams(STREAMS)
            // The guard counts them too, and comes first.
            .max_pending_accept_reset_streams(resets)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            // Of what is larger than that, hyper tells nobody: it is refused with a record before.
            .max_header_list_size(u32::try_from(header_bytes.saturating_mul(2)).unwrap_or(u32::MAX));
        let mut connection = pin!(builder.serve_connection(io, self.service()));
        if let End::HeadStalled(_) = self.drive(connection.as_mut(), true).await {
            // Lets it hear of that, and says goodbye for it.
            let _ = tokio::time::timeout(2 * LINGER, connection).await;
        }
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
                    local: connection.local,
                    tls: connection.tls,
                    server_name: connection.server_name.as_ref(),
                    client: &connection.client,
                    entrance: &entrance,
                    interims: Some(&connection.interims).filter(|_| version < Version::HTTP_2),
                };
                let Answered { mut response, tunnel } = proxy::handle(request, arrival, state, busy).await;
                // Of a body that was too slow the rest is still to come (RFC 9110 §15.5.9).
                let is_last = connection.is_to_end() || response.status() == StatusCode::REQUEST_TIMEOUT;
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
}
