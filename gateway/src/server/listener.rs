//! Listening sockets: one for each worker and address, so that the kernel spreads connections and no thread hands any on.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::model;
use crate::tls::{self, TlsError};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system said no.
    #[error("cannot listen on {0}: {1}")]
    Address(SocketAddr, io::Error),
    /// Its certificates are no good.
    #[error("listener {0}: {1}")]
    Tls(SocketAddr, TlsError),
}

/// A listener as one worker has it.
#[derive(Debug)]
pub struct Listener {
    /// Position in the configuration.
    pub index: usize,
    /// Where it listens; the port is the real one.
    pub address: SocketAddr,
    /// This worker's socket.
    pub socket: TcpListener,
    /// None for plain TCP.
    pub tls: Option<Arc<ServerConfig>>,
    /// Speaks HTTP/1.1.
    pub http1: bool,
    /// Speaks HTTP/2.
    pub h2: bool,
}

/// One listener for each worker.
pub fn bind(index: usize, settings: &model::Listener, workers: usize) -> Result<Vec<Listener>, BindError> {
    let tls = tls_config(settings)?;
    let sockets = sockets(settings.address, workers).map_err(|error| BindError::Address(settings.address, error))?;
    let listener = |(socket, address)| Listener {
        index,
        address,
        socket,
        tls: tls.clone(),
        http1: settings.http1,
        h2: settings.h2,
    };
    Ok(sockets.into_iter().map(listener).collect())
}

/// What TLS needs; none for plain TCP.
pub fn tls_config(settings: &model::Listener) -> Result<Option<Arc<ServerConfig>>, BindError> {
    let Some(tls) = &settings.tls else { return Ok(None) };
    let config = tls::server_config(&tls.certificates, settings.h2, settings.http1);
    config.map(Some).map_err(|error| BindError::Tls(settings.address, error))
}

fn sockets(mut address: SocketAddr, workers: usize) -> io::Result<Vec<(TcpListener, SocketAddr)>> {
    // Sockets that share a port would also share it with another gateway of this user, which nobody wants by accident.
    drop(socket(address, false)?);
    let mut sockets: Vec<(TcpListener, SocketAddr)> = Vec::with_capacity(workers);
    for _ in 0..workers {
        let next = match sockets.first() {
            // Where the kernel does not spread connections over sockets of one port, the workers share one socket.
            Some((first, _)) if !cfg!(target_os = "linux") => first.try_clone()?,
            _ => socket(address, true)?,
        };
        // Port 0 takes a free one, and the others follow.
        address = next.local_addr()?;
        sockets.push((next, address));
    }
    Ok(sockets)
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
