//! TCP streams of a worker, to clients and to endpoints. What they write in one turn of the event loop leaves together at its
//! end: whoever waits for it is woken once for many of them, which on loopback costs more than the writing itself.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is longer goes out at once: there is nothing to gain from keeping it.
const LONGEST_KEPT: usize = 16 * 1024;

/// Room that a socket keeps while it has nothing to send.
const LARGEST_IDLE: usize = 2 * 1024;

/// The sockets of one worker that have something to send at the end of this turn.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: RefCell<Vec<Rc<RefCell<Wire>>>>,
    /// Who empties it.
    sender: RefCell<Option<Waker>>,
}

/// One TCP stream.
#[derive(Debug)]
pub struct Socket {
    wire: Rc<RefCell<Wire>>,
    outbox: Rc<Outbox>,
}

#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    /// Written, and not yet taken by the system.
    kept: Vec<u8>,
    /// Stands in the outbox.
    waits: bool,
    /// Whoever wrote last: to be woken if the system does not take all.
    writer: Option<Waker>,
    failed: Option<io::Error>,
    /// Bytes that the system has taken.
    sent: u64,
}

/// Tells how much of what was written to a socket has reached the other end.
#[derive(Debug, Clone)]
pub struct Meter(Rc<RefCell<Wire>>);

impl Outbox {
    /// Sends what there is at the end of each turn, and never ends. To be spawned on the worker's event loop, where it comes
    /// behind whatever was ready before it.
    pub async fn empty(self: Rc<Self>) {
        let mut emptied = Vec::new();
        poll_fn(|context| {
            std::mem::swap(&mut *self.waiting.borrow_mut(), &mut emptied);
            for wire in emptied.drain(..) {
                wire.borrow_mut().send();
            }
            let mut sender = self.sender.borrow_mut();
            if !sender.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
                *sender = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn take(&self, wire: &Rc<RefCell<Wire>>) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty()
            && let Some(sender) = &*self.sender.borrow()
        {
            sender.wake_by_ref();
        }
        waiting.push(wire.clone());
    }
}

impl Wire {
    /// At the end of a turn.
    fn send(&mut self) {
        self.waits = false;
        let done = self.poll_send(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Err(error)) = done {
            self.failed = Some(error);
        } else if done.is_ready() {
            return;
        }
        // It has to wait until the system takes more, or to learn that it never will.
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let outcome = loop {
            match self.kept.get(sent..).unwrap_or_default() {
                [] => break Poll::Ready(Ok(())),
                rest => match again(|| Pin::new(&mut self.stream).poll_write(context, rest)) {
                    Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(count)) => {
                        sent += count;
                        self.sent += count as u64;
                    }
                    Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                    Poll::Pending => break Poll::Pending,
                },
            }
        };
        self.kept.drain(..sent);
        if self.kept.is_empty() && self.kept.capacity() > LARGEST_IDLE {
            self.kept = Vec::new();
        }
        outcome
    }

    /// Room for another write: nothing stuck, nothing failed.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        if self.waits { Poll::Ready(Ok(())) } else { self.poll_send(context) }
    }
}

impl Socket {
    /// Puts its writes into this outbox.
    pub fn new(stream: TcpStream, outbox: &Rc<Outbox>) -> Self {
        let wire = Wire { stream, kept: Vec::new(), waits: false, writer: None, failed: None, sent: 0 };
        Self { wire: Rc::new(RefCell::new(wire)), outbox: outbox.clone() }
    }

    /// For as long as the socket lives, and longer.
    pub fn meter(&self) -> Meter {
        Meter(self.wire.clone())
    }

    fn keep(&self, context: &mut Context<'_>, wire: &mut Wire) {
        if !wire.waits {
            wire.waits = true;
            self.outbox.take(&self.wire);
        }
        if !wire.writer.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            wire.writer = Some(context.waker().clone());
        }
    }
}

impl Meter {
    /// Bytes that the other end has confirmed so far. Where the system does not tell, those that the system has taken. A
    /// system call: for those who wonder, not for each turn.
    pub fn arrived(&self) -> u64 {
        let wire = self.0.borrow();
        wire.sent.saturating_sub(unconfirmed(&wire.stream))
    }

    /// When the socket is closed, the system throws away what the other end has not taken, and resets the connection. Else
    /// it would go on for minutes to offer it to one that does not read.
    pub fn abandon(&self) {
        if let Err(error) = SockRef::from(&self.0.borrow().stream).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(target: "sluice", reason = %error, "the rest for a client is not thrown away");
        }
    }
}

/// Bytes that wait in the system: not sent, or not confirmed (SIOCOUTQ of tcp(7)).
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
fn unconfirmed(stream: &TcpStream) -> u64 {
    use rustix::ioctl::{Getter, Opcode, ioctl};

    const SIOCOUTQ: Opcode = 0x5411;
    // SAFETY: of a TCP socket it asks for one `int`, and has no other effect.
    let waiting = unsafe { ioctl(stream, Getter::<SIOCOUTQ, std::ffi::c_int>::new()) };
    waiting.ok().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))))]
fn unconfirmed(_: &TcpStream) -> u64 {
    0
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = &mut self.wire.borrow_mut().stream;
        again(|| Pin::new(&mut *stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = &mut *self.wire.borrow_mut();
        ready!(wire.poll_ready(context))?;
        let length = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if wire.kept.len() + length > LONGEST_KEPT {
            // In order: what was kept goes first.
            ready!(wire.poll_send(context))?;
            let count = ready!(again(|| Pin::new(&mut wire.stream).poll_write_vectored(context, slices)))?;
            wire.sent += count as u64;
            return Poll::Ready(Ok(count));
        }
        slices.iter().for_each(|slice| wire.kept.extend_from_slice(slice));
        self.keep(context, wire);
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What waits goes out at the end of this turn without anybody's doing.
        self.wire.borrow_mut().poll_ready(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self.wire.borrow_mut();
        ready!(wire.poll_send(context))?;
        Pin::new(&mut wire.stream).poll_shutdown(context)
    }
}

/// Once more where a signal came in between: nothing has happened then.
fn again<T>(mut call: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
