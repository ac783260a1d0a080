//! For authors of plugins: a use held outside of a gateway, with endpoints, time and chance that its author sets. It runs the very
//! component that production runs, by the same host and under the same limits; nothing listens, and nothing waits.
//!
//! A [`Workshop`] loads components. A [`Stage`] is an upstream as plugins see it: endpoints, their figures, and a clock that
//! stands still until it is moved on. A [`Rig`] is a use on a stage, with a slot for each of its workers.

pub mod bench;
pub mod build;
pub mod explain;
pub mod inspect;
pub mod kit;
pub mod new;
mod request;
mod rig;
pub mod simulate;
mod stage;
#[cfg(test)]
mod tests;
mod workshop;

pub use request::Asked;
pub use rig::{Choice, Rig, Setting};
pub use stage::{BEGINNING, Stage, endpoint};
pub use workshop::{AuthorError, Workshop, bytes as component};
