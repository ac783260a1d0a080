//! The time that plugins see: microseconds since 1970, read once at start and then advanced monotonically; or moved on by hand,
//! where hours are tried in a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

/// A clock that stands still until it is moved on. What it says depends on nothing of the machine, so the same run gives the
/// same times.
#[derive(Debug)]
pub struct StandingClock {
    start_us: u64,
    started: Instant,
    passed_us: AtomicU64,
}

impl StandingClock {
    /// Begins at so many microseconds since 1970.
    pub fn at(start_us: u64) -> Arc<Self> {
        Arc::new(Self { start_us, started: Instant::now(), passed_us: AtomicU64::new(0) })
    }

    /// Microseconds since 1970.
    pub fn now_us(&self) -> u64 {
        self.start_us + self.passed_us()
    }

    /// Microseconds since it began.
    pub fn passed_us(&self) -> u64 {
        self.passed_us.load(Ordering::Relaxed)
    }

    /// The moment for what reckons in those. Only the time between two of them means anything.
    pub fn instant(&self) -> Instant {
        self.started + Duration::from_micros(self.passed_us())
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        self.passed_us.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }

    /// Moves it to so many microseconds since it began; never back.
    pub fn advance_to(&self, passed_us: u64) {
        self.passed_us.fetch_max(passed_us, Ordering::Relaxed);
    }
}
