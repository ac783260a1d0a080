//! The last word on a connection whose next request is none. hyper has not begun an answer, so it is written by hand.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use hyper::rt::Write;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::client_io::ClientIo;
use crate::proxy::headers::write_fields;

/// How long it may take: the client may not read, or go on sending.
const MOST: Duration = Duration::from_secs(2);

/// Writes the answer, and ends the connection so that the client can read it.
pub(super) async fn say<S>(mut io: ClientIo<S>, (status, headers, body): (StatusCode, HeaderMap, Bytes))
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let date = httpdate::HttpDate::from(SystemTime::now());
    let mut text = format!("HTTP/1.1 {status}\r\nconnection: close\r\ndate: {date}\r\n").into_bytes();
    write_fields(&headers, &mut text);
    text.extend_from_slice(&body);
    let goodbye = async {
        io.inner_mut().write_all(&text).await?;
        poll_fn(|context| Pin::new(&mut io).poll_shutdown(context)).await
    };
    // A client that has gone away, or does not listen, has not heard it.
    let _ = tokio::time::timeout(MOST, goodbye).await;
}
