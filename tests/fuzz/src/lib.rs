//! What the targets share: from bytes to heads as hyper makes them, from heads to the bytes that hyper writes, a reader that is
//! none of the gateway's, and ways to cut bytes into pieces.

pub mod cut; // one text, many pieces
pub mod head; // from bytes to heads
pub mod model; // header rules, slowly
pub mod place; // a listener, a host for plugins
pub mod script; // what a guest is told to write
pub mod wire; // from heads to bytes, and back

/// Whether each target has its planted fault, which it must find: a small wrong step between the gateway and what judges it.
pub const PLANTED: bool = cfg!(feature = "planted");
