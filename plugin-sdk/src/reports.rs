//! Load that endpoints report of themselves: in fields of their answers, or where they are scraped, as `reported-load` of the
//! upstream says. What they say need not be true; it is within bounds. A question costs what one of [`endpoints`](crate::endpoints)
//! costs, and some 50 ns for each report in a list: ask in [`Timer::tick`](crate::Timer::tick), and keep what follows from it.

#[cfg(target_family = "wasm")]
use crate::bindings::reports::sluice::plugin::reports as host;
#[cfg(not(target_family = "wasm"))]
use crate::fake::imports::reports as host;

use crate::EndpointIndex;

pub use crate::bindings::reports::sluice::plugin::reports::Report;

/// The last report; none if there was none, or it is too old. An index out of range traps.
pub fn last(endpoint: EndpointIndex) -> Option<Report> {
    host::last(endpoint)
}

/// The same for all, in one call.
pub fn last_all() -> Vec<Option<Report>> {
    host::last_all()
}

/// A figure of the last report by name, as far as `reported-load` keeps that; none if it was not said.
pub fn named(endpoint: EndpointIndex, name: &str) -> Option<f64> {
    host::named(endpoint, name)
}

/// The same for all, in one call.
pub fn named_all(name: &str) -> Vec<Option<f64>> {
    host::named_all(name)
}

/// Of now, and of nothing: for tests.
impl Default for Report {
    fn default() -> Self {
        Self {
            age_us: 0,
            steady_us: 0,
            cpu: 0.0,
            memory: 0.0,
            utilization: 0.0,
            requests_per_second: 0.0,
            errors_per_second: 0.0,
        }
    }
}
