//! The Wasm host: loads components, keeps an instance of each use on each worker, and turns the proxy's three questions
//! into calls that cannot hurt it. The only folder that names wasmtime; it needs no server and knows no socket.
//!
//! A [`Plugin`] is one version of a component, compiled and linked. A [`Use`] is one appearance of a plugin in the
//! configuration, with state that outlives versions. A [`Slot`] is where an instance of a use sits, on one worker or for several.

mod answers;
mod bindings;
pub mod builtin;
mod bypass;
mod calls;
mod cells;
pub mod compile;
mod context;
mod deadline;
mod edits;
mod failure;
mod guest_log;
mod hooks;
mod imports;
mod inheritance;
mod instance;
mod key;
mod legacy;
mod load;
mod opened;
mod reports;
mod sealing;
mod share;
mod shared;
mod slot;
mod state_dir;
mod tally;
#[cfg(test)]
pub(crate) mod tests;
mod trial;
mod uses;
mod wasi;
mod witness;

pub use answers::{Ended, Inherited, Moment, Outcome, OutcomeKind, Routed, Selected};
pub use context::ResponseHead;
pub use edits::Reply;
pub use failure::{Failure, FailureKind, Issue, LoadError};
pub use hooks::Hook;
pub use inheritance::Inheritance;
pub use instance::Meters;
pub use legacy::{Legacy, Part};
pub use load::{Description, Digest, Host, LARGEST, Plugin, check_import};
pub use sealing::SealingKeys;
pub use slot::{Notice, Slot};
pub use state_dir::{FileError, StateDir, read_key};
pub use tally::{Cost, Costs};
pub use uses::{Counters, Named, Surroundings, Use, UseSettings};
pub use witness::{Watching, Witness};

/// The version of the contract that this gateway speaks.
pub const CONTRACT: &str = "0.1";

/// What its WIT package is called.
const PACKAGE: &str = "sluice:plugin/";
