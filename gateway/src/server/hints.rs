//! What endpoints say before their answers (1xx), on its way to a client of HTTP/1.1: written to its byte stream where hyper,
//! which cannot send such answers, has nothing to write.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::message::Interims;
use crate::proxy::headers::write_interim;

/// Those of one connection.
#[derive(Debug)]
pub(super) struct Hints {
    interims: Arc<Interims>,
    /// Begun to be written: it comes before all else.
    begun: Vec<u8>,
    /// All that hyper had written was flushed, and it has written nothing since.
    is_between: bool,
}

impl Hints {
    pub(super) fn new(interims: Arc<Interims>) -> Self {
        Self { interims, begun: Vec::new(), is_between: true }
    }

    /// hyper is going to flush: it has nothing left to write, and no answer has begun to an exchange that still gives hints.
    pub(super) fn poll_before_flush<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.interims.has_hints() || !self.begun.is_empty() {
            return self.poll_write(stream, context);
        }
        Poll::Ready(Ok(()))
    }

    /// hyper has flushed.
    pub(super) fn flushed(&mut self) {
        self.is_between = true;
    }

    /// hyper is going to write: the beginning of an answer, or more of one.
    pub(super) fn poll_before_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_between {
            // An answer of before is still on its way; when it is out, the next one follows at once.
            self.interims.forget();
        }
        ready!(self.poll_before_flush(stream, context))?;
        self.is_between = false;
        Poll::Ready(Ok(()))
    }

    fn poll_write<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        for (status, headers) in self.interims.take() {
            write_interim(status, headers, &mut self.begun);
        }
        while !self.begun.is_empty() {
            let count = ready!(Pin::new(&mut *stream).poll_write(context, &self.begun))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.begun.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}
