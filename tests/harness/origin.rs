//! A real backend on a port of its own, of HTTP/1.1 unless a test says otherwise ([`Speaks`]). It answers with what it saw, as JSON; some paths ask for something
//! else (`/bytes/N`, `/status/N`, `/halves`, `/trailers`, `/slow`). It counts what it gets by the field `x-id`, can
//! hold requests until a test lets them go, and can die.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::speaks::{Opened, Speaks};
use super::within;

/// A chunk of the bodies that are made here.
pub const CHUNK: usize = 64 * 1024;

/// What a slow peer waits after each mebibyte.
pub const SLOWNESS: Duration = Duration::from_millis(2);

/// A real backend.
pub struct Origin {
    pub name: String,
    pub address: SocketAddr,
    state: Arc<State>,
    server: AbortHandle,
    /// Bound and not listening: the port stays refused.
    grave: Mutex<Option<TcpSocket>>,
}

struct State {
    name: String,
    /// How often each `x-id` came.
    ids: Mutex<HashMap<String, u64>>,
    requests: AtomicUsize,
    connections: AtomicUsize,
    /// TLS handshakes that resumed a session.
    resumed: AtomicUsize,
    /// Requests wait while this is true.
    hold: watch::Sender<bool>,
    /// Requests that have come and are not answered.
    in_hand: watch::Sender<usize>,
    /// Bodies of `/bytes/N` that are on their way.
    streaming: AtomicUsize,
    status: AtomicU16,
    /// Fields of every answer, `name: value`, joined by `|`.
    fields: Mutex<String>,
    /// Milliseconds.
    slowness: AtomicU64,
}

impl Origin {
    /// Starts one on a port of its own.
    pub async fn start(name: &str) -> Self {
        Self::start_as(name, Speaks::Http1).await
    }

    /// Starts one that speaks something else.
    pub async fn start_as(name: &str, speaks: Speaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            name: name.to_owned(),
            ids: Mutex::default(),
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            resumed: AtomicUsize::new(0),
            hold: watch::channel(false).0,
            in_hand: watch::channel(0).0,
            streaming: AtomicUsize::new(0),
            status: AtomicU16::new(200),
            fields: Mutex::default(),
            slowness: AtomicU64::new(0),
        });
        let server = tokio::spawn(serve(listener, speaks, state.clone())).abort_handle();
        Self { name: name.to_owned(), address, state, server, grave: Mutex::default() }
    }

    /// Starts several: `a`, `b`, `c` and so on.
    pub async fn several<const N: usize>() -> [Self; N] {
        let mut origins = Vec::new();
        for name in ('a'..='z').take(N) {
            origins.push(Self::start(&name.to_string()).await);
        }
        origins.try_into().unwrap_or_else(|_| unreachable!("as many as were started"))
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many TLS handshakes have resumed a session.
    pub fn resumed(&self) -> usize {
        self.state.resumed.load(Ordering::SeqCst)
    }

    /// How often each `x-id` came.
    pub fn ids(&self) -> HashMap<String, u64> {
        self.state.ids.lock().unwrap().clone()
    }

    /// From now on requests wait.
    pub fn hold(&self) {
        self.state.hold.send_replace(true);
    }

    /// Lets all go that wait, and those that come.
    pub fn release(&self) {
        self.state.hold.send_replace(false);
    }

    /// Requests that have come and are not answered.
    pub fn in_hand(&self) -> usize {
        *self.state.in_hand.borrow()
    }

    /// Bodies of `/bytes/N` that are on their way.
    pub fn streaming(&self) -> usize {
        self.state.streaming.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have come and are not answered.
    pub async fn holds(&self, count: usize) {
        let mut in_hand = self.state.in_hand.subscribe();
        let what = format!("{count} requests at {}", self.name);
        within(&what, in_hand.wait_for(|now| *now == count)).await.unwrap();
    }

    /// From now on answers have that status.
    pub fn answer(&self, status: u16) {
        self.state.status.store(status, Ordering::SeqCst);
    }

    /// From now on answers have these fields too: `name: value`, several joined by `|`.
    pub fn answers_with(&self, fields: &str) {
        *self.state.fields.lock().unwrap() = fields.to_owned();
    }

    /// From now on answers take that long.
    pub fn answers_after(&self, milliseconds: u64) {
        self.state.slowness.store(milliseconds, Ordering::SeqCst);
    }

    /// Dies: connections break, and the port refuses new ones.
    pub async fn die(&self) {
        self.server.abort();
        let grave = within("the port of a dead origin", async {
            loop {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                match socket.bind(self.address) {
                    Ok(()) => return socket,
                    // The task that listens ends a little later.
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        *self.grave.lock().unwrap() = Some(grave.await);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, speaks: Speaks, state: Arc<State>) {
    // Dropped with this task, and its connections with it.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        state.connections.fetch_add(1, Ordering::SeqCst);
        let (speaks, state) = (speaks.clone(), state.clone());
        connections.spawn(async move {
            let Some(Opened { stream, is_h2, resumed }) = speaks.open(stream).await else { return };
            state.resumed.fetch_add(usize::from(resumed), Ordering::SeqCst);
            let service = service_fn(move |request| answer(state.clone(), request));
            // A connection that breaks is the other side's business.
            if is_h2 {
                let mut http = http2::Builder::new(TokioExecutor::new());
                http.timer(TokioTimer::new());
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            } else {
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new());
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Counted down however the exchange ends.
struct InHand(Arc<State>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.in_hand.send_modify(|count| *count -= 1);
    }
}

/// The same for a body.
struct Streaming(Arc<State>);

impl Streaming {
    fn new(state: &Arc<State>) -> Self {
        state.streaming.fetch_add(1, Ordering::SeqCst);
        Self(state.clone())
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.streaming.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    state.requests.fetch_add(1, Ordering::SeqCst);
    state.in_hand.send_modify(|count| *count += 1);
    let in_hand = InHand(state.clone());
    let (head, mut body) = request.into_parts();
    if let Some(id) = head.headers.get("x-id") {
        let id = id.to_str().unwrap().to_owned();
        *state.ids.lock().unwrap().entry(id).or_default() += 1;
    }
    let path = head.uri.path().to_owned();
    let mut bytes = 0;
    let mut start = Vec::new();
    let mut trailers = json!({});
    while let Some(frame) = body.frame().await.transpose()? {
        match frame.into_data() {
            Ok(data) => {
                if path == "/slow" && (bytes + data.len()) >> 20 > bytes >> 20 {
                    tokio::time::sleep(SLOWNESS).await;
                }
                bytes += data.len();
                start.extend(data.iter().take(64_usize.saturating_sub(start.len())));
            }
            Err(frame) => trailers = fields(frame.trailers_ref().unwrap()),
        }
    }
    if path != "/halves" {
        // The sender lives as long as the state.
        state.hold.subscribe().wait_for(|hold| !hold).await.unwrap();
    }
    let slowness = state.slowness.load(Ordering::SeqCst);
    if slowness > 0 {
        tokio::time::sleep(Duration::from_millis(slowness)).await;
    }
    let seen = json!({
        "origin": state.name, "method": head.method.as_str(), "target": head.uri.to_string(), "fields": fields(&head.headers),
        "body_bytes": bytes, "body_start": String::from_utf8_lossy(&start), "trailers": trailers,
        "version": format!("{:?}", head.version),
    });
    let number = path.rsplit_once('/').and_then(|(_, number)| number.parse::<usize>().ok());
    let body = match path.split('/').nth(1) {
        Some("bytes") => made(number.unwrap_or(0), in_hand, Streaming::new(&state)),
        Some("halves") => halves(state.clone(), in_hand),
        Some("trailers") => with_trailers(),
        _ => Full::new(Bytes::from(seen.to_string())).boxed(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = match path.split('/').nth(1) {
        Some("status") => (number.unwrap_or(500) as u16).try_into().unwrap(),
        _ => state.status.load(Ordering::SeqCst).try_into().unwrap(),
    };
    response.headers_mut().insert("x-origin", state.name.parse().unwrap());
    if let Some(length) = number.filter(|_| path.starts_with("/bytes/")) {
        response.headers_mut().insert("content-length", length.into());
    }
    let wanted = head.headers.get("x-answer-with").map(|wanted| wanted.to_str().unwrap().to_owned());
    let always = state.fields.lock().unwrap().clone();
    for field in wanted.iter().chain([&always]).flat_map(|fields| fields.split('|')).filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once(": ").unwrap();
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        response.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    Ok(response)
}

/// Fields as a map of lists.
fn fields(headers: &http::HeaderMap) -> serde_json::Value {
    let values =
        |name| headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect::<Vec<_>>();
    headers.keys().map(|name| (name.to_string(), json!(values(name)))).collect::<serde_json::Map<_, _>>().into()
}

/// So many bytes, made as they are taken.
fn made(bytes: usize, in_hand: InHand, streaming: Streaming) -> BoxBody<Bytes, Infallible> {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        let chunk = Bytes::from(vec![b'x'; CHUNK]);
        let mut left = bytes;
        while left > 0 {
            let now = left.min(CHUNK);
            if sender.send_data(chunk.slice(..now)).await.is_err() {
                return;
            }
            left -= now;
        }
        drop(streaming);
    });
    counted(body, in_hand)
}

/// A little of unknown length, and a field behind it.
fn with_trailers() -> BoxBody<Bytes, Infallible> {
    let trailers = [(HeaderName::from_static("x-sum"), HeaderValue::from_static("7"))].into_iter().collect();
    let (mut sender, body) = Channel::new(2);
    tokio::spawn(async move {
        // The client may be gone by now.
        let _ = sender.send_data(Bytes::from("summed up")).await;
        let _ = sender.send_trailers(trailers).await;
    });
    body.boxed()
}

/// The first half at once, the second when the test lets it go.
fn halves(state: Arc<State>, in_hand: InHand) -> BoxBody<Bytes, Infallible> {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        let mut hold = state.hold.subscribe();
        let first = sender.send_data(Bytes::from("first half, ")).await;
        if first.is_ok() && hold.wait_for(|hold| !hold).await.is_ok() {
            // The client may be gone by now.
            let _ = sender.send_data(Bytes::from("second half")).await;
        }
    });
    counted(body, in_hand)
}

/// In hand until the body is dropped.
fn counted(body: Channel<Bytes, Infallible>, in_hand: InHand) -> BoxBody<Bytes, Infallible> {
    let keep = move |frame| {
        let _ = &in_hand;
        frame
    };
    body.map_frame(keep).boxed()
}
