//! Open sockets: one for each worker and address, so that the kernel spreads connections and no thread hands any on. Some
//! were open before this gateway began: a supervisor's, and those of a gateway that it takes over from. They come with the
//! connections that wait in them, and so are taken in place of new ones wherever the address is the same.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that wait to be accepted.
pub const BACKLOG: i32 = 4096;

/// Bytes to a client that the kernel keeps beyond what is on its way. Without a bound they are megabytes for each client that
/// does not read, and memory for all TCP of the machine is used up by a few hundred such; an answer that lies there whole is
/// also no longer ours to give up. Connections that are accepted have it from the socket that listens.
const UNSENT: u32 = 128 * 1024;

/// The sockets of one address.
#[derive(Debug)]
pub struct Open {
    /// The real address; that of all: port 0 has become one that was free.
    pub address: SocketAddr,
    /// At least one for each worker, in turns.
    pub sockets: Vec<TcpListener>,
    /// Connections that one worker does not take come to others: some of these are one and the same socket.
    pub shared: bool,
}

impl Open {
    /// The part of the next of so many workers.
    pub fn part(&mut self, workers: usize) -> Self {
        let (all, part) = (self.sockets.len(), self.sockets.len().div_ceil(workers.max(1)));
        Self { address: self.address, sockets: self.sockets.split_off(all - part), shared: self.shared }
    }
}

/// The sockets of a listener of another gateway.
#[derive(Debug)]
pub struct Handed {
    /// As that one's configuration has it.
    pub address: SocketAddr,
    /// See [`Open::shared`].
    pub shared: bool,
    /// One at least.
    pub sockets: Vec<TcpListener>,
}

/// Where listening sockets come from.
#[derive(Debug, Default)]
pub struct Sockets {
    /// A supervisor's, which keeps them open too: so they are never used up.
    supervised: Vec<TcpListener>,
    /// Another gateway's, each to be taken once.
    handed: Mutex<Vec<Handed>>,
    /// Nobody comes in: there is an address, and no socket.
    opens_none: bool,
}

impl Sockets {
    /// Those that are open already, and whatever else the system gives.
    pub fn new(supervised: Vec<TcpListener>, handed: Vec<Handed>) -> Self {
        Self { supervised, handed: Mutex::new(handed), opens_none: false }
    }

    /// For a look at what would serve: nothing is opened.
    pub fn none() -> Self {
        Self { opens_none: true, ..Self::default() }
    }

    /// Takes a descriptor from outside.
    ///
    /// # Errors
    /// If it is no TCP socket that listens.
    pub fn listener(descriptor: OwnedFd) -> io::Result<TcpListener> {
        use rustix::net::{SocketType, sockopt};
        let listens =
            sockopt::socket_type(&descriptor)? == SocketType::STREAM && sockopt::socket_acceptconn(&descriptor)?;
        let socket = TcpListener::from(descriptor);
        match socket.local_addr() {
            Ok(_) if listens => {}
            _ => return Err(io::Error::other("not a TCP socket that listens")),
        }
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// The supervisor's own, for another gateway.
    pub fn supervised(&self) -> &[TcpListener] {
        &self.supervised
    }

    /// Sockets for so many workers. `is_ours`: this gateway listens on that port already.
    ///
    /// # Errors
    /// What the system says; above all that the address is taken.
    pub fn open(&self, address: SocketAddr, workers: usize, is_ours: bool) -> io::Result<Open> {
        if self.opens_none {
            return Ok(Open { address, sockets: Vec::new(), shared: false });
        }
        if let Some(Handed { sockets, shared, .. }) = self.take(address) {
            return spread(sockets, workers, shared);
        }
        let is_it = |socket: &&TcpListener| socket.local_addr().is_ok_and(|open| open == address);
        let supervised: Vec<TcpListener> =
            self.supervised.iter().filter(is_it).map(TcpListener::try_clone).collect::<io::Result<_>>()?;
        match supervised.is_empty() {
            // The supervisor's are one socket for all workers, and if there are several they may well be one too.
            false => spread(supervised, workers, workers > 1),
            true => bind(address, workers, is_ours),
        }
    }

    /// Closes what another gateway handed over and nobody took.
    pub fn close_rest(&self) {
        self.lock().clear();
    }

    /// The first one of that address that is left: several may have port 0.
    fn take(&self, address: SocketAddr) -> Option<Handed> {
        let mut handed = self.lock();
        let place = handed.iter().position(|one| one.address == address && !one.sockets.is_empty())?;
        Some(handed.remove(place))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Handed>> {
        // Whole between statements.
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where there are fewer sockets than workers, some workers share one. Where there are more, some workers have several:
/// each is taken from, or what waits in it would be lost.
fn spread(mut sockets: Vec<TcpListener>, workers: usize, shared: bool) -> io::Result<Open> {
    let shared = shared || sockets.len() < workers;
    let address = match sockets.first() {
        Some(first) => first.local_addr()?,
        None => return Err(io::Error::other("no socket")),
    };
    let lacking = workers.saturating_sub(sockets.len());
    let more: Vec<_> = sockets.iter().cycle().take(lacking).map(TcpListener::try_clone).collect::<io::Result<_>>()?;
    sockets.extend(more);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    for socket in &sockets {
        SockRef::from(socket).set_tcp_notsent_lowat(UNSENT)?;
    }
    Ok(Open { address, sockets, shared })
}

fn bind(mut address: SocketAddr, workers: usize, is_ours: bool) -> io::Result<Open> {
    // Sockets that share a port would also share it with another gateway of this user, which nobody wants by accident.
    if !is_ours {
        drop(socket(address, false)?);
    }
    let mut sockets: Vec<TcpListener> = Vec::with_capacity(workers);
    // Where the kernel does not spread connections over sockets of one port, the workers share one socket.
    let own = if cfg!(target_os = "linux") { workers } else { 1 };
    for _ in 0..own {
        let next = socket(address, true)?;
        // Port 0 takes a free one, and the others follow.
        address = next.local_addr()?;
        sockets.push(next);
    }
    spread(sockets, workers, false)
}

fn socket(address: SocketAddr, shares_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    if shares_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    fn one() -> TcpListener {
        TcpListener::bind(loopback()).expect("a socket")
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn little_lies_in_the_kernel_for_a_client_that_does_not_read() {
        let open = Sockets::default().open(loopback(), 1, false).expect("open");
        let _client = std::net::TcpStream::connect(open.address).expect("a connection");
        let accepted = open.sockets.iter().find_map(|socket| socket.accept().ok());
        let kept = SockRef::from(&accepted.expect("accepted").0).tcp_notsent_lowat();
        assert_eq!(kept.expect("the option"), UNSENT);
    }

    #[test]
    fn what_is_open_already_is_taken_once_and_in_order() {
        let handed = |socket| Handed { address: loopback(), shared: false, sockets: vec![socket] };
        let (first, second) = (one(), one());
        let addresses = [first.local_addr().expect("bound"), second.local_addr().expect("bound")];
        let sockets = Sockets::new(Vec::new(), vec![handed(first), handed(second)]);
        for address in addresses {
            let open = sockets.open(loopback(), 3, false).expect("handed over");
            assert_eq!((open.address, open.sockets.len(), open.shared), (address, 3, true));
        }
        let fresh = sockets.open(loopback(), 1, false).expect("opened");
        assert!(!addresses.contains(&fresh.address) && !fresh.shared);
    }

    #[test]
    fn more_sockets_than_workers_are_all_kept() {
        let four: Vec<_> = (0..4).map(|_| one()).collect();
        let sockets = Sockets::new(Vec::new(), vec![Handed { address: loopback(), shared: false, sockets: four }]);
        let mut open = sockets.open(loopback(), 3, false).expect("handed over");
        assert_eq!((open.sockets.len(), open.shared), (4, false));
        let parts = [3, 2, 1].map(|left| open.part(left).sockets.len());
        assert_eq!((parts, open.sockets.len()), ([2, 1, 1], 0));
    }

    #[test]
    fn a_supervisors_socket_is_there_again_and_again() {
        let given = one();
        let address = given.local_addr().expect("bound");
        let sockets = Sockets::new(vec![given], Vec::new());
        for _ in 0..2 {
            let open = sockets.open(address, 2, false).expect("given");
            assert_eq!((open.address, open.sockets.len(), open.shared), (address, 2, true));
        }
    }

    #[test]
    fn only_tcp_sockets_that_listen_are_taken() {
        assert!(Sockets::listener(one().into()).is_ok());
        let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        assert!(Sockets::listener(OwnedFd::from(deaf)).is_err());
        let datagrams = std::net::UdpSocket::bind(loopback()).expect("a socket");
        assert!(Sockets::listener(datagrams.into()).is_err());
        let folder = tempfile::tempdir().expect("a folder");
        let local = std::os::unix::net::UnixListener::bind(folder.path().join("s")).expect("a socket");
        assert!(Sockets::listener(local.into()).is_err());
    }
}
