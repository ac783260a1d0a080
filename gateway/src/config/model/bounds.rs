//! What bounds traffic, as the program uses it: retries, what a route takes, who waits before an upstream.

use std::time::Duration;

/// When a request is sent once more; `default()`: never.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retry {
    /// Attempts after the first one. Default 1.
    pub extra_attempts: u32,
    /// After attempts whose request reached nobody. Default true.
    pub on_unsent: bool,
    /// After a connection that broke before an answer. Default true.
    pub on_reset: bool,
    /// After no answer in time. Default false.
    pub on_timeout: bool,
    /// After answers of these statuses. Default: none.
    pub on_status: Vec<u16>,
    /// Of an upstream's requests, at most so many per mille are sent once more. Default 200.
    pub budget_per_mille: u32,
    /// Of one attempt, from the choice to the response head; none: no bound of its own.
    pub per_try: Option<Duration>,
    /// Bytes of a body that are kept for that. Default 64 KiB.
    pub body: usize,
}

/// What a route takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteLimits {
    /// Bytes of a request's body; none: no bound.
    pub body: Option<u64>,
    /// Requests of a client; none: no bound.
    pub rate: Option<Rate>,
}

/// Requests of a client in a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// Between two requests of a client that comes as often as it may; more than nothing.
    pub interval: Duration,
    /// So many at once, after a time without any. Default: as many as come in the time.
    pub burst: u32,
    /// Who is one client.
    pub key: RateKey,
}

/// Who is one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RateKey {
    /// Whoever has the address, of IPv6 its first 64 bits. The default.
    Client,
    /// Whoever sends the same value of this field, its name in lower case; without it, as above.
    Header(String),
}

/// Where requests wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// So many at a time. Default 100.
    pub length: u32,
    /// Each for so long. Default 1 s.
    pub timeout: Duration,
}
