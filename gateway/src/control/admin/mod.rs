//! Where operators come in: a listener of their own, served by the control thread, so that whoever asks there takes nothing from
//! the workers. `GET /metrics` tells all figures, `api` tells and orders the rest, `dashboard` shows it to people, `/healthz` and
//! `/readyz` are for probes.

mod access;
mod answer;
mod api;
mod arrivals;
mod dashboard;
mod declared;
mod discovered;
mod follow;
mod format;
mod lines;
mod members;
mod openapi;
mod page;
mod reports;
mod traces;
mod trend;
mod uses;
mod view;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::figures::Figures;
use super::orders::Order;
use crate::observe::panics::survived;
use crate::state::Change;
use answer::{Body, not_allowed, said, whole};
use api::Operation;
use format::Format;
use page::Page;
use trend::Trend;

/// Connections at a time; others wait to be accepted.
const CONNECTIONS: usize = 16;
/// For the TLS handshake, and for the request head.
const HEAD: Duration = Duration::from_secs(5);
/// For the answer to go out, once it is there.
const ANSWER: Duration = Duration::from_secs(10);
/// Bytes of a request head.
const HEAD_BYTES: usize = 16 * 1024;
/// Pause when the system is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What answers are made from.
#[derive(Debug)]
pub(super) struct Desk {
    figures: Arc<Figures>,
    /// To the thread's own loop.
    orders: mpsc::Sender<Order>,
    workers: Vec<mpsc::Sender<Change>>,
    /// The configuration, as it was named.
    file: PathBuf,
    /// Where it listens, as configured.
    address: SocketAddr,
    registry: Registry,
    operations: Vec<Operation>,
    /// Who may follow events, beside the connections that ask and go.
    followers: Arc<Semaphore>,
    trend: Trend,
}

/// What became of a request on its connection.
enum Answered {
    /// The answer is whole.
    Whole,
    /// It streams, until that is dropped; the connection counts among the followers.
    Streams(oneshot::Receiver<Infallible>, OwnedSemaphorePermit),
}

impl Desk {
    pub(super) fn new(
        figures: Arc<Figures>,
        (orders, workers): (mpsc::Sender<Order>, Vec<mpsc::Sender<Change>>),
        file: PathBuf,
        address: SocketAddr,
    ) -> Arc<Self> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Page(figures.clone())));
        let followers = Arc::new(Semaphore::new(follow::FOLLOWERS));
        let (operations, trend) = (api::operations(), Trend::default());
        Arc::new(Self { figures, orders, workers, file, address, registry, operations, followers, trend })
    }
}

/// Answers until the process ends.
pub(super) async fn serve(socket: TcpListener, desk: Arc<Desk>) {
    let socket = match tokio::net::TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(target: "sluice", admin = true, %error, "cannot listen");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let serve = async { while survived("admin", accept(&socket, &desk, &places)).await.is_none() {} };
    let follow = async { while survived("trend", desk.trend.follow(&desk.figures)).await.is_none() {} };
    tokio::join!(serve, follow);
}

async fn accept(socket: &tokio::net::TcpListener, desk: &Arc<Desk>, places: &Arc<Semaphore>) {
    // It is never closed.
    while let Ok(place) = places.clone().acquire_owned().await {
        match socket.accept().await {
            Ok((stream, _)) => {
                let desk = desk.clone();
                tokio::spawn(async move { connection(stream, desk, place).await });
            }
            Err(error) => {
                tracing::warn!(target: "sluice", admin = true, %error, "cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, desk: Arc<Desk>, place: OwnedSemaphorePermit) {
    let tls = desk.figures.serving().operators.as_ref().and_then(|operators| operators.tls.clone());
    let Some(tls) = tls else { return exchange(stream, desk, place).await };
    let acceptor = TlsAcceptor::from(tls.config().clone());
    // One that is too slow or makes no sense is the other side's business.
    let Ok(Ok(stream)) = timeout(HEAD, acceptor.accept(stream)).await else { return };
    // A session that began with a certificate that is not good any more.
    if tls.client_fields(stream.get_ref().1).is_ok() {
        exchange(stream, desk, place).await;
    }
}

/// One request. Its head has to come soon, and its answer has to go out soon once it is there; what is ordered takes its time.
async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, desk: Arc<Desk>, place: OwnedSemaphorePermit) {
    let (told, answered) = oneshot::channel();
    let told = Mutex::new(Some(told));
    let service = service_fn(|request: Request<Incoming>| {
        let desk = desk.clone();
        let told = &told;
        async move {
            let (parts, _) = request.into_parts();
            let (answer, how) = answer_to(&desk, &parts).await;
            if let Some(told) = told.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // It waits as long as the connection is there.
                let _ = told.send(how);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    builder.keep_alive(false).max_buf_size(HEAD_BYTES).timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let how = tokio::select! {
        // A connection that breaks is the other side's business.
        _ = connection.as_mut() => return,
        how = answered => how,
    };
    if let Ok(Answered::Streams(ended, _follower)) = how {
        drop(place);
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = ended => {}
        }
    }
    let _ = timeout(ANSWER, connection).await;
}

async fn answer_to(desk: &Arc<Desk>, parts: &http::request::Parts) -> (Response<Body>, Answered) {
    let (method, path) = (&parts.method, parts.uri.path());
    let whole = |answer| (answer, Answered::Whole);
    match path {
        "/healthz" => return whole(reading(method, || said(StatusCode::OK, "alive"))),
        "/readyz" => return whole(reading(method, || readiness(&desk.figures))),
        _ => {}
    }
    // None: it came in by a configuration that had operators, and stays closed to it.
    let Some(operators) = desk.figures.serving().operators.clone() else {
        return whole(said(StatusCode::FORBIDDEN, "nobody comes in here any more"));
    };
    let file = dashboard::file(path);
    if let Some(refused) = access::refusal(&operators, desk.address, parts, file.is_some()) {
        return whole(refused);
    }
    if let Some(file) = file {
        return whole(reading(method, || file.answer(&parts.headers)));
    }
    match path.strip_prefix(api::ROOT) {
        Some(path) => api::answer(desk, parts, path).await,
        None if path == "/metrics" => whole(reading(method, || metrics(&parts.headers, &desk.registry))),
        None => whole(said(StatusCode::NOT_FOUND, "there is /, /metrics, /healthz, /readyz, and /api/v1/openapi.json")),
    }
}

fn reading(method: &Method, answer: impl FnOnce() -> Response<Body>) -> Response<Body> {
    match *method {
        Method::GET | Method::HEAD => answer(),
        _ => not_allowed(said(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD"), "GET, HEAD"),
    }
}

/// An upstream without endpoints is no reason to send nobody here: the others serve.
fn readiness(figures: &Figures) -> Response<Body> {
    if !figures.is_ready() {
        return said(StatusCode::SERVICE_UNAVAILABLE, "draining");
    }
    match figures.discovery.standings().unknown().as_slice() {
        [] => said(StatusCode::OK, "serving"),
        // Whoever asks here need not prove who that is: no names.
        unknown => said(StatusCode::OK, &format!("serving; no endpoints known yet, upstreams: {}", unknown.len())),
    }
}

fn metrics(headers: &HeaderMap, registry: &Registry) -> Response<Body> {
    let mut text = String::new();
    // The collector writes to a text, which takes everything.
    if prometheus_client::encoding::text::encode(&mut text, registry).is_err() {
        return said(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be written");
    }
    let format = Format::wanted_by(headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()));
    whole(StatusCode::OK, format.content_type(), format.of(text))
}
