//! The byte stream of a client between TLS and hyper. It gives back what was read to tell protocols apart, and notes when
//! bytes come in, so that heads and idle connections have their deadlines.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::rt::ReadBufCursor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::observe::Activity;

/// How an HTTP/2 connection begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a client that has ended its side may wait for the answer to what it sent: some close it right behind the
/// request. From outside it looks the same as a client that has gone away, whose exchange is given up then.
const HALF_CLOSED: Duration = Duration::from_millis(500);

/// How long a client may go on sending what nobody wants any more. Closed at once, the connection would be reset, and the
/// client might never see the answer that said why (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(1);

/// A client's byte stream.
#[derive(Debug)]
pub(super) struct ClientIo<S> {
    stream: S,
    /// Read ahead, and not yet handed on.
    ahead: Bytes,
    /// The client has ended its side while an exchange was going on.
    ended: Option<Pin<Box<Sleep>>>,
    /// This side has ended; what the client still sends is thrown away.
    lingering: Option<Pin<Box<Sleep>>>,
    activity: Rc<Activity>,
}

impl<S: AsyncRead + Unpin> ClientIo<S> {
    pub(super) fn new(stream: S, activity: Rc<Activity>) -> Self {
        Self { stream, ahead: Bytes::new(), ended: None, lingering: None, activity }
    }

    /// True if the client speaks HTTP/2 without being asked.
    pub(super) async fn begins_with_preface(&mut self) -> std::io::Result<bool> {
        let mut read = Vec::with_capacity(PREFACE.len());
        while read.len() < PREFACE.len() && PREFACE.starts_with(&read) {
            let mut rest = [0; PREFACE.len()];
            let (rest, _) = rest.split_at_mut(PREFACE.len() - read.len());
            let count = self.stream.read(rest).await?;
            if count == 0 {
                break;
            }
            self.activity.received();
            read.extend(rest.iter().take(count));
        }
        let is_preface = read == PREFACE;
        self.ahead = Bytes::from(read);
        Ok(is_preface)
    }

    /// The stream below.
    pub(super) fn inner_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S: AsyncRead + Unpin> hyper::rt::Read for ClientIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.ahead.has_remaining() {
            let count = self.ahead.remaining().min(buffer.remaining());
            let part = self.ahead.split_to(count);
            buffer.put_slice(&part);
            return Poll::Ready(Ok(()));
        }
        if self.ended.is_none() {
            let count = ready!(read(&mut self.stream, context, &mut buffer))?;
            if count > 0 || !self.activity.is_busy() {
                self.activity.received();
                return Poll::Ready(Ok(()));
            }
        }
        let wait = self.ended.get_or_insert_with(|| Box::pin(sleep(HALF_CLOSED)));
        let given_up = wait.as_mut().poll(context).is_ready();
        if given_up || !self.activity.is_busy() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// Reads into hyper's buffer; 0 is the end.
fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    buffer: &mut ReadBufCursor<'_>,
) -> Poll<std::io::Result<usize>> {
    // SAFETY: `ReadBuf` writes initialized bytes only, and counts them.
    let mut part = ReadBuf::uninit(unsafe { buffer.as_mut() });
    ready!(Pin::new(stream).poll_read(context, &mut part))?;
    let count = part.filled().len();
    // SAFETY: so many bytes were just filled.
    unsafe { buffer.advance(count) };
    Poll::Ready(Ok(count))
}

impl<S: AsyncRead + AsyncWrite + Unpin> hyper::rt::Write for ClientIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.activity.wrote(written.is_pending());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.activity.wrote(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let linger = this.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut unwanted = [0; 4096];
        loop {
            let mut part = ReadBuf::new(&mut unwanted);
            match Pin::new(&mut this.stream).poll_read(context, &mut part) {
                Poll::Ready(Ok(())) if !part.filled().is_empty() => {}
                // The client has ended too, one way or the other.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return linger.as_mut().poll(context).map(Ok),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.activity.wrote(written.is_pending());
        written
    }
}
