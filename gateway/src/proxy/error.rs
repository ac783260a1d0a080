//! Why an exchange cannot go its way, and what the client is told: the one place where causes become statuses. Nothing below
//! `handle` knows a status of the gateway's own, and nothing above it sees a cause.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::headers::{Refusal, ResponseFault};
use crate::message::body::BodyError;
use crate::message::target::TargetError;
use crate::observe::Bound;
use crate::plugin::{Failure, Hook, Reply};
use crate::upstream::ConnectError;

/// Why an exchange does not end with an endpoint's answer.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The request is not taken in.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The request head did not come to its end.
    #[error("the request head did not come within {0:?}")]
    HeadStalled(Duration),
    /// The body that a routing plugin asked to see did not come.
    #[error("the request body did not come within {0:?}")]
    BodyStalled(Duration),
    /// The client broke its body off, framed it badly, or stalled.
    #[error("the request body: {0}")]
    Body(BodyError),
    /// There are as many connections as there may be.
    #[error("too many connections")]
    NoRoom,
    /// The listener sends all requests to HTTPS.
    #[error("sent to HTTPS")]
    Redirected(HeaderValue),
    /// No route fits.
    #[error("no route fits this request")]
    NoRoute,
    /// Extended CONNECT to a protocol that the route does not pass on.
    #[error("this change of protocol is not offered here")]
    NoUpgrade,
    /// A routing plugin answers.
    #[error("answered by {0}")]
    Replied(Arc<str>, StatusCode, Box<Reply>),
    /// A selection plugin refuses.
    #[error("refused by {0}")]
    Rejected(Arc<str>, StatusCode),
    /// A plugin failed whose use says `on-error = "fail"`.
    #[error("{use_name} failed in its {} hook: {failure}", hook.as_str())]
    Plugin {
        /// Which use.
        use_name: Arc<str>,
        /// In which hook.
        hook: Hook,
        /// Why.
        failure: Failure,
    },
    /// Its client has sent too many; the time after which it may again.
    #[error("too many requests of this client; one more in {0:?}")]
    TooMany(Duration),
    /// The upstream, or every endpoint of it that may be chosen, has as many requests as it may.
    #[error("{0} is full{1}")]
    Full(Arc<str>, &'static str),
    /// There is nobody to send it to.
    #[error("no endpoint of {0} may be chosen")]
    NoEndpoint(Arc<str>),
    /// No connection to the endpoint.
    #[error("no connection to {0}: {1}")]
    Connect(Arc<str>, ConnectError),
    /// The endpoint did not answer in time.
    #[error("{0} did not answer within {1:?}")]
    TimedOut(Arc<str>, Duration),
    /// The connection broke, or the answer made no sense.
    #[error("{0} broke off: {1}")]
    Broken(Arc<str>, String),
    /// The answer cannot be passed on.
    #[error("{0} answered with {1}")]
    Fault(Arc<str>, ResponseFault),
}

impl Cause {
    /// What the client gets, and the error type of RFC 9209 (§2.3) that goes with it.
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Cause::Refused(refusal) => refusal_status(*refusal),
            Cause::Body(BodyError::TooLarge(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "http_request_error"),
            Cause::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "http_request_denied"),
            Cause::Full(..) => (StatusCode::SERVICE_UNAVAILABLE, "connection_limit_reached"),
            Cause::Body(BodyError::Broken(_)) => (StatusCode::BAD_REQUEST, "http_request_error"),
            Cause::HeadStalled(_) | Cause::BodyStalled(_) | Cause::Body(BodyError::Idle(_) | BodyError::Slow(_)) => {
                (StatusCode::REQUEST_TIMEOUT, "http_request_error")
            }
            Cause::Redirected(_) => (StatusCode::PERMANENT_REDIRECT, ""),
            Cause::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, "proxy_internal_response"),
            Cause::NoRoute => (StatusCode::NOT_FOUND, "destination_not_found"),
            Cause::NoUpgrade => (StatusCode::NOT_IMPLEMENTED, "http_request_error"),
            Cause::Replied(_, status, _) => (*status, ""),
            Cause::Rejected(_, status) => (*status, "http_request_denied"),
            Cause::Plugin { .. } => (StatusCode::SERVICE_UNAVAILABLE, "proxy_internal_error"),
            Cause::NoEndpoint(_) => (StatusCode::SERVICE_UNAVAILABLE, "destination_unavailable"),
            Cause::Connect(_, ConnectError::TimedOut(_)) => (StatusCode::GATEWAY_TIMEOUT, "connection_timeout"),
            Cause::Connect(_, ConnectError::Io(error)) => match error.kind() {
                std::io::ErrorKind::ConnectionRefused => (StatusCode::BAD_GATEWAY, "connection_refused"),
                _ => (StatusCode::BAD_GATEWAY, "destination_unavailable"),
            },
            Cause::Connect(_, ConnectError::Certificate(_) | ConnectError::Name(_)) => {
                (StatusCode::BAD_GATEWAY, "tls_certificate_error")
            }
            Cause::Connect(_, ConnectError::Alert(_)) => (StatusCode::BAD_GATEWAY, "tls_alert_received"),
            Cause::Connect(_, ConnectError::Tls(_)) => (StatusCode::BAD_GATEWAY, "tls_protocol_error"),
            Cause::Connect(_, ConnectError::NotH2) => (StatusCode::BAD_GATEWAY, "http_protocol_error"),
            Cause::TimedOut(..) => (StatusCode::GATEWAY_TIMEOUT, "http_response_timeout"),
            Cause::Broken(..) => (StatusCode::BAD_GATEWAY, "http_response_incomplete"),
            Cause::Fault(..) => (StatusCode::BAD_GATEWAY, "http_protocol_error"),
        }
    }

    /// True if the request's body is at fault, and was not read to its end.
    pub fn is_of_body(&self) -> bool {
        matches!(self, Cause::Body(_) | Cause::BodyStalled(_))
    }

    /// The bound that the request was refused by, if it was.
    pub fn bound(&self) -> Option<Bound> {
        match self {
            Cause::TooMany(_) => Some(Bound::Rate),
            Cause::Body(BodyError::TooLarge(_)) => Some(Bound::Body),
            Cause::Full(..) => Some(Bound::Full),
            _ => None,
        }
    }

    /// The answer in full: status, fields, and a short plain body.
    pub fn answer(self) -> (StatusCode, HeaderMap, Bytes) {
        let (status, error) = self.status();
        let (mut headers, mut body) = match self {
            Cause::Replied(_, _, reply) => (reply.headers, reply.body),
            Cause::Redirected(location) => (HeaderMap::from_iter([(LOCATION, location)]), Bytes::new()),
            // No fault of anybody: the answer to a question that ends here.
            Cause::Refused(Refusal::LastHop) => (HeaderMap::new(), Bytes::new()),
            cause => cause.page(status, error),
        };
        // Whoever answers, these have no content, and 205 says so by its length (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
        if matches!(status.as_u16(), 204 | 205 | 304) {
            body = Bytes::new();
        }
        if !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        (status, headers, body)
    }

    /// What is said of a failure names no address and nothing of the inside but the error type.
    fn page(&self, status: StatusCode, error: &str) -> (HeaderMap, Bytes) {
        let mut headers = HeaderMap::with_capacity(5);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Ok(value) = HeaderValue::from_str(&format!("sluice; error={error}")) {
            headers.insert(HeaderName::from_static("proxy-status"), value);
        }
        match self {
            Cause::TooMany(wait) => _ = headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(*wait))),
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            // Required there (RFC 9110 §15.5.6); what an endpoint allows besides is its own to say.
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        }
        let reason = match self {
            Cause::Refused(refusal) => refusal.to_string(),
            Cause::NoRoute | Cause::NoUpgrade => self.to_string(),
            _ => error.replace('_', " "),
        };
        let body = format!("{} {}: {reason}\n", status.as_u16(), status.canonical_reason().unwrap_or("Error"));
        (headers, Bytes::from(body))
    }
}

/// Not too early, and never at once.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

fn refusal_status(refusal: Refusal) -> (StatusCode, &'static str) {
    let status = match refusal {
        Refusal::TargetTooLong | Refusal::Target(TargetError::TooLong) => StatusCode::URI_TOO_LONG,
        Refusal::TooManyFields | Refusal::HeadTooLong => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Refusal::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        Refusal::Coding => StatusCode::NOT_IMPLEMENTED,
        Refusal::Expectation => StatusCode::EXPECTATION_FAILED,
        Refusal::Connect | Refusal::Trace => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::LastHop => StatusCode::NO_CONTENT,
        Refusal::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        Refusal::Loop => return (StatusCode::LOOP_DETECTED, "proxy_loop_detected"),
        _ => StatusCode::BAD_REQUEST,
    };
    (status, "http_request_error")
}
