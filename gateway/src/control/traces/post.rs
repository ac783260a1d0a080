//! One request after the other to a collector, over one connection as long as that lasts: OTLP over HTTP, in its binary form.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;

use crate::control::reach::{broken, reach};
use crate::state::Collector;
use crate::tls::ToEndpoints;
use crate::upstream::ConnectError;

/// Bytes of an answer's head, and of its body.
const HEAD_BYTES: usize = 64 * 1024;
const BODY_BYTES: usize = 64 * 1024;
/// Who asks.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("sluice/", env!("CARGO_PKG_VERSION")));
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// The collector has it, but for so many spans, for that reason.
    Taken {
        /// How many.
        refused: u32,
        /// Why.
        reason: String,
    },
    /// It will not have it.
    Refused(String),
    /// Perhaps later, if it says when.
    Later(Option<Duration>, String),
}

/// The way to a collector.
pub(super) struct Line {
    address: String,
    target: String,
    headers: HeaderMap,
    tls: Option<(Arc<ToEndpoints>, Arc<ClientConfig>)>,
    lookups: Handle,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Line {
    /// Not open yet.
    pub(super) fn new(collector: &Collector, lookups: Handle) -> Self {
        let mut headers = collector.headers.clone();
        headers.insert(CONTENT_TYPE, PROTOBUF);
        headers.entry(USER_AGENT).or_insert(AGENT);
        if let Ok(host) = HeaderValue::from_str(&collector.settings.authority) {
            headers.insert(HOST, host);
        }
        let tls = collector.tls.as_ref().map(|tls| (tls.clone(), tls.sessions()));
        let (address, target) = (collector.settings.address.clone(), collector.settings.target.clone());
        Self { address, target, headers, tls, lookups, open: None }
    }

    /// Sends a batch, within that time.
    pub(super) async fn post(&mut self, body: Bytes, within: Duration) -> Posted {
        match tokio::time::timeout(within, self.ask(body)).await {
            Ok(Ok(posted)) => posted,
            Ok(Err(reason)) => {
                self.open = None;
                Posted::Later(None, reason)
            }
            Err(_) => {
                self.open = None;
                Posted::Later(None, format!("no answer within {within:?}"))
            }
        }
    }

    async fn ask(&mut self, body: Bytes) -> Result<Posted, String> {
        let kept = self.open.take().filter(|open| !open.is_closed());
        let (mut open, is_kept) = match kept {
            Some(kept) => (kept, true),
            None => (self.connect().await?, false),
        };
        let answer = match open.send_request(self.request(body.clone())?).await {
            // It was about to close the connection: that says nothing.
            Err(_) if is_kept => {
                open = self.connect().await?;
                open.send_request(self.request(body)?).await
            }
            answer => answer,
        };
        let posted = read(answer.map_err(broken)?).await?;
        self.open = Some(open);
        Ok(posted)
    }

    fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.parse().map_err(|error| format!("{}: {error}", self.target))?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let no_connection = |error: ConnectError| format!("no connection: {error}");
        let stream = reach(&self.address, &self.lookups).await.map_err(|error| no_connection(error.into()))?;
        let Some((tls, sessions)) = &self.tls else { return open(stream).await };
        let name = tls.name_of(&self.address).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(sessions.clone()).connect(name, stream).await;
        open(stream.map_err(|error| no_connection(ConnectError::from_tls(error)))?).await
    }
}

async fn open<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    let (sender, connection) =
        builder.max_header_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // What goes wrong is told to whoever sends by it; it ends with its sender.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// What a collector says to a batch (OTLP 1.x, "OTLP/HTTP Response").
async fn read(response: Response<Incoming>) -> Result<Posted, String> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, BODY_BYTES).collect().await.map_err(|error| error.to_string())?.to_bytes();
    let reason = format!("status {}", head.status.as_u16());
    Ok(match head.status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Posted::Later(after(&head.headers, SystemTime::now()), reason),
        status if status.is_success() => {
            // One that says nothing has all of it, whatever it speaks.
            let partial = ExportTraceServiceResponse::decode(body).ok().and_then(|said| said.partial_success);
            let (refused, reason) = partial.map_or((0, String::new()), |partial| {
                (u32::try_from(partial.rejected_spans).unwrap_or(0), partial.error_message)
            });
            Posted::Taken { refused, reason: format!("{refused} spans are refused: {}", short(&reason)) }
        }
        _ => Posted::Refused(reason),
    })
}

/// For a line of the log.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// When to come again: after so many seconds, or at a date (RFC 9110 §10.2.3).
fn after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_is_a_number_of_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let cases = [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:38 GMT", Some(1)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ];
        for (text, seconds) in cases {
            let headers = [(RETRY_AFTER, HeaderValue::from_static(text))].into_iter().collect();
            assert_eq!(after(&headers, now), seconds.map(Duration::from_secs), "{text:?}");
        }
        assert_eq!(after(&HeaderMap::new(), now), None);
    }
}
