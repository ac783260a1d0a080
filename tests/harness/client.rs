//! A real HTTP client with one connection: HTTP/1.1 or HTTP/2, over TLS with the tests' own authority or plain. It
//! sends an [`Ask`] and gives an [`Answer`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::configuration::HOST;
use super::{Gateway, certificates, within};

/// What clients send as a body.
pub type Body = BoxBody<Bytes, std::convert::Infallible>;

/// A request in the making.
#[derive(Debug)]
pub struct Ask {
    method: Method,
    path: String,
    host: String,
    headers: HeaderMap,
    protocol: Option<Protocol>,
    body: Option<Body>,
}

/// A response, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

/// One connection.
pub struct Client {
    sender: Sender,
    scheme: &'static str,
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Ask {
    pub fn new(method: &str, path: &str) -> Self {
        let method = method.parse().unwrap();
        Self { method, path: path.into(), host: HOST.into(), headers: HeaderMap::new(), protocol: None, body: None }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// Extended CONNECT (RFC 8441), for HTTP/2.
    pub fn connect(path: &str, protocol: &'static str) -> Self {
        Self { protocol: Some(Protocol::from_static(protocol)), ..Self::new("CONNECT", path) }
    }

    pub fn post(path: &str, body: impl Into<Bytes>) -> Self {
        Self::new("POST", path).body(Full::new(body.into()).boxed())
    }

    pub fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    pub fn body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }
}

impl Answer {
    /// The first field of that name; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// All fields of that name.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// Which origin answered.
    pub fn origin(&self) -> &str {
        self.header("x-origin")
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// What the origin saw.
    pub fn seen(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not an origin's answer: {self:?}"))
    }

    /// A field that the origin saw, all values joined by `|`; empty if it saw none.
    pub fn seen_field(&self, name: &str) -> String {
        let values = self.seen()["fields"][name].as_array().cloned().unwrap_or_default();
        values.iter().map(|value| value.as_str().unwrap()).collect::<Vec<_>>().join("|")
    }
}

impl Client {
    /// HTTP/1.1 over TLS.
    pub async fn h1(gateway: &Gateway) -> Self {
        let stream = tls(gateway.secure, HOST, &["http/1.1"]).await;
        Self { sender: Self::over_http1(stream).await, scheme: "https" }
    }

    /// HTTP/2 over TLS.
    pub async fn h2(gateway: &Gateway) -> Self {
        let stream = tls(gateway.secure, HOST, &["h2"]).await;
        Self { sender: Self::over_http2(stream).await, scheme: "https" }
    }

    /// Over TLS, by those settings and to whatever listens there, where it may fail.
    pub async fn try_over_tls(address: SocketAddr, settings: Arc<ClientConfig>) -> std::io::Result<Self> {
        let stream = within("a connection", TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(HOST).unwrap();
        let stream = within("a TLS handshake", TlsConnector::from(settings).connect(name, stream)).await?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(Self::over_h2(stream).await),
            _ => Ok(Self::over(stream).await),
        }
    }

    /// HTTP/1.1 over plain TCP.
    pub async fn plain(gateway: &Gateway) -> Self {
        let stream = connect(gateway.plain).await;
        Self { sender: Self::over_http1(stream).await, scheme: "http" }
    }

    /// HTTP/1.1 over plain TCP, if the gateway takes it.
    pub async fn try_plain(gateway: &Gateway) -> Option<Self> {
        let stream = TcpStream::connect(gateway.plain).await.ok()?;
        Some(Self { sender: Self::over_http1(stream).await, scheme: "http" })
    }

    /// HTTP/2 over plain TCP, by prior knowledge.
    pub async fn plain_h2(gateway: &Gateway) -> Self {
        let stream = connect(gateway.plain).await;
        Self { sender: Self::over_http2(stream).await, scheme: "http" }
    }

    /// HTTP/1.1 over a connection that the test has made.
    pub async fn over(stream: TlsStream<TcpStream>) -> Self {
        Self { sender: Self::over_http1(stream).await, scheme: "https" }
    }

    /// HTTP/2 over a connection that the test has made.
    pub async fn over_h2(stream: TlsStream<TcpStream>) -> Self {
        Self { sender: Self::over_http2(stream).await, scheme: "https" }
    }

    async fn over_http1(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Sender {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        Sender::Http1(sender)
    }

    async fn over_http2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Sender {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new());
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Sender::Http2(sender)
    }

    /// `GET`.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(Ask::get(path)).await
    }

    /// Sends, and reads the answer to its end.
    pub async fn ask(&mut self, ask: Ask) -> Answer {
        let what = format!("{} {}", ask.method, ask.path);
        self.try_ask(ask).await.unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }

    /// The same, where it may fail.
    pub async fn try_ask(&mut self, ask: Ask) -> Result<Answer, hyper::Error> {
        let what = format!("the answer to {} {}", ask.method, ask.path);
        within(&what, async { read(self.send(ask).await?).await }).await
    }

    /// Sends, and gives the head of the answer; the body is still to be read.
    pub async fn send(&mut self, ask: Ask) -> Result<Response<Incoming>, hyper::Error> {
        let body = ask.body.unwrap_or_else(|| Empty::new().boxed());
        let mut request = Request::new(body);
        *request.method_mut() = ask.method;
        *request.headers_mut() = ask.headers;
        if let Some(protocol) = ask.protocol {
            request.extensions_mut().insert(protocol);
        }
        match &mut self.sender {
            Sender::Http1(sender) => {
                *request.uri_mut() = ask.path.parse().unwrap();
                request.headers_mut().entry("host").or_insert(ask.host.parse().unwrap());
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                *request.uri_mut() = format!("{}://{}{}", self.scheme, ask.host, ask.path).parse().unwrap();
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Waits until the gateway has closed the connection.
    pub async fn closed(&mut self) {
        while self.is_open().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The same connection once more, for requests at the same time; none over HTTP/1.1.
    pub fn again(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(Self { sender: Sender::Http2(sender.clone()), scheme: self.scheme }),
        }
    }

    /// True while the gateway keeps the connection open for more.
    pub async fn is_open(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }
}

/// Reads an answer to its end.
pub async fn read(response: Response<Incoming>) -> Result<Answer, hyper::Error> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok(Answer { status: head.status, version: head.version, headers: head.headers, body: body.to_bytes(), trailers })
}

/// A connection.
pub async fn connect(address: SocketAddr) -> TcpStream {
    let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A connection over TLS that asks for that name and offers those protocols.
pub async fn tls(address: SocketAddr, name: &str, protocols: &[&str]) -> TlsStream<TcpStream> {
    try_tls(address, name, certificates::client(protocols).into()).await.unwrap()
}

/// TLS over a connection that the test has made.
pub async fn over_tls(stream: TcpStream, protocols: &[&str]) -> TlsStream<TcpStream> {
    let name = ServerName::try_from(HOST.to_owned()).unwrap();
    let handshake = TlsConnector::from(Arc::new(certificates::client(protocols))).connect(name, stream);
    within("a TLS handshake", handshake).await.unwrap()
}

/// The same with other settings, where it may fail.
pub async fn try_tls(
    address: SocketAddr,
    name: &str,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = connect(address).await;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within("a TLS handshake", TlsConnector::from(config).connect(name, stream)).await
}
