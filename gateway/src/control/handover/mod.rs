//! One gateway in place of another that runs: the new one asks the old one for its sockets and for what its uses keep, builds
//! everything, takes clients, and only then tells the old one to let its own finish. Until that word nothing has changed for the
//! old one, whatever becomes of the new one; and at no time does nobody take clients, since both have the same sockets.
//!
//! They speak over a socket in the state folder: the new one sends [`Ask`]s, the old one answers. [`offer`] is its side.

mod offer;
mod take;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use offer::End;
pub(super) use offer::Offer;
pub use take::Predecessor;
use wire::Wire;

use crate::plugin::{Digest, StateDir};

/// Of these messages. Gateways with different ones do not take over from each other.
const PROTOCOL: u32 = 1;

/// What the new gateway asks for, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ask {
    /// Answered by a [`Manifest`], and the sockets that it tells of, in its order.
    Sockets,
    /// Answered by all [`Part`](crate::plugin::Part)s, and null. May be asked again.
    State,
    /// The new one takes clients. Answered by its own process number; from then on come the parts that change until
    /// the old one ends.
    Serving,
}

/// The sockets of a gateway.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    protocol: u32,
    version: String,
    process: u32,
    listeners: Vec<Described>,
    /// The admin listener, as it is configured: one socket.
    admin: Option<SocketAddr>,
    /// So many sockets that a supervisor has opened.
    supervised: usize,
}

/// The sockets of a listener.
#[derive(Debug, Serialize, Deserialize)]
struct Described {
    /// As it is configured.
    address: SocketAddr,
    shared: bool,
    sockets: usize,
}

/// Where a gateway with that configuration can be asked. One state folder may serve several.
fn place(state_dir: &StateDir, file: &Path) -> io::Result<PathBuf> {
    let file = std::path::absolute(file)?;
    let name = Digest::of(file.as_os_str().as_encoded_bytes());
    Ok(state_dir.path().join(format!("{name}.socket")))
}
