//! The time that plugins see: microseconds since 1970, read once at start and then advanced monotonically.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock that never goes back.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start_us: u64,
    started: Instant,
}

impl Clock {
    /// Reads the system's time of day once.
    pub fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start_us: since.as_micros() as u64, started: Instant::now() }
    }

    /// Microseconds since 1970. Costs one read of the monotonic clock.
    pub fn now_us(&self) -> u64 {
        self.us_at(Instant::now())
    }

    /// What it says at that moment.
    pub fn us_at(&self, moment: Instant) -> u64 {
        self.start_us + moment.saturating_duration_since(self.started).as_micros() as u64
    }
}
