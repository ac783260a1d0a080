//! A service that answers what a test says, byte by byte: at once, not before the test says something else, or without an end. It
//! keeps what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::raw::Stream;
use super::speaks::Speaks;

/// What comes after a request.
pub enum Says {
    /// These bytes, and the end.
    Bytes(Vec<u8>),
    /// What is said once something else is to be said.
    Later,
    /// These bytes, and then blanks for ever.
    Endless(Vec<u8>),
}

/// What is said to a request, by its head.
type Script = Arc<dyn Fn(&str) -> Says + Send + Sync>;

/// A service.
pub struct Service {
    pub address: SocketAddr,
    script: watch::Sender<Script>,
    asked: Arc<Mutex<Vec<String>>>,
    server: AbortHandle,
}

/// An answer of that status with these lines in its head.
pub fn answer(status: u16, lines: &str, body: &str) -> Says {
    let lines = lines.trim_end().lines().map(|line| format!("{line}\r\n")).collect::<String>();
    Says::Bytes(format!("HTTP/1.1 {status} X\r\n{lines}content-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

impl Service {
    /// Starts one on a port of its own.
    pub async fn start(speaks: Speaks, script: impl Fn(&str) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (script, scripts) = watch::channel::<Script>(Arc::new(script));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let server = tokio::spawn({
            let asked = asked.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (speaks, scripts, asked) = (speaks.clone(), scripts.clone(), asked.clone());
                    tokio::spawn(async move {
                        let opened = speaks.open(stream).await?;
                        serve(opened.stream, scripts, &asked).await
                    });
                }
            }
        });
        Self { address, script, asked, server: server.abort_handle() }
    }

    /// From now on that is said.
    pub fn says(&self, script: impl Fn(&str) -> Says + Send + Sync + 'static) {
        self.script.send_replace(Arc::new(script));
    }

    /// The heads of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Takes no connections from now on.
    pub fn die(&self) {
        self.server.abort();
    }
}

async fn serve(
    mut stream: Box<dyn Stream>,
    mut scripts: watch::Receiver<Script>,
    asked: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    asked.lock().unwrap().push(head.clone());
    loop {
        let script = scripts.borrow_and_update().clone();
        match script(&head) {
            Says::Bytes(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                return stream.shutdown().await.ok();
            }
            Says::Later => scripts.changed().await.ok()?,
            Says::Endless(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                loop {
                    stream.write_all(&[b' '; 65_536]).await.ok()?;
                }
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.abort();
    }
}
