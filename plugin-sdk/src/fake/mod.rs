//! A host for tests: `cargo test` runs a plugin natively, against the same functions that the gateway offers to the
//! component. Everything that decides is the test's to set (endpoints, figures, time, randomness), and nothing is random
//! that was not seeded.
//!
//! ```
//! # use sluice_plugin::{Config, Issues, Members, NoConfig, Plugin, Request, Selection, Setup, selection};
//! # struct First;
//! # impl Plugin for First {
//! #     type Config = NoConfig;
//! #     fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> { Ok(First) }
//! # }
//! # impl Selection for First {
//! #     fn set_endpoints(&mut self, _: &Members) {}
//! #     fn select(&mut self, _: selection::Input, _: Option<&Request>) -> selection::Decision {
//! #         selection::Decision::endpoint(0)
//! #     }
//! # }
//! use sluice_plugin::{fake::{self, json}, selection::Decision};
//!
//! let host = fake::Host::new().endpoints(3);
//! let mut plugin = host.start::<First>(json!({})).unwrap();
//! assert_eq!(host.select(&mut plugin), Decision::endpoint(0));
//! ```
//!
//! It enforces the contract where a plugin could break it: an index out of range, a metric or edit that is not legal, a
//! call to the host outside of any hook, all panic as they would trap. It does not measure time or memory.

mod call;
mod endpoint;
mod exchange;
mod fields;
mod head;
mod host;
pub(crate) mod imports;
mod instance;
mod request;
mod state;

pub use endpoint::Endpoint;
pub use exchange::Exchange;
pub use head::Head;
pub use host::Host;
pub use instance::Instance;
pub use request::Request;
pub use serde_json::{Value, json};
