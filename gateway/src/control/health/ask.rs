//! One check: a connection as requests have it, a request if one is wanted, and whether the answer is as expected.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::grpc;
use crate::config::model::{Check, Health, HttpCheck};
use crate::control::contact::{Stream, Wanted, connect, get, over_h2, scheme};
use crate::control::reach::broken;
use crate::upstream::{ConnectError, Way};

/// Bytes of an answer's body that are looked at.
const BODY_BYTES: usize = 64 * 1024;
/// Who asks, for the endpoint's own log.
const AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"), " (health check)");

/// What a check found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All is as expected.
    Good,
    /// It is not, and why.
    Bad(String),
    /// This machine lacks what is needed to ask.
    Nothing(String),
}

/// Whom to ask, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Host and port.
    pub(super) address: &'a str,
    /// How requests get there.
    pub(super) way: &'a Way,
    /// Sessions of TLS, where that is over TLS.
    pub(super) sessions: Option<&'a Arc<ClientConfig>>,
    /// What is asked.
    pub(super) health: &'a Health,
}

/// The sessions of one who asks.
pub(super) fn sessions(way: &Way, health: &Health) -> Option<Arc<ClientConfig>> {
    match health.check {
        Check::Tcp => None,
        Check::Http(_) => Some(way.tls()?.sessions()),
        Check::Grpc { .. } => Some(way.tls()?.sessions_of_h2()),
    }
}

/// Asks, within the time that a check may take. Names are looked up on threads of `lookups`.
pub(super) async fn ask(asked: Asked<'_>, lookups: &Handle) -> Found {
    let limit = asked.health.timeout;
    match timeout(limit, answer(asked, lookups)).await {
        Ok(Ok(())) => Found::Good,
        Ok(Err(reason)) => reason,
        Err(_) => Found::Bad(format!("no answer within {limit:?}")),
    }
}

async fn answer(asked: Asked<'_>, lookups: &Handle) -> Result<(), Found> {
    let Asked { address, way, sessions, health } = asked;
    let connected = connect(address, way, sessions, lookups).await.map_err(no_connection)?;
    let looked = match &health.check {
        Check::Tcp => Ok(()),
        Check::Http(expected) => {
            let host = expected.host.as_deref().unwrap_or(address);
            let wanted = Wanted { scheme: scheme(way), host, path: &expected.path };
            get(
                connected,
                wanted,
                |request| request.header(USER_AGENT, AGENT),
                |response| is_expected(response, expected),
            )
            .await
        }
        Check::Grpc { service, host } => {
            let host = host.as_deref().unwrap_or(address);
            grpc(connected.0, &format!("{}://{host}{}", scheme(way), grpc::PATH), service).await
        }
    };
    looked.map_err(Found::Bad)
}

fn no_connection(error: ConnectError) -> Found {
    let reason = format!("no connection: {error}");
    match error {
        ConnectError::Name(reason) => Found::Bad(reason),
        error if error.is_our_own() => Found::Nothing(reason),
        _ => Found::Bad(reason),
    }
}

async fn is_expected(response: Response<Incoming>, expected: &HttpCheck) -> Result<(), String> {
    let status = response.status().as_u16();
    if !expected.status.contains(status) {
        return Err(format!("status {status}, not {}", expected.status));
    }
    match &expected.body {
        Some(text) => has_text(response.into_body(), text.as_bytes()).await,
        None => Ok(()),
    }
}

async fn grpc(stream: Box<dyn Stream>, target: &str, service: &str) -> Result<(), String> {
    let mut request = Request::new(Full::new(grpc::request(service)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.parse().map_err(|error: http::uri::InvalidUri| format!("{target}: {error}"))?;
    let fields = [(CONTENT_TYPE, "application/grpc"), (TE, "trailers"), (USER_AGENT, AGENT)];
    for (name, value) in fields {
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    let take = async |response: Response<Incoming>| {
        if response.status() != StatusCode::OK {
            return Err(format!("status {}, which is no gRPC", response.status().as_u16()));
        }
        let (message, status) = read_grpc(response).await?;
        grpc::verdict(status.as_deref(), &message)
    };
    over_h2(stream, request, take).await
}
/// Whether the beginning of a body has that text in it.
async fn has_text(mut body: Incoming, text: &[u8]) -> Result<(), String> {
    let mut seen: Vec<u8> = Vec::new();
    while seen.len() < BODY_BYTES
        && let Some(frame) = body.frame().await
    {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        // What may be a part of the text and of what comes now.
        let from = seen.len().saturating_sub(text.len());
        seen.extend(data.iter().take(BODY_BYTES - seen.len()));
        if seen.get(from..).is_some_and(|fresh| fresh.windows(text.len()).any(|window| window == text)) {
            return Ok(());
        }
    }
    Err("the text is not in the answer".to_owned())
}

/// The message of an answer, and the status of the call.
async fn read_grpc(response: Response<Incoming>) -> Result<(Vec<u8>, Option<String>), String> {
    let (head, mut body) = response.into_parts();
    let mut message = Vec::new();
    // Where there is no message it stands at the top.
    let mut status = status_of(&head.headers);
    while let Some(frame) = body.frame().await {
        match frame.map_err(broken)?.into_data() {
            Ok(data) if message.len() + data.len() > BODY_BYTES => return Err("the answer is too long".to_owned()),
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => status = frame.trailers_ref().and_then(status_of).or(status),
        }
    }
    Ok((message, status))
}

fn status_of(fields: &HeaderMap) -> Option<String> {
    fields.get("grpc-status").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
