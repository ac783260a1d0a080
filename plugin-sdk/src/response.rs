//! The hook that sees, and may edit, the head of the response.

use crate::{Plugin, Request, ResponseHead};

pub use crate::bindings::response::exports::sluice::plugin::response::{Action, Exchange};

/// What the client gets back. A use in a route's `response` list is always asked; one in a routing or selection chain when
/// [`Setup::respond`](crate::Setup::respond) said so, by default for the exchanges that it tagged.
pub trait Response: Plugin {
    /// Edits take effect when the call returns. 5 ms of CPU time.
    fn respond(&mut self, request: &Request, head: &ResponseHead, exchange: Exchange) -> Action;
}
