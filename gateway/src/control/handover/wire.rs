//! Messages and descriptors over a Unix socket: a length of four bytes and JSON, and sockets one by one, each with a byte.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::io::{read, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg, sockopt,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of a message. Parts are far smaller.
const LARGEST: usize = 16 * 1024 * 1024;
/// How long the other side may take to answer or to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// Goes with each descriptor.
const MARK: u8 = b'd';

/// One end of it.
#[derive(Debug)]
pub(super) struct Wire(UnixStream);

impl Wire {
    /// Of a connection to a process of this user, or of root.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        let (peer, own) = (sockopt::socket_peercred(&stream)?.uid, rustix::process::geteuid());
        if peer != own && !peer.is_root() {
            return Err(io::Error::other(format!("the other side is user {}", peer.as_raw())));
        }
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// How long the other side may take to speak from now on; none: as long as it likes.
    pub(super) fn wait(&self, patience: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(patience)
    }

    /// The other process's number.
    pub(super) fn peer(&self) -> io::Result<u32> {
        Ok(sockopt::socket_peercred(&self.0)?.pid.as_raw_nonzero().get().unsigned_abs())
    }

    pub(super) fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let length = u32::try_from(text.len()).ok().filter(|_| text.len() <= LARGEST);
        let length = length.ok_or_else(|| io::Error::other("a message is too long"))?;
        self.0.write_all(&[&length.to_be_bytes(), text.as_slice()].concat())
    }

    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        self.receive_or_end()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// None: the other side has ended between two messages.
    pub(super) fn receive_or_end<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let (mut first, mut rest) = ([0; 1], [0; 3]);
        // A signal may be handled on any thread.
        if retry_on_intr(|| read(&self.0, &mut first))? == 0 {
            return Ok(None);
        }
        self.0.read_exact(&mut rest)?;
        let ([first], [second, third, fourth]) = (first, rest);
        let length = u32::from_be_bytes([first, second, third, fourth]) as usize;
        if length > LARGEST {
            return Err(io::Error::other("a message is too long"));
        }
        let mut text = vec![0; length];
        self.0.read_exact(&mut text)?;
        Ok(Some(serde_json::from_slice(&text)?))
    }

    pub(super) fn send_descriptor(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor];
        if !beside.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::Error::other("no room for a descriptor"));
        }
        let sent = retry_on_intr(|| sendmsg(&self.0, &[IoSlice::new(&[MARK])], &mut beside, SendFlags::NOSIGNAL));
        match sent? {
            1 => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    pub(super) fn receive_descriptor(&mut self) -> io::Result<OwnedFd> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut mark = [0];
        let mut bytes = [IoSliceMut::new(&mut mark)];
        retry_on_intr(|| recvmsg(&self.0, &mut bytes, &mut beside, RecvFlags::CMSG_CLOEXEC))?;
        let mut descriptors = beside.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let found = descriptors.next().and_then(|mut descriptors| descriptors.next());
        found.filter(|_| mark == [MARK]).ok_or_else(|| io::Error::other("a socket did not come along"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn pair() -> (Wire, Wire) {
        let (one, other) = UnixStream::pair().expect("sockets");
        let wire = |stream| Wire::new(stream).expect("this user");
        (wire(one), wire(other))
    }

    #[test]
    fn messages_and_descriptors_come_in_order() {
        let (mut one, mut other) = pair();
        let sockets: Vec<_> = (0..3).map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a socket")).collect();
        one.send(&"before").expect("sent");
        for socket in &sockets {
            one.send_descriptor(socket.as_fd()).expect("sent");
        }
        one.send(&"after").expect("sent");
        assert_eq!(other.receive::<String>().expect("came"), "before");
        for socket in &sockets {
            let came = std::net::TcpListener::from(other.receive_descriptor().expect("came"));
            assert_eq!(came.local_addr().ok(), socket.local_addr().ok());
        }
        assert_eq!(other.receive::<String>().expect("came"), "after");
        assert_eq!(other.peer().expect("known"), std::process::id());
        drop(one);
        assert!(other.receive_or_end::<String>().expect("an end").is_none());
        assert!(other.receive::<String>().is_err());
    }

    #[test]
    fn what_is_no_message_or_descriptor_is_an_error() {
        let (mut one, mut other) = pair();
        one.0.write_all(&u32::MAX.to_be_bytes()).expect("sent");
        assert!(other.receive::<String>().is_err());
        let (mut one, mut other) = pair();
        one.0.write_all(b"\0\0\0\x02{x").expect("sent");
        assert!(other.receive::<String>().is_err());
        let (mut one, mut other) = pair();
        one.0.write_all(b"d").expect("sent");
        assert!(other.receive_descriptor().is_err());
    }
}
