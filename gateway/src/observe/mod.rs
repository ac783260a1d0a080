//! What can be seen of the gateway from outside: logs, the record of an exchange, figures, and the time that goes with them.

mod activity;
pub mod clock;
pub mod log;
pub mod metrics;
mod record;
mod traffic;

pub use activity::{Activity, Busy, Waits};
pub use clock::Clock;
pub use record::Record;
pub use traffic::{CODES, Connections, Passed, Totals, Traffic};
