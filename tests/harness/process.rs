//! An origin in a process of its own, which may be killed, stopped and started again: this program once more. It writes down
//! the number of each request before it answers, so that what is written outlives it.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempPath;
use tokio::net::{TcpListener, TcpStream};

use super::{eventually, within};

/// Tells the program that it is an origin, and which: where, what it speaks, its books.
const ROLE: &str = "SLUICE_TESTS_ORIGIN";
/// The field with a request's number, and what a routing plugin said, which goes back with the answer.
pub const NUMBER: &str = "x-id";
pub const ROUTED: &str = "x-routed-by";

/// How often each request has come to any origin: one file, one number behind the other.
pub struct Books(TempPath);

impl Books {
    pub fn new() -> Self {
        Self(tempfile::NamedTempFile::new().unwrap().into_temp_path())
    }

    /// By number, up to `most`; others are no requests of anybody.
    pub fn counts(&self, most: u64) -> Vec<u8> {
        let mut counts = vec![0_u8; usize::try_from(most).unwrap()];
        for entry in std::fs::read(&self.0).unwrap().as_chunks().0 {
            let count = &mut counts[usize::try_from(u64::from_le_bytes(*entry)).unwrap()];
            *count = count.saturating_add(1);
        }
        counts
    }
}

/// A running one.
pub struct Process {
    pub address: SocketAddr,
    books: PathBuf,
    protocol: &'static str,
    child: Child,
}

impl Process {
    /// One that speaks HTTP/1.1.
    pub async fn start(books: &Books) -> Self {
        Self::speaking("http/1.1", books).await
    }

    /// One that speaks HTTP/2, by prior knowledge.
    pub async fn h2(books: &Books) -> Self {
        Self::speaking("h2", books).await
    }

    async fn speaking(protocol: &'static str, books: &Books) -> Self {
        let books = books.0.to_path_buf();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let (child, address) = begin(nowhere, protocol, books.clone()).await;
        Self { address, books, protocol, child }
    }

    /// SIGKILL: the system closes its connections, and refuses new ones.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Another one in its place.
    pub async fn come_back(&mut self) {
        self.child = begin(self.address, self.protocol, self.books.clone()).await.0;
    }

    /// SIGSTOP: connections stay, and new ones are taken by the system, but nobody is there.
    pub fn stop(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).unwrap();
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts one and waits until it listens; beside, so that clients of the test go on meanwhile.
async fn begin(address: SocketAddr, protocol: &str, books: PathBuf) -> (Child, SocketAddr) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "harness::process::serves", "--ignored", "--nocapture"]);
    command.env(ROLE, format!("{address} {protocol} {}", books.display()));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let begun = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().parse().unwrap_or_else(|_| panic!("an origin does not listen: {line}"));
        (child, address)
    });
    within("an origin", begun).await.unwrap()
}

/// Not a test: the origin. It ends with whoever started it.
#[test]
#[ignore = "part of other tests"]
fn serves() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let [address, protocol, books] = role.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{role}") };
    std::thread::spawn(|| {
        // What matters is its end.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(listen(address.parse().unwrap(), protocol == "h2", Path::new(books)));
}

async fn listen(address: SocketAddr, h2: bool, books: &Path) {
    let books = Arc::new(OpenOptions::new().append(true).open(books).unwrap());
    // Where one was killed, its port may be taken for a moment by a connection that is not quite over.
    let listener = eventually("the port", async || TcpListener::bind(address).await.ok()).await;
    eprintln!("{}", listener.local_addr().unwrap());
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, h2, books.clone()));
    }
}

async fn converse(stream: TcpStream, h2: bool, books: Arc<File>) {
    stream.set_nodelay(true).unwrap();
    let service = service_fn(move |request| answer(books.clone(), request));
    // A connection that breaks is the other side's business.
    if h2 {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new()).max_concurrent_streams(1_000);
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    } else {
        let mut http = http1::Builder::new();
        let _ = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
    }
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Says back what comes: the number of a request, or, at `/stream`, whatever it says, as it says it, with its trailers.
async fn answer(books: Arc<File>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    if head.uri.path() == "/stream" {
        return Ok(Response::new(body.boxed()));
    }
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = text(NUMBER);
    let number = said.parse::<u64>().ok().filter(|_| head.uri.path().strip_prefix('/') == Some(said));
    // Of a body that breaks off nothing is believed.
    let body = body.collect().await.map(|body| body.to_bytes());
    let is_whole = body.is_ok_and(|body| head.method != Method::POST || body == said);
    let mut response = Response::new(Full::from(said.to_owned()).map_err(|never| match never {}).boxed());
    if let Some(by) = head.headers.get(ROUTED) {
        response.headers_mut().insert(ROUTED, by.clone());
    }
    match number.filter(|_| is_whole) {
        // One write, at the end, whoever else writes.
        Some(number) => (&*books).write_all(&number.to_le_bytes()).unwrap(),
        None => *response.status_mut() = StatusCode::IM_A_TEAPOT,
    }
    Ok(response)
}
