//! Connections that the control thread makes itself, where nobody waits for them on a request's way.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use tokio::net::TcpStream;
use tokio::runtime::Handle;

/// A connection to the first address that takes one; a name is looked up on a thread of `lookups`.
pub(super) async fn reach(address: &str, lookups: &Handle) -> io::Result<TcpStream> {
    if let Ok(address) = address.parse::<SocketAddr>() {
        return TcpStream::connect(address).await;
    }
    let name = address.to_owned();
    let found = lookups.spawn_blocking(move || name.to_socket_addrs().map(Vec::from_iter)).await;
    let addresses = found.map_err(io::Error::other)??;
    TcpStream::connect(addresses.as_slice()).await
}

/// Why a connection came to nothing. hyper keeps the cause to itself unless it is asked.
pub(super) fn broken(error: hyper::Error) -> String {
    match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
