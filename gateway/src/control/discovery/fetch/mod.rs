//! Asks services over HTTP/1.1, with TLS or without: one connection for each question, and an end to everything that the other side
//! decides: how long it takes, how much it says.

mod answer;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub(super) use answer::Answer;

use crate::config::model::{Service, UpstreamProtocol};
use crate::tls::ToEndpoints;

/// For the connection, TLS with it.
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes of an answer's head.
const HEAD_BYTES: usize = 64 * 1024;
/// Bytes of a token.
const TOKEN_BYTES: usize = 64 * 1024;
/// Who asks.
const AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"), " (discovery)");

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Question<'q> {
    /// Path and query.
    pub(super) path: &'q str,
    /// Fields of the request besides those that each has.
    pub(super) fields: Vec<(http::HeaderName, HeaderValue)>,
}

/// Asks, and gives the head of the answer with the way to its body. `limit` is for all until the head is there.
pub(super) async fn ask(service: &Service, question: Question<'_>, limit: Duration) -> Result<Answer, String> {
    let answer = timeout(limit, async {
        let request = request(service, question)?;
        let stream = timeout(CONNECT, TcpStream::connect(&*service.address)).await;
        let stream = stream.map_err(|_| format!("no connection within {CONNECT:?}"))?;
        let stream = stream.map_err(|error| format!("no connection: {error}"))?;
        let Some(tls) = &service.tls else { return exchange(stream, request).await };
        // Read anew each time: who asks seldom need not watch files.
        let protocol = UpstreamProtocol::Http1;
        let tls = ToEndpoints::load_for([&*service.address].into_iter(), protocol, tls, None);
        let tls = tls.map_err(|error| error.to_string())?;
        let name = tls.name_of(&service.address).map_err(|error| error.to_string())?;
        let stream = timeout(CONNECT, TlsConnector::from(tls.sessions()).connect(name, stream)).await;
        let stream = stream.map_err(|_| format!("no TLS within {CONNECT:?}"))?;
        exchange(stream.map_err(|error| format!("no TLS: {error}"))?, request).await
    });
    answer.await.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
}

fn request(service: &Service, question: Question<'_>) -> Result<Request<Empty<Bytes>>, String> {
    let mut request = Request::get(question.path);
    request = request.header(HOST, &*service.host).header(USER_AGENT, AGENT).header(CONNECTION, "close");
    request = request.header(ACCEPT, "application/json");
    if let Some(file) = &service.token_file {
        request = request.header(AUTHORIZATION, bearer(file)?);
    }
    for (name, value) in question.fields {
        request = request.header(name, value);
    }
    request.body(Empty::new()).map_err(|error| error.to_string())
}

/// Read anew each time, since it may change.
fn bearer(file: &Path) -> Result<HeaderValue, String> {
    let unreadable = |reason: &dyn std::fmt::Display| format!("{}: {reason}", file.display());
    let token = std::fs::read_to_string(file).map_err(|error| unreadable(&error))?;
    let token = token.trim_ascii();
    if token.is_empty() || token.len() > TOKEN_BYTES {
        return Err(unreadable(&"no token"));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| unreadable(&"no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    let handshake = builder.max_header_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(broken)?;
    // What goes wrong is told to whoever waits for the answer; nobody does any more when that is dropped.
    let driver = Driver(tokio::spawn(async move { drop(connection.await) }).abort_handle());
    let response = sender.send_request(request).await.map_err(broken)?;
    Ok(Answer::new(response, driver))
}

/// A connection at work; dropped, it is closed.
#[derive(Debug)]
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// hyper keeps the cause to itself unless it is asked.
fn broken(error: hyper::Error) -> String {
    match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
