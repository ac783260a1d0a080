//! What a test needs so that it reads as origin, gateway, request, assertion: the real binary as a child, real
//! backends, real clients, and components built for the occasion. Ports are always 0, and nothing waits for a time: it
//! waits for a condition, with a bound that is far longer than any promise.

pub mod accounts;
pub mod beside;
pub mod certificates;
pub mod client;
#[cfg(target_os = "linux")]
pub mod clock;
pub mod collector;
pub mod configuration;
pub mod echo;
pub mod frames;
pub mod gateway;
pub mod guests;
pub mod h2_origin;
pub mod load;
pub mod log;
pub mod names;
#[cfg(target_os = "linux")]
pub mod network;
pub mod origin;
pub mod process;
pub mod raw;
pub mod scrape;
pub mod script;
pub mod service;
pub mod speaks;
pub mod statistics;
pub mod streams;
pub mod supervised;
pub mod text;

use std::future::Future;
use std::time::Duration;

pub use client::{Answer, Ask, Client};
pub use configuration::Configuration;
pub use echo::Echo;
pub use gateway::Gateway;
pub use guests::component;
pub use load::load;
pub use log::Event;
pub use origin::Origin;
pub use raw::Raw;
pub use speaks::Speaks;

/// How long a test waits for what must come. No promise is that slow, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The value of a future that must come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}

/// Asks again until the answer is there. For what can only be seen by asking.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}
