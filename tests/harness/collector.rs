//! A collector of traces: takes what is sent to it in OTLP, as its project's own messages say, and holds it against the rules
//! that every trace keeps. It can refuse, stall, and be late.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::eventually;
use super::speaks::{Opened, Speaks};

/// A collector.
pub struct Collector {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: AbortHandle,
}

#[derive(Default)]
struct State {
    spans: Vec<Span>,
    /// Head and target of each request, whatever came of it.
    requests: Vec<(String, HeaderMap)>,
    /// Of the service, as it last was.
    resource: BTreeMap<String, String>,
    answers: Answers,
}

/// What a collector says.
#[derive(Default, Clone)]
pub enum Answers {
    /// It takes everything.
    #[default]
    Takes,
    /// It takes all but so many spans.
    TakesAllBut(i64),
    /// That status, perhaps with `Retry-After`.
    Says(u16, Option<&'static str>),
    /// Nothing at all.
    Stalls,
}

/// A span, with attributes as texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub kind: SpanKind,
    pub state: String,
    pub flags: u32,
    pub began: u64,
    pub ended: u64,
    pub is_error: bool,
    pub attributes: BTreeMap<String, String>,
}

impl Span {
    /// An attribute; empty if it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// An exchange as it was told.
#[derive(Debug, Clone)]
pub struct Trace {
    pub exchange: Span,
    /// What stands below it, in the order of time.
    pub below: Vec<Span>,
}

impl Trace {
    /// Its attempts.
    pub fn attempts(&self) -> Vec<&Span> {
        self.below.iter().filter(|span| span.kind == SpanKind::Client).collect()
    }
}

impl Collector {
    pub async fn start() -> Self {
        Self::start_as(Speaks::Http1).await
    }

    /// One that speaks something else.
    pub async fn start_as(speaks: Speaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let server = tokio::spawn(serve(listener, speaks, state.clone())).abort_handle();
        Self { address, state, server }
    }

    /// The lines of `[traces]` that send everything there.
    pub fn table(&self, lines: &str) -> String {
        let sample = if lines.contains("sample") { "" } else { "sample = \"100%\"\n" };
        let interval = if lines.contains("interval") { "" } else { "interval = \"10ms\"\n" };
        format!("[traces]\nendpoint = \"http://{}\"\n{sample}{interval}{lines}\n", self.address)
    }

    /// From now on it says that.
    pub fn says(&self, answers: Answers) {
        self.state.lock().unwrap().answers = answers;
    }

    /// All that it has taken.
    pub fn spans(&self) -> Vec<Span> {
        self.state.lock().unwrap().spans.clone()
    }

    /// How often it was asked.
    pub fn requests(&self) -> Vec<(String, HeaderMap)> {
        self.state.lock().unwrap().requests.clone()
    }

    /// What was last said of the service.
    pub fn resource(&self) -> BTreeMap<String, String> {
        self.state.lock().unwrap().resource.clone()
    }

    /// The exchange with that path, once it is there, held against the rules.
    pub async fn trace(&self, path: &str) -> Trace {
        let is_it = |span: &&Span| span.kind == SpanKind::Server && span.get("url.path") == path;
        let what = format!("the trace of {path}");
        let exchange = eventually(&what, async || self.spans().iter().find(is_it).cloned()).await;
        let mut below: Vec<Span> = self.spans();
        below.retain(|span| span.parent == exchange.id);
        below.sort_by_key(|span| span.began);
        for span in &below {
            assert_eq!(span.trace, exchange.trace, "{span:?}");
            assert!(
                exchange.began <= span.began && span.ended <= exchange.ended,
                "{span:?} is not within {exchange:?}"
            );
        }
        Trace { exchange, below }
    }

    /// Waits until it has told of so many exchanges.
    pub async fn exchanges(&self, count: usize) -> Vec<Span> {
        let exchanges = || self.spans().into_iter().filter(|span| span.kind == SpanKind::Server).collect::<Vec<_>>();
        eventually(&format!("{count} exchanges"), async || Some(exchanges()).filter(|found| found.len() >= count)).await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, speaks: Speaks, state: Arc<Mutex<State>>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (speaks, state) = (speaks.clone(), state.clone());
        connections.spawn(async move {
            let Some(Opened { stream, .. }) = speaks.open(stream).await else { return };
            let service = service_fn(move |request| answer(state.clone(), request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(
        (head.method.as_str(), &head.headers["content-type"]),
        ("POST", &"application/x-protobuf".parse().unwrap())
    );
    let answers = {
        let mut state = state.lock().unwrap();
        state.requests.push((head.uri.to_string(), head.headers));
        state.answers.clone()
    };
    let mut response = Response::new(Full::default());
    response.headers_mut().insert("content-type", "application/x-protobuf".parse().unwrap());
    let rejected_spans = match answers {
        Answers::Takes => 0,
        Answers::TakesAllBut(count) => count,
        Answers::Says(status, later) => {
            *response.status_mut() = status.try_into().unwrap();
            response.headers_mut().extend(later.map(|later| (http::header::RETRY_AFTER, later.parse().unwrap())));
            return Ok(response);
        }
        Answers::Stalls => std::future::pending().await,
    };
    let partial_success = (rejected_spans > 0)
        .then(|| ExportTracePartialSuccess { rejected_spans, error_message: "too many\nof them".into() });
    *response.body_mut() = Full::new(ExportTraceServiceResponse { partial_success }.encode_to_vec().into());
    take(&mut state.lock().unwrap(), &body);
    Ok(response)
}

fn take(state: &mut State, body: &[u8]) {
    let request = ExportTraceServiceRequest::decode(body).expect("a request of OTLP");
    for of_resource in request.resource_spans {
        state.resource = texts(&of_resource.resource.expect("a resource").attributes);
        for of_scope in of_resource.scope_spans {
            let scope = of_scope.scope.expect("a scope");
            assert_eq!((scope.name.as_str(), scope.version.as_str()), ("sluice", env!("CARGO_PKG_VERSION")));
            state.spans.extend(of_scope.spans.iter().map(span));
        }
    }
    let ids: HashSet<&String> = state.spans.iter().map(|span| &span.id).collect();
    assert_eq!(ids.len(), state.spans.len(), "two spans have one name");
}

fn span(sent: &Sent) -> Span {
    assert!(sent.trace_id.len() == 16 && sent.span_id.len() == 8, "{sent:?}");
    assert!(sent.parent_span_id.is_empty() || sent.parent_span_id.len() == 8, "{sent:?}");
    assert!(sent.trace_id.iter().any(|byte| *byte > 0) && sent.span_id.iter().any(|byte| *byte > 0), "{sent:?}");
    assert!(
        sent.start_time_unix_nano > 1_700_000_000_000_000_000 && sent.start_time_unix_nano <= sent.end_time_unix_nano
    );
    let attributes = texts(&sent.attributes);
    assert_eq!(attributes.len(), sent.attributes.len(), "an attribute stands twice: {sent:?}");
    let is_error = sent.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
    assert_eq!(is_error, attributes.contains_key("error.type"), "{sent:?}");
    Span {
        trace: hex(&sent.trace_id),
        id: hex(&sent.span_id),
        parent: hex(&sent.parent_span_id),
        name: sent.name.clone(),
        kind: sent.kind(),
        state: sent.trace_state.clone(),
        flags: sent.flags,
        began: sent.start_time_unix_nano,
        ended: sent.end_time_unix_nano,
        is_error,
        attributes,
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("an attribute of another kind: {other:?}"),
    };
    let value = |attribute: &KeyValue| text(attribute.value.as_ref().unwrap().value.as_ref().unwrap());
    attributes.iter().map(|attribute| (attribute.key.clone(), value(attribute))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
