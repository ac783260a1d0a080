//! Listening sockets: one for each worker and address, so that the kernel spreads connections and no thread hands any on.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted.
pub(super) const BACKLOG: i32 = 4096;

/// A listening socket for each worker, and the real address, which is that of all: port 0 takes a free one. `is_ours`: this
/// gateway listens on that port already.
///
/// # Errors
/// What the system says; above all that the address is taken.
pub fn bind(mut address: SocketAddr, workers: usize, is_ours: bool) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    // Sockets that share a port would also share it with another gateway of this user, which nobody wants by accident.
    if !is_ours {
        drop(socket(address, false)?);
    }
    let mut sockets: Vec<TcpListener> = Vec::with_capacity(workers);
    for _ in 0..workers {
        let next = match sockets.first() {
            // Where the kernel does not spread connections over sockets of one port, the workers share one socket.
            Some(first) if !cfg!(target_os = "linux") => first.try_clone()?,
            _ => socket(address, true)?,
        };
        // Port 0 takes a free one, and the others follow.
        address = next.local_addr()?;
        sockets.push(next);
    }
    Ok((sockets, address))
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
