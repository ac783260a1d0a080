//! What can be seen of the gateway from outside: logs, the record of an exchange, figures, and the time that goes with them.

mod activity;
mod arrivals;
pub mod clock;
mod connections;
mod cut;
mod journal;
pub mod log;
pub mod metrics;
pub mod panics;
mod recent;
mod record;
pub mod recorded;
pub mod trace;
mod traffic;

pub use activity::{Activity, Busy, Turn, Waits};
pub use arrivals::{Arrivals, Arrived, Handshake};
pub use clock::{Clock, StandingClock};
pub use connections::{Connections, Counted, Refused};
pub use cut::Cut;
pub use journal::{Happened, Journal, journal};
pub use recent::{Passed as Kept, Recent, Said, Step, Told};
pub use record::Record;
pub use traffic::{Again, Bound, CODES, Passed, Totals, Traffic};
