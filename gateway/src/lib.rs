//! Sluice, a gateway whose decisions are plugins.
//!
//! The way of a request: a [`server`] worker accepts a connection, does the TLS handshake and lets hyper read. Each request
//! goes to [`proxy`], which takes the [`state`] of the moment, finds the [`route`], asks the routing [`plugin`], sends the
//! request to an endpoint of an [`upstream`] that the selection plugin chose, asks the response plugins, and lets the bodies
//! stream past. What happens beside that, above all replacing plugins while traffic flows, is [`control`]'s.
//!
//! Imports run one way: `main → dev → {demo | start | check} → {server | control | author} → proxy → state → {route | plugin | upstream} → {tls | message |
//! endpoint | observe | socket | supervisor} → config`.

// A request must not be able to end anything but itself: what can fail is a value, what may lack is asked for.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic,
        clippy::unreachable
    )
)]

pub mod author;
mod check;
pub mod config;
pub mod control;
pub mod demo;
pub mod dev;
pub mod endpoint;
pub mod message;
pub mod observe;
pub mod plugin;
pub mod proxy;
pub mod route;
pub mod server;
pub mod socket;
mod start;
pub mod state;
pub mod supervisor;
pub mod tls;
pub mod upstream;

pub use check::{CheckError, Findings, check, schema};
pub use start::{Gateway, Prepared, StartError};
