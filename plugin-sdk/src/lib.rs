//! Write plugins for the Sluice gateway in Rust. A whole one, which sends each request to the endpoint that is least busy:
//!
//! ```
//! use sluice_plugin::selection::{Decision, Input};
//! use sluice_plugin::{EndpointIndex, Issues, Members, NoConfig, Plugin, Request, Selection, Setup, endpoints};
//!
//! struct LeastBusy(Vec<EndpointIndex>);
//!
//! sluice_plugin::export!(LeastBusy: Selection);
//!
//! impl Plugin for LeastBusy {
//!     type Config = NoConfig;
//!     fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
//!         Ok(Self(Vec::new()))
//!     }
//! }
//!
//! impl Selection for LeastBusy {
//!     fn set_endpoints(&mut self, members: &Members) {
//!         self.0 = members.choosable();
//!     }
//!     fn select(&mut self, _: Input, _: Option<&Request>) -> Decision {
//!         let least_busy = self.0.iter().min_by_key(|&&endpoint| endpoints::in_flight(endpoint));
//!         least_busy.map_or(Decision::pass(), |&endpoint| Decision::endpoint(endpoint))
//!     }
//! }
//! ```
//!
//! # Building
//!
//! A plugin is a crate with `crate-type = ["cdylib", "rlib"]`. `cargo build --release --target wasm32-wasip2` makes the
//! component; the crate's name, version and description become the plugin's. `cargo test` runs natively against a
//! [fake host](fake).
//!
//! # Hooks
//!
//! A plugin is a [`Plugin`] and serves one hook or more, each a trait: [`Routing`] (which upstream), [`Selection`] (which
//! endpoint), [`Response`] (what the client gets back), [`Feedback`] (what became of the choices), [`Timer`] and [`State`].
//! Name those that it serves in [`export!`]; a hook that is not named costs nothing.
//!
//! # Configuration
//!
//! [`Plugin::Config`] is any type that derives `serde::Deserialize` and `schemars::JsonSchema`. `sluice check` shows what
//! does not fit with its place in the file:
//!
//! ```
//! # use sluice_plugin::{Config as _, fake::json};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//! use sluice_plugin::{HumanDuration, KeySources};
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields, rename_all = "kebab-case")]
//! struct Config {
//!     /// What makes a client the same; the schema shows this text.
//!     #[serde(default)]
//!     key: KeySources,
//!     /// How long an entry is kept.
//!     ttl: Option<HumanDuration>,
//! }
//! # let text = json!({ "key": ["client-ip", { "header": "x-user" }], "tll": "1h" }).to_string();
//! # assert_eq!(Config::parse(&text).err().unwrap().into_iter().next().unwrap().at, "/tll");
//! ```
//!
//! # What to keep where
//!
//! An instance may be replaced between any two calls, and every worker has its own: the plugin's own memory is a cache.
//! Numbers that all workers share live in a [`Cell`], anything else in the [`store`]; both outlive swaps and reloads. Counts
//! and latencies are the host's ([`endpoints`]). Time and randomness come as input, so that the same plugin can be tested
//! and simulated; do not ask the system for them.
//!
//! # What a call costs
//!
//! A hook that neither allocates nor asks the host costs about 100 ns. A question to the host adds some 50 ns, a header
//! 150 ns, a list about 10 ns for each number in it. A hook has 5 ms of CPU time; a panic, or more time than that, counts as
//! a failure of the plugin, and the exchange goes on without it.

mod amount;
#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, elided_lifetimes_in_paths)]
pub mod bindings;
mod cell;
mod cidr;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod component;
mod config;
pub mod endpoints;
mod export;
#[cfg(not(target_family = "wasm"))]
pub mod fake;
pub mod feedback;
mod field;
mod hash;
mod human_duration;
mod issues;
mod key_sources;
pub mod log;
mod members;
mod metrics;
mod plugin;
pub mod reports;
mod request;
pub mod response;
mod response_head;
mod rotation;
pub mod routing;
pub mod sealing;
pub mod selection;
mod session;
mod setup;
mod shares;
mod state;
pub mod store;
mod timer;
pub mod upstreams;

#[cfg(target_family = "wasm")]
use bindings::imports::sluice::plugin as host;
#[cfg(not(target_family = "wasm"))]
use fake::imports as host;

pub use amount::Amount;
pub use bindings::imports::sluice::plugin::types::{
    BodyPrefix, EditError, EndpointIndex, Health, KeySource, Tag, TimeUs, UpstreamIndex,
};
pub use cell::Cell;
pub use cidr::Cidr;
pub use config::{Config, NoConfig};
pub use feedback::Feedback;
pub use field::{is_field_name, is_field_value, is_forbidden_field};
pub use hash::{below, mix, stable_hash};
pub use human_duration::HumanDuration;
pub use issues::{Issue, Issues, pointer};
pub use key_sources::KeySources;
pub use members::Members;
pub use metrics::{Counter, Gauge, Histogram};
pub use plugin::Plugin;
pub use request::Request;
pub use response::Response;
pub use response_head::ResponseHead;
pub use rotation::Rotation;
pub use routing::Routing;
pub use selection::Selection;
pub use session::Session;
pub use setup::{Edit, Prepared, RespondWhen, Setup};
pub use shares::Shares;
pub use state::State;
pub use timer::Timer;

// The plugin in the README is tested as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
