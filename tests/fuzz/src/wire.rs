//! What goes over the wire: hyper writes heads as it does in the gateway, and another reader reads them back.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// More than any head here.
const ROOM: usize = 1 << 20;

thread_local! {
    static RUNTIME: Runtime = runtime(false);
}

/// A runtime on this thread; its clock may stand still but for what waits for it.
pub fn runtime(paused: bool) -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(paused).build().expect("the system has room for one")
}

/// Lets that be done.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// A message as somebody else reads it.
#[derive(Debug)]
pub struct Message {
    /// Method and target, or status.
    pub line: Vec<String>,
    /// Name in lower case and value, by name.
    pub fields: Vec<(String, Vec<u8>)>,
    /// What comes behind the head.
    pub rest: Vec<u8>,
}

/// What hyper's client writes of a request: its head at least.
pub fn sent<B>(request: Request<B>) -> Vec<u8>
where
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    block_on(async {
        let (near, mut far) = tokio::io::duplex(ROOM);
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(near)).await;
        let (mut sender, connection) = handshake.expect("there is nothing to shake hands about");
        let read = async {
            let mut bytes = Vec::new();
            while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
                assert!(
                    far.read_buf(&mut bytes).await.is_ok_and(|count| count > 0),
                    "no head: {:?}",
                    bytes.escape_ascii()
                );
            }
            bytes
        };
        tokio::select! {
            biased;
            bytes = read => bytes,
            ended = connection => panic!("hyper does not send this: {ended:?}"),
            never = async { sender.send_request(request).await.map(|_| ()).err(); std::future::pending::<Vec<u8>>().await } => never,
        }
    })
}

/// All that hyper's server writes of an answer to a request of that method.
pub fn answered<B>(method: &Method, response: Response<B>) -> Vec<u8>
where
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    block_on(async {
        let (mut client, server) = tokio::io::duplex(ROOM);
        let request = format!("{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.expect("there is room");
        let response = std::cell::Cell::new(Some(response));
        let answer = async |_| Ok::<_, Infallible>(response.take().expect("one request, one answer"));
        let served =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service_fn(answer));
        served.await.unwrap_or_else(|error| panic!("hyper does not send this: {error:?}"));
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.expect("what was written is there");
        bytes
    })
}

/// Reads a request back, strictly.
pub fn read_request(bytes: &[u8]) -> Message {
    let mut fields = [httparse::EMPTY_HEADER; 512];
    let mut read = httparse::Request::new(&mut fields);
    let length = match read.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        other => panic!("{other:?}: {}", bytes.escape_ascii()),
    };
    let line = [read.method, read.path].map(|part| part.unwrap_or_default().to_owned()).to_vec();
    Message { line, fields: fields_of(read.headers), rest: bytes[length..].to_vec() }
}

/// Reads an answer back, strictly.
pub fn read_response(bytes: &[u8]) -> Message {
    let mut fields = [httparse::EMPTY_HEADER; 512];
    let mut read = httparse::Response::new(&mut fields);
    let length = match read.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        other => panic!("{other:?}: {}", bytes.escape_ascii()),
    };
    let line = vec![read.code.unwrap_or_default().to_string()];
    Message { line, fields: fields_of(read.headers), rest: bytes[length..].to_vec() }
}

fn fields_of(read: &[httparse::Header<'_>]) -> Vec<(String, Vec<u8>)> {
    let mut fields: Vec<_> = read.iter().map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec())).collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields
}

/// A body of unknown length that never comes.
#[derive(Debug)]
pub struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Pending
    }
}

/// A body that comes in one piece and does not tell its length before.
#[derive(Debug)]
pub struct Piece(Option<Bytes>);

impl Piece {
    pub fn new(piece: Bytes) -> Self {
        Self(Some(piece))
    }
}

impl Body for Piece {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.take().map(|piece| Ok(http_body::Frame::data(piece))))
    }
}
