//! What a plugin learns and asks for while it is made. A `Setup` is lent to `Plugin::new` and cannot be kept, so that what
//! the contract forbids later does not compile.

use crate::{Counter, Gauge, Histogram, KeySource, host};
use std::time::Duration;

pub use crate::bindings::imports::sluice::plugin::setup::{Edit, RespondWhen};

/// What the host tells a plugin, and takes from it, while it is configured. Every call asks the host anew; none is on a
/// request's way.
#[derive(Debug)]
#[non_exhaustive]
pub struct Setup {}

/// Edits of a response head that the host keeps ready, see [`Setup::prepare`] and
/// [`ResponseHead::apply`](crate::ResponseHead::apply).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared(pub(crate) u32);

impl Setup {
    pub(crate) fn new() -> Self {
        Self {}
    }

    /// The name of this use: that of its `[[use]]` table, or `<route or upstream>/<hook>/<plugin>`.
    pub fn use_name(&self) -> String {
        host::setup::use_name()
    }

    /// The upstream whose endpoints this use selects; none outside selection chains.
    pub fn upstream(&self) -> Option<String> {
        host::setup::upstream()
    }

    /// What a routing plugin may choose: the upstreams of its route, the route's default first. The position in this list
    /// is the [`UpstreamIndex`](crate::UpstreamIndex).
    pub fn upstreams(&self) -> Vec<String> {
        host::setup::upstreams()
    }

    /// The number of the worker that this instance serves, from 0.
    pub fn worker(&self) -> u32 {
        host::setup::worker()
    }

    /// How many workers there are, at least 1.
    pub fn workers(&self) -> u32 {
        host::setup::workers()
    }

    /// The gateway's `hash-seed`: the same on all replicas. What all of them must agree on is hashed with it
    /// ([`stable_hash`](crate::stable_hash)).
    pub fn seed(&self) -> u64 {
        host::setup::seed()
    }

    /// True in `sluice check` and in the trial before a swap: cells and store are then throw-away copies.
    pub fn trial(&self) -> bool {
        host::setup::trial()
    }

    /// Fills `input.key` of routing and selection from the first of those sources that a request has.
    pub fn want_key(&self, sources: &[KeySource]) {
        host::setup::want_key(sources);
    }

    /// Hands the request to [`Selection::select`](crate::Selection::select), which then costs about 50 ns more.
    pub fn see_request(&self) {
        host::setup::see_request();
    }

    /// When to be asked for responses; in a routing or selection chain the default is [`RespondWhen::Tagged`].
    pub fn respond(&self, when: RespondWhen) {
        host::setup::respond(when);
    }

    /// Reads up to that many bytes of the body before the routing hook, at most 64 KiB, for
    /// [`Request::body_prefix`](crate::Request::body_prefix). The body is still sent whole.
    pub fn hold_body(&self, bytes: u32) {
        host::setup::hold_body(bytes);
    }

    /// Asks for [`Timer::tick`](crate::Timer::tick), 10 ms to one day apart. Parts of a millisecond are dropped.
    pub fn tick(&self, every: Duration) {
        host::setup::tick(u32::try_from(every.as_millis()).unwrap_or(u32::MAX));
    }

    /// Lets this use choose draining endpoints, as sticky sessions do.
    pub fn keep_draining(&self) {
        host::setup::keep_draining();
    }

    /// Registers edits that [`ResponseHead::apply`](crate::ResponseHead::apply) makes in one call. Traps on a name or value
    /// that is not legal: check them with [`is_field_name`](crate::is_field_name) and
    /// [`is_field_value`](crate::is_field_value), so that a mistake has a place.
    pub fn prepare(&self, edits: &[Edit]) -> Prepared {
        Prepared(host::setup::prepare(edits))
    }

    /// A count that only grows. `name` is `[a-z][a-z0-9_]*`; another traps, as does the 65th metric of a use.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        Counter(host::metrics::counter(name, help))
    }

    /// A value that goes up and down, one for all workers. Names as for [`counter`](Self::counter).
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        Gauge(host::metrics::gauge(name, help))
    }

    /// A distribution, in powers of two. Names as for [`counter`](Self::counter).
    pub fn histogram(&self, name: &str, help: &str) -> Histogram {
        Histogram(host::metrics::histogram(name, help))
    }
}
