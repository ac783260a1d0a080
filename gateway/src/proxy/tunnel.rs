//! What follows an upgrade: bytes between a client and an endpoint, copied both ways as they come and not looked into. Who
//! reads slowly slows the other one down, either side may end before the other, and at rest there is no buffer.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::attempt::Attempt;
use crate::config::model::Timeouts;
use crate::message::Patience;
use crate::observe::Record;
use crate::upstream::Stream;

/// Bytes that are read at a time.
const PIECE: usize = 16 * 1024;

/// An exchange that has become a stream of bytes. It counts as in flight, and its record is written, when that has ended.
#[derive(Debug)]
pub struct Tunnel {
    endpoint: Stream,
    /// What the endpoint has sent right behind its answer.
    ahead: Bytes,
    /// It is cut after so long without a byte either way.
    idle: Duration,
    /// Or after so long in which the client takes nothing of what waits for it.
    stall: Duration,
    attempt: Box<Attempt>,
    record: Box<Record>,
}

/// How a tunnel ended, for whoever looks after its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TunnelEnd {
    /// By itself, or for want of bytes.
    Ended,
    /// It was told to end.
    Cut,
    /// The client took nothing.
    Stalled,
}

/// Why a tunnel is over.
enum End {
    /// Both sides have ended, each in its time.
    Both,
    /// The client broke off.
    Client,
    /// The endpoint broke off.
    Endpoint(io::Error),
    /// Nothing came.
    Idle,
    /// The client took nothing of what waits for it.
    Stalled,
    /// It was told to end.
    Cut,
}

impl Tunnel {
    pub(super) fn new(
        (endpoint, ahead): (Stream, Bytes),
        timeouts: &Timeouts,
        attempt: Box<Attempt>,
        record: Box<Record>,
    ) -> Box<Self> {
        let Timeouts { stream_idle: idle, send_stall: stall, .. } = *timeouts;
        Box::new(Self { endpoint, ahead, idle, stall, attempt, record })
    }

    /// Copies until both sides have ended, one has broken off, nothing has come or the client has taken nothing for too long, or
    /// `end` has come. `ahead` is what was read of the client already.
    pub async fn run(
        self,
        mut client: impl AsyncRead + AsyncWrite + Unpin,
        ahead: Bytes,
        end: impl Future<Output = ()>,
    ) -> TunnelEnd {
        let Self { mut endpoint, ahead: behind, idle, stall, mut attempt, mut record } = self;
        let received = Rc::<Cell<u64>>::default();
        record.received = Some(received.clone());
        attempt.sent = Some(received.clone());
        let (mut up, mut down) = (Way::new(ahead), Way::new(behind));
        let mut patience = Patience::default();
        let (mut moved, mut since) = (0, Instant::now());
        // Since when the client has not taken more than so many bytes although more wait for it.
        let mut stalled: Option<(u64, Instant)> = None;
        let mut end = pin!(end);
        let over = poll_fn(|context| {
            let sent = up.poll(&mut client, &mut endpoint, context);
            let answered = down.poll(&mut endpoint, &mut client, context);
            received.set(up.moved);
            (record.bytes_out, attempt.received) = (down.moved, down.moved);
            attempt.flows();
            match (sent, answered) {
                (Poll::Ready(Err(Broken::Reader(_))), _) | (_, Poll::Ready(Err(Broken::Writer(_)))) => {
                    return Poll::Ready(End::Client);
                }
                (Poll::Ready(Err(Broken::Writer(error))), _) | (_, Poll::Ready(Err(Broken::Reader(error)))) => {
                    return Poll::Ready(End::Endpoint(error));
                }
                (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(End::Both),
                _ => {}
            }
            if end.as_mut().poll(context).is_ready() {
                return Poll::Ready(End::Cut);
            }
            if moved != up.moved + down.moved {
                (moved, since) = (up.moved + down.moved, Instant::now());
            }
            if !down.is_waiting() {
                stalled = None;
            } else if stalled.is_none_or(|(taken, _)| taken != down.moved) {
                stalled = Some((down.moved, Instant::now()));
            }
            match stalled.map(|(_, since)| since + stall).filter(|stalled| *stalled < since + idle) {
                Some(stalled) => patience.poll_until(stalled, context).map(|()| End::Stalled),
                None => patience.poll_until(since + idle, context).map(|()| End::Idle),
            }
        });
        let end = over.await;
        match &end {
            End::Both | End::Client => {}
            End::Endpoint(error) => {
                record.note(format!("the stream broke off: {error}"));
                attempt.broke();
            }
            End::Idle => record.note(format!("the stream was cut: nothing came for {idle:?}")),
            End::Stalled => record.note(format!("the stream was cut off: the client took nothing for {stall:?}")),
            End::Cut => record.note("the stream was cut at the end of `drain-streams`".to_owned()),
        }
        match end {
            End::Stalled => TunnelEnd::Stalled,
            End::Cut => TunnelEnd::Cut,
            _ => TunnelEnd::Ended,
        }
    }
}

/// One direction.
struct Way {
    /// Read, and not yet taken by the other side.
    kept: Bytes,
    /// Bytes that the other side has taken.
    moved: u64,
    unflushed: bool,
    /// The reader has ended.
    ended: bool,
    /// The writer was told so.
    closed: bool,
}

/// Which side of a direction is no more.
enum Broken {
    Reader(io::Error),
    Writer(io::Error),
}

impl Way {
    fn new(kept: Bytes) -> Self {
        Self { kept, moved: 0, unflushed: false, ended: false, closed: false }
    }

    /// True while there is something that the writer does not take.
    fn is_waiting(&self) -> bool {
        !self.kept.is_empty() || self.unflushed || self.ended && !self.closed
    }

    /// Ready when the reader has ended and the writer knows.
    fn poll<R, W>(&mut self, reader: &mut R, writer: &mut W, context: &mut Context<'_>) -> Poll<Result<(), Broken>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut room = [MaybeUninit::uninit(); PIECE];
        while !self.closed {
            while !self.kept.is_empty() {
                let count = ready!(self.poll_write(writer, None, context))?;
                self.kept.advance(count);
            }
            if self.ended {
                ready!(Pin::new(&mut *writer).poll_shutdown(context)).map_err(Broken::Writer)?;
                self.closed = true;
                break;
            }
            let mut piece = ReadBuf::uninit(&mut room);
            match Pin::new(&mut *reader).poll_read(context, &mut piece) {
                Poll::Ready(Ok(())) if piece.filled().is_empty() => self.ended = true,
                Poll::Ready(Ok(())) => self.pass_on(piece.filled(), writer, context)?,
                // TLS that ends without a goodbye, as browsers do it.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => self.ended = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Reader(error))),
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *writer).poll_flush(context)).map_err(Broken::Writer)?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what was just read; what the writer does not take now is kept.
    fn pass_on<W: AsyncWrite + Unpin>(
        &mut self,
        mut piece: &[u8],
        writer: &mut W,
        context: &mut Context<'_>,
    ) -> Result<(), Broken> {
        while !piece.is_empty() {
            match self.poll_write(writer, Some(piece), context)? {
                Poll::Ready(count) => piece = piece.get(count..).unwrap_or_default(),
                Poll::Pending => {
                    self.kept = Bytes::copy_from_slice(piece);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Writes this piece, or what is kept.
    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        writer: &mut W,
        piece: Option<&[u8]>,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, Broken>> {
        let written = ready!(Pin::new(writer).poll_write(context, piece.unwrap_or(&self.kept)));
        let count = written.map_err(Broken::Writer)?;
        if count == 0 {
            return Poll::Ready(Err(Broken::Writer(io::ErrorKind::WriteZero.into())));
        }
        self.moved += count as u64;
        self.unflushed = true;
        Poll::Ready(Ok(count))
    }
}
