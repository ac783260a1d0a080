//! Listening sockets: one for each worker and address, so that the kernel spreads connections and no thread hands any on.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use crate::state::Entrance;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;

/// Why there is no listener: the system said no.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {0}: {1}")]
pub struct BindError(SocketAddr, io::Error);

/// A listener as one worker has it.
#[derive(Debug)]
pub struct Listener {
    /// Which one; the same on all workers.
    pub id: usize,
    /// This worker's socket.
    pub socket: TcpListener,
    /// What its connections need.
    pub entrance: Arc<Entrance>,
}

/// One listener for each worker. Its entrance gets the real address.
pub fn bind(id: usize, entrance: Entrance, workers: usize) -> Result<Vec<Listener>, BindError> {
    let configured = entrance.address;
    let (sockets, address) = sockets(configured, workers).map_err(|error| BindError(configured, error))?;
    let entrance = Arc::new(Entrance { address, ..entrance });
    let listener = |socket| Listener { id, socket, entrance: entrance.clone() };
    Ok(sockets.into_iter().map(listener).collect())
}

/// A socket for each worker, and the address that they share.
fn sockets(mut address: SocketAddr, workers: usize) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    // Sockets that share a port would also share it with another gateway of this user, which nobody wants by accident.
    drop(socket(address, false)?);
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
