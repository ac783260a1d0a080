//! The host's side of the contract: a file per interface, each over [`Context`](super::context::Context). An error of a
//! function here is a trap in the guest; what a guest may get wrong without a trap is a value.

mod cells;
mod endpoints;
mod log;
mod members;
mod metrics;
mod reports;
mod sealing;
mod setup;
mod store;
mod types;
mod upstreams;
