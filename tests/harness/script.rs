//! An origin that goes by a script: what each request on each connection gets, byte by byte, or that the connection ends
//! instead.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a request gets.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// These bytes, when its head has come.
    Answer(&'static str),
    /// These bytes, when its body has come to these bytes.
    After(&'static str, &'static str),
    /// The end of the connection, when its head has come.
    Close,
    /// A reset, when its body has come to these bytes.
    ResetAfter(&'static str),
}

/// A short answer that keeps the connection.
pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
pub const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

/// Which connection, and which request on it, both from 0.
type Script = fn(usize, usize) -> Act;

/// An origin that goes by a script.
pub struct Scripted {
    pub address: SocketAddr,
    /// All requests as they came.
    heard: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Scripted {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let server = tokio::spawn({
            let heard = heard.clone();
            async move {
                for connection in 0.. {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(play(stream, connection, script, heard.clone()));
                }
            }
        });
        Self { address, heard, server }
    }

    /// The requests that have come, heads and as much of the bodies as was waited for.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// How many requests of that method have come.
    pub fn requests(&self, method: &str) -> usize {
        let line = format!("{method} /");
        self.heard().iter().map(|heard| heard.matches(&line).count()).sum()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn play(mut stream: TcpStream, connection: usize, script: Script, heard: Arc<Mutex<Vec<String>>>) {
    let mut bytes = String::new();
    for request in 0.. {
        let Some(end) = until(&mut stream, &mut bytes, 0, "\r\n\r\n").await else { return };
        let act = script(connection, request);
        let end = match act {
            Act::After(mark, _) | Act::ResetAfter(mark) => match until(&mut stream, &mut bytes, end, mark).await {
                Some(end) => end,
                None => return,
            },
            _ => end,
        };
        heard.lock().unwrap().push(bytes[..end].to_owned());
        bytes.drain(..end);
        match act {
            Act::Answer(answer) | Act::After(_, answer) => {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Act::Close => return,
            Act::ResetAfter(_) => {
                let stream = socket2::Socket::from(stream.into_std().unwrap());
                // Closed with time 0 to linger: a reset.
                stream.set_linger(Some(std::time::Duration::ZERO)).unwrap();
                return;
            }
        }
    }
}

/// Reads until that mark stands behind `from`; its end, or none if the other side has ended.
async fn until(stream: &mut TcpStream, bytes: &mut String, from: usize, mark: &str) -> Option<usize> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(at) = bytes[from..].find(mark) {
            return Some(from + at + mark.len());
        }
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => bytes.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
            _ => return None,
        }
    }
}
