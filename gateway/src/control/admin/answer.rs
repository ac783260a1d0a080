//! What operators get: text, JSON, or a stream of events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::{Either, Full};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;

/// A body: whole, or as it comes.
pub(super) type Body = Either<Full<Bytes>, Stream>;

/// What comes as it happens, until whoever sends it goes.
#[derive(Debug)]
pub(super) struct Stream(mpsc::Receiver<Bytes>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// What is wrong, in JSON.
#[derive(Serialize, JsonSchema)]
pub(super) struct Wrong {
    /// In words.
    error: String,
}

/// A text for people and probes.
pub(super) fn said(status: StatusCode, text: &str) -> Response<Body> {
    whole(status, "text/plain; charset=utf-8", format!("{status}: {text}\n"))
}

/// A text of that type.
pub(super) fn whole(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    with(status, content_type, Either::Left(Full::new(text.into())))
}

/// A value in JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // What is told here consists of texts and numbers, which JSON has.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    whole(status, "application/json", text + "\n")
}

/// What is wrong, in JSON.
pub(super) fn wrong(status: StatusCode, error: &str) -> Response<Body> {
    json(status, &Wrong { error: error.to_owned() })
}

/// Another method would do; for probes and scrapers in words.
pub(super) fn not_allowed(mut answer: Response<Body>, allowed: &'static str) -> Response<Body> {
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// Server-sent events, as they come.
pub(super) fn events(receiver: mpsc::Receiver<Bytes>) -> Response<Body> {
    with(StatusCode::OK, "text/event-stream", Either::Right(Stream(receiver)))
}

fn with(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let fields = answer.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
