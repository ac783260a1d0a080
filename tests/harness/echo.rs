//! An origin that changes the protocol: it answers a request with what the test gave it, says back whatever comes then, and
//! `goodbye` when the other side has ended. It does not know whether that is WebSocket, and neither does the gateway.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a WebSocket server answers.
pub const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\nx-origin: echo\r\n\r\n";

/// A running one.
pub struct Echo {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    /// Connections that are open.
    open: watch::Sender<usize>,
    server: JoinHandle<()>,
}

impl Echo {
    /// One that answers so; `{accept}` becomes the answer to the key that it got.
    pub async fn answers(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heads, open) = (Arc::<Mutex<Vec<String>>>::default(), watch::channel(0).0);
        let server = tokio::spawn({
            let (heads, open) = (heads.clone(), open.clone());
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (heads, open) = (heads.clone(), open.clone());
                    open.send_modify(|open| *open += 1);
                    tokio::spawn(async move {
                        // A stream that breaks is the other side's business.
                        let _ = serve(stream, answer, &heads).await;
                        open.send_modify(|open| *open -= 1);
                    });
                }
            }
        });
        Self { address, heads, open, server }
    }

    /// The heads of requests, as they came.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Waits until so many connections are open.
    pub async fn has_open(&self, count: usize) {
        let mut open = self.open.subscribe();
        super::within("connections at the echo", open.wait_for(|open| *open == count)).await.unwrap();
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(mut stream: TcpStream, answer: &str, heads: &Mutex<Vec<String>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut heard = Vec::new();
    let end = loop {
        if let Some(at) = heard.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut heard).await? == 0 {
            return Ok(());
        }
    };
    let behind = heard.split_off(end);
    let head = String::from_utf8(heard).unwrap();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let accept = accept(field("sec-websocket-key:"));
    heads.lock().unwrap().push(head.clone());
    stream.write_all(answer.replace("{accept}", &accept).as_bytes()).await?;
    if !answer.starts_with("HTTP/1.1 101") {
        return stream.shutdown().await;
    }
    stream.write_all(&behind).await?;
    let (mut reader, mut writer) = stream.split();
    tokio::io::copy(&mut reader, &mut writer).await?;
    writer.write_all(b"goodbye").await?;
    writer.shutdown().await
}

/// The answer to a key (RFC 6455 §4.2.2).
pub fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}
