//! TCP: the streams of a worker, and the sockets on which clients come in.

mod listening;
mod stream;

pub use listening::{BACKLOG, Handed, Open, Sockets};
pub use stream::{Meter, Outbox, Socket};
