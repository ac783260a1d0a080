//! A backend that speaks HTTP/2 frame by frame, as far as a test wants: each connection, and each stream of it, is the test's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::Configuration;

/// A connection that the gateway has made.
pub type Accepted = Connection<TcpStream, Bytes>;
/// A request on it, and the way to answer.
pub type Exchange = (Request<h2::RecvStream>, SendResponse<Bytes>);

/// A backend of HTTP/2 by prior knowledge.
pub struct H2Origin {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl H2Origin {
    /// Hands each connection to `serve`, with its number from 0.
    pub async fn start<F: Future<Output = ()> + Send + 'static>(
        settings: Builder,
        serve: impl Fn(Accepted, usize) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let server = tokio::spawn({
            let connections = connections.clone();
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let number = connections.fetch_add(1, Ordering::SeqCst);
                    if let Ok(connection) = settings.handshake(stream).await {
                        tokio::spawn(serve(connection, number));
                    }
                }
            }
        });
        Self { address, connections, server }
    }

    /// One worker, and this as the only endpoint.
    pub fn configuration(&self) -> Configuration {
        Configuration::at(&[("a", self.address)]).upstream("protocol = \"h2\"").workers(1)
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for H2Origin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The next request; none when the connection is over.
pub async fn next(connection: &mut Accepted) -> Option<Exchange> {
    connection.accept().await?.ok()
}

/// Answers with that text and nothing behind it.
pub fn answer(mut respond: SendResponse<Bytes>, text: &'static str) {
    // The gateway may have gone.
    if let Ok(mut body) = respond.send_response(Response::new(()), false) {
        let _ = body.send_data(Bytes::from_static(text.as_bytes()), true);
    }
}
