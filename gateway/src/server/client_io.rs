//! The byte stream of a client between TLS and hyper. It gives back what was read to tell protocols apart, lets the guard
//! see all that comes in before hyper does, and hints of endpoints go out before what hyper writes.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::rt::ReadBufCursor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::guard::Guard;
use super::hints::Hints;
use crate::message::Interims;
use crate::observe::Activity;
use crate::proxy::headers::Refusal;

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
    guard: Guard,
    /// A client that is cut off has been told so.
    parted: bool,
    activity: Rc<Activity>,
    hints: Hints,
}

impl<S: AsyncRead + Unpin> ClientIo<S> {
    pub(super) fn new(stream: S, activity: Rc<Activity>, interims: Arc<Interims>) -> Self {
        let (ahead, guard, hints) = (Bytes::new(), Guard::None, Hints::new(interims));
        Self { stream, ahead, ended: None, lingering: None, guard, parted: false, activity, hints }
    }

    /// The same, watched from now on.
    pub(super) fn guarded(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }

    /// Why the head that was coming in is none.
    pub(super) fn refused_head(&self) -> Option<Refusal> {
        self.guard.refused_head()
    }

    /// True if the client speaks HTTP/2 without being asked.
    pub(super) async fn begins_with_preface(&mut self) -> io::Result<bool> {
        let mut read = Vec::with_capacity(PREFACE.len());
        while read.len() < PREFACE.len() && PREFACE.starts_with(&read) {
            let mut rest = [0; PREFACE.len()];
            let (rest, _) = rest.split_at_mut(PREFACE.len() - read.len());
            let count = self.stream.read(rest).await?;
            if count == 0 {
                break;
            }
            self.activity.heads(0, true);
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

    /// The stream below, and what was read of it and not yet handed on.
    pub(super) fn into_inner(self) -> (S, Bytes) {
        (self.stream, self.ahead)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> hyper::rt::Read for ClientIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        while self.ended.is_none() {
            if self.activity.is_cut().is_some() {
                self.part(context);
                return Poll::Ready(Ok(()));
            }
            if let Some(refusal) = self.guard.refused_body() {
                self.activity.break_body();
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refusal)));
            }
            if self.guard.may_be_upgraded() {
                return Poll::Pending;
            }
            // SAFETY: `ReadBuf` writes initialized bytes only, and counts them.
            let mut part = ReadBuf::uninit(unsafe { buffer.as_mut() });
            ready!(self.poll_fill(context, &mut part))?;
            if part.filled().is_empty() {
                break;
            }
            let Self { guard, activity, ahead, .. } = &mut *self;
            let passed = guard.look(part.filled_mut(), activity);
            if guard.may_be_upgraded() {
                *ahead = Bytes::copy_from_slice(part.filled().get(passed..).unwrap_or_default());
            }
            if passed > 0 {
                // SAFETY: so many bytes and perhaps more were just filled.
                unsafe { buffer.advance(passed) };
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_ended(context)
    }
}

impl<S: AsyncRead + Unpin> ClientIo<S> {
    /// Nothing filled is the end.
    fn poll_fill(&mut self, context: &mut Context<'_>, part: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.has_remaining() {
            return Pin::new(&mut self.stream).poll_read(context, part);
        }
        let count = self.ahead.remaining().min(part.remaining());
        part.put_slice(&self.ahead.split_to(count));
        Poll::Ready(Ok(()))
    }

    /// The client has ended its side; when hyper is to learn that.
    fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.is_busy() {
            let wait = self.ended.get_or_insert_with(|| Box::pin(sleep(HALF_CLOSED)));
            return wait.as_mut().poll(context).map(Ok);
        }
        // Who was refused is still to be told why.
        if self.activity.is_over() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

impl<S: AsyncWrite + Unpin> ClientIo<S> {
    /// hyper is told that the client has ended its side, and ends this one; the client is told why where that can be said.
    fn part(&mut self, context: &mut Context<'_>) {
        let goodbye = self.guard.goodbye().filter(|_| !self.parted);
        self.parted = true;
        if let Some(frame) = goodbye {
            // Who takes nothing would not read this either.
            let _ = Pin::new(&mut self.stream).poll_write(context, &frame);
            let _ = Pin::new(&mut self.stream).poll_flush(context);
        }
    }

    /// So much of these was written, or cannot be now.
    fn wrote(&mut self, context: &mut Context<'_>, written: &Poll<io::Result<usize>>, slices: &[IoSlice<'_>]) {
        self.activity.wrote(written.is_pending());
        if let Poll::Ready(Ok(count)) = written
            && self.guard.look_out(slices, *count, &self.activity)
        {
            // Whoever reads has to learn of it.
            context.waker().wake_by_ref();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> hyper::rt::Write for ClientIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, hints, .. } = &mut *self;
        ready!(hints.poll_before_write(stream, context))?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, &written, &[IoSlice::new(bytes)]);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, hints, .. } = &mut *self;
        ready!(hints.poll_before_flush(stream, context))?;
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.hints.flushed();
        }
        self.activity.wrote(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.activity.ends();
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
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, hints, .. } = &mut *self;
        ready!(hints.poll_before_write(stream, context))?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(context, &written, slices);
        written
    }
}
