//! The hook that learns what became of the choices.

use crate::Plugin;

pub use crate::bindings::feedback::exports::sluice::plugin::feedback::{Outcome, OutcomeKind};

/// How attempts ended, in batches, off the request's way. Every use in an upstream's selection chain gets every outcome of
/// its worker, with its own tag.
pub trait Feedback: Plugin {
    /// At most 128 outcomes a call, at most 50 ms old. 5 ms of CPU time.
    fn observe(&mut self, outcomes: &[Outcome]);
}
