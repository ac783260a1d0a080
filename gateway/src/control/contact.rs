//! A connection of the gateway's own to an endpoint, made as those of requests are, and what is asked over it: for checks of
//! health, and for figures that an endpoint shows.

use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{Request, Response, request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_rustls::TlsConnector;

use super::reach::{broken, reach};
use crate::upstream::{ConnectError, OWN_CONNECTION, Way};

/// Bytes of an answer's head.
const HEAD_BYTES: usize = 64 * 1024;
/// Lookups of names at a time. They have threads of their own, since those of this thread's event loop may be busy for long
/// with what is built.
const LOOKUPS: usize = 8;

/// Any connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection, and whether HTTP/2 is spoken over it.
pub(super) type Connected = (Box<dyn Stream>, bool);

/// Where names are looked up.
///
/// # Errors
/// If the system gives no event loop.
pub(super) fn lookups() -> io::Result<Runtime> {
    Builder::new_current_thread().max_blocking_threads(LOOKUPS).thread_name("sluice-lookup").build()
}

/// Connects as requests do, with `sessions` of TLS where that is over TLS. Names are looked up on threads of `lookups`.
///
/// # Errors
/// If that is not possible.
pub(super) async fn connect(
    address: &str,
    way: &Way,
    sessions: Option<&Arc<ClientConfig>>,
    lookups: &Handle,
) -> Result<Connected, ConnectError> {
    let mut stream = reach(address, lookups).await?;
    if way.tells_client {
        stream.write_all(&OWN_CONNECTION).await?;
    }
    let Some((tls, sessions)) = way.tls().zip(sessions) else { return Ok((Box::new(stream), way.speaks_h2())) };
    let name = tls.name_of(address).map_err(|error| ConnectError::Name(error.to_string()))?;
    let stream = TlsConnector::from(sessions.clone()).connect(name, stream).await.map_err(ConnectError::from_tls)?;
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((Box::new(stream), is_h2))
}

/// What is asked for with `GET`, of whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) scheme: &'static str,
    pub(super) host: &'a str,
    /// Path and query.
    pub(super) path: &'a str,
}

/// `https` or `http`.
pub(super) fn scheme(way: &Way) -> &'static str {
    if way.tls().is_some() { "https" } else { "http" }
}

/// Asks for something with these `fields` besides, and takes the answer in.
///
/// # Errors
/// What `take` says, and what breaks before.
pub(super) async fn get<T, F: Future<Output = Result<T, String>>>(
    (stream, is_h2): Connected,
    wanted: Wanted<'_>,
    fields: impl FnOnce(request::Builder) -> request::Builder,
    take: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, String> {
    let Wanted { scheme, host, path } = wanted;
    let request = match is_h2 {
        true => fields(Request::get(format!("{scheme}://{host}{path}"))),
        false => fields(Request::get(path).header(HOST, host)).header(CONNECTION, "close"),
    };
    let request = request.body(Full::<Bytes>::default()).map_err(|error| error.to_string())?;
    if is_h2 {
        return over_h2(stream, request, take).await;
    }
    let mut builder = http1::Builder::new();
    let handshake = builder.max_header_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(broken)?;
    let exchange = async { take(sender.send_request(request).await.map_err(broken)?).await };
    while_connected(connection, exchange).await
}

/// Sends a request over HTTP/2, and takes the answer in.
///
/// # Errors
/// As above.
pub(super) async fn over_h2<T, F: Future<Output = Result<T, String>>>(
    stream: Box<dyn Stream>,
    request: Request<Full<Bytes>>,
    take: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, String> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let handshake = builder.timer(TokioTimer::new()).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(broken)?;
    let exchange = async { take(sender.send_request(request).await.map_err(broken)?).await };
    while_connected(connection, exchange).await
}

/// Lets a connection work while something is done with it. It is closed when that is over.
async fn while_connected<T>(
    connection: impl Future<Output = hyper::Result<()>>,
    exchange: impl Future<Output = T>,
) -> T {
    let driver = async {
        // What goes wrong is told to the exchange; what it got before the end it may still read.
        let _ = connection.await;
        pending::<T>().await
    };
    tokio::select! {
        outcome = exchange => outcome,
        never = driver => never,
    }
}

/// The whole of a body.
///
/// # Errors
/// If it breaks off, or has more than `most` bytes.
pub(super) async fn whole(mut body: Incoming, most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(format!("the answer has more than {most} bytes"));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// An endpoint's address, or another port of the same host.
pub(super) fn at_port(address: &str, port: Option<u16>) -> String {
    match (address.rsplit_once(':'), port) {
        (Some((host, _)), Some(port)) => format!("{host}:{port}"),
        _ => address.to_owned(),
    }
}

/// The interval, longer or shorter by at most that share of it; `chance` is 0 to 1.
pub(super) fn jittered(interval: Duration, jitter_per_mille: u32, chance: f64) -> Duration {
    let jitter = f64::from(jitter_per_mille.min(1000)) / 1000.0;
    interval.mul_f64(1.0 + jitter * (2.0 * chance - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_so_much_longer_or_shorter_at_most() {
        let second = Duration::from_secs(1);
        let cases =
            [(0, 0.0, 1000), (0, 1.0, 1000), (100, 0.0, 900), (100, 0.5, 1000), (100, 1.0, 1100), (1000, 0.0, 0)];
        for (jitter, chance, expected) in cases {
            assert_eq!(jittered(second, jitter, chance).as_millis(), expected, "{jitter} {chance}");
        }
    }

    #[test]
    fn another_port_is_one_of_the_same_host() {
        let cases = [
            ("10.0.0.1:80", None, "10.0.0.1:80"),
            ("backend:80", Some(7), "backend:7"),
            ("[::1]:80", Some(7), "[::1]:7"),
        ];
        for (address, port, expected) in cases {
            assert_eq!(at_port(address, port), expected);
        }
    }
}
