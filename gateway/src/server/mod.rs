//! The client side: sockets, workers, TLS handshakes, one connection after the other, and the end of all of them. What
//! happens to a request is `proxy`'s; what a worker is told from outside comes as [`Change`](crate::state::Change)s.

mod chores;
mod client_io;
mod connection;
mod descriptors;
mod drain;
mod farewell;
mod gate;
mod goodbye;
pub mod guard;
mod hints;
mod pace;
mod protocol;
pub mod proxy_protocol;
mod roll;
mod stream;
mod worker;

pub use descriptors::{raise_limit, room_for_clients};
pub use worker::{Setup, Worker, start};
