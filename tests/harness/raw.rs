//! Both ends of a connection as bytes: a client that says exactly what a test wants, and an origin that answers exactly
//! that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::client::{connect, tls};
use super::configuration::HOST;
use super::{Gateway, Speaks, within};

/// A byte stream of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that speaks bytes.
pub struct Raw(Box<dyn Stream>);

impl Raw {
    /// Over TLS, with HTTP/1.1 by ALPN.
    pub async fn tls(gateway: &Gateway) -> Self {
        Self(Box::new(tls(gateway.secure, HOST, &["http/1.1"]).await))
    }

    /// The same, whatever listens there.
    pub async fn tls_to(address: SocketAddr) -> Self {
        Self(Box::new(tls(address, HOST, &["http/1.1"]).await))
    }

    /// Over plain TCP, to the plain listener.
    pub async fn plain(gateway: &Gateway) -> Self {
        Self::to(gateway.plain).await
    }

    /// Over plain TCP, whatever listens there.
    pub async fn to(address: SocketAddr) -> Self {
        Self(Box::new(connect(address).await))
    }

    /// False if the gateway no longer listens.
    pub async fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok() && self.0.flush().await.is_ok()
    }

    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Reads until those bytes have come, and gives all up to there and a little more.
    pub async fn hear_until(&mut self, end: &str) -> String {
        String::from_utf8(self.hear_bytes_until(end.as_bytes()).await).unwrap()
    }

    /// The same for what is no text.
    pub async fn hear_bytes_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut heard = Vec::new();
        within(&format!("{:?} from the gateway", String::from_utf8_lossy(end)), async {
            let mut buffer = [0; 4096];
            while !heard.windows(end.len()).any(|part| part == end) {
                let count = self.0.read(&mut buffer).await.unwrap();
                assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&heard));
                heard.extend(&buffer[..count]);
            }
        })
        .await;
        heard
    }

    /// Reads so many bytes.
    pub async fn hear(&mut self, count: usize) -> Vec<u8> {
        let mut heard = vec![0; count];
        within("bytes from the gateway", self.0.read_exact(&mut heard)).await.unwrap();
        heard
    }

    /// Says that nothing more comes.
    pub async fn end(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Reads until the gateway closes; a reset is an end too.
    pub async fn hear_all(&mut self) -> String {
        let mut heard = Vec::new();
        // What came before an error is what was heard.
        let _ = within("the end of the connection", self.0.read_to_end(&mut heard)).await;
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// What comes within that time; none if nothing does.
    pub async fn hears(&mut self, time: Duration) -> Option<String> {
        let mut buffer = [0; 4096];
        let count = tokio::time::timeout(time, self.0.read(&mut buffer)).await.ok()?.unwrap_or(0);
        Some(String::from_utf8_lossy(&buffer[..count]).into_owned())
    }

    /// Says that nothing more comes, and reads until the gateway closes.
    pub async fn hear_all_after_end(&mut self) -> String {
        // The gateway may have closed already.
        let _ = self.0.shutdown().await;
        self.hear_all().await
    }
}

/// The status of an answer that the gateway gives to what is no request: it says whose fault it was, and that the connection
/// ends.
pub fn refusal(heard: &str) -> &str {
    let (head, body) = heard.split_once("\r\n\r\n").unwrap_or((heard, ""));
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\nconnection: close") && head.contains("\r\ndate: "), "{heard:?}");
    assert!(head.contains("\r\nproxy-status: sluice; error=http_request_error"), "{heard:?}");
    assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{heard:?}");
    heard.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or_default()
}

/// An origin that the test plays by itself.
pub struct Ear {
    pub address: SocketAddr,
    listener: TcpListener,
}

impl Ear {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), listener }
    }

    /// The next connection.
    pub async fn accept(&self) -> Raw {
        let (stream, _) = within("a connection of the gateway", self.listener.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Raw(Box::new(stream))
    }
}

/// An origin that answers every request with the same bytes, however wrong they are.
pub struct RawOrigin {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl RawOrigin {
    /// Closes after each answer.
    pub async fn answers(bytes: impl AsRef<[u8]>) -> Self {
        Self::start(bytes.as_ref().into(), false).await
    }

    /// Stays, and answers the next request on the same connection.
    pub async fn keeps_answering(bytes: impl AsRef<[u8]>) -> Self {
        Self::start(bytes.as_ref().into(), true).await
    }

    /// Over TLS, and closes after each answer, with or without saying so in TLS.
    pub async fn over_tls(speaks: Speaks, bytes: impl AsRef<[u8]>, says_so: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bytes: Arc<[u8]> = bytes.as_ref().into();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Some(mut stream) = speaks.clone().open(stream).await.map(|opened| opened.stream) else { continue };
                answer(&mut stream, &bytes).await;
                let _ = stream.flush().await;
                if says_so {
                    let _ = stream.shutdown().await;
                }
            }
        });
        address
    }

    async fn start(bytes: Arc<[u8]>, stays: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let server = tokio::spawn({
            let connections = connections.clone();
            async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    connections.fetch_add(1, Ordering::SeqCst);
                    let bytes = bytes.clone();
                    tokio::spawn(async move {
                        while answer(&mut stream, &bytes).await && stays {}
                        let _ = stream.shutdown().await;
                    });
                }
            }
        });
        Self { address, connections, server }
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for RawOrigin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Reads a request's head, and answers; false if there is nobody left.
async fn answer(stream: &mut (impl Stream + ?Sized), bytes: &[u8]) -> bool {
    let head = head(stream).await;
    // The gateway may have closed at the first bad byte.
    !head.is_empty() && stream.write_all(bytes).await.is_ok()
}

/// The bytes of a request up to the end of its head, and what came with it; empty if none comes.
pub async fn head(stream: &mut (impl Stream + ?Sized)) -> Vec<u8> {
    let mut head: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => head.extend(&buffer[..count]),
            _ => return Vec::new(),
        }
    }
    head
}
