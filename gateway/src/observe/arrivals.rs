//! What has come in at one listener: connections, handshakes, and what they speak. Once for each connection, so that all workers
//! write the same figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a TLS handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// A new session.
    Full,
    /// One of before goes on.
    Resumed,
    /// Client and gateway did not agree.
    Failed,
    /// It took too long.
    TimedOut,
}

impl Handshake {
    /// All, in the order of their positions.
    pub const ALL: [Self; 4] = [Self::Full, Self::Resumed, Self::Failed, Self::TimedOut];

    /// For labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::Failed => "failed",
            Self::TimedOut => "timeout",
        }
    }
}

/// What connections speak, for labels.
const PROTOCOLS: [&str; 2] = ["http/1.1", "h2"];

/// The figures of one listener. They stay as long as it does, over reloads too.
#[derive(Debug, Default)]
pub struct Arrivals {
    open: AtomicU64,
    accepted: AtomicU64,
    handshakes: [AtomicU64; Handshake::ALL.len()],
    protocols: [AtomicU64; PROTOCOLS.len()],
}

/// A connection that has come in; dropping it takes it off the count of open ones.
#[derive(Debug)]
pub struct Arrived(Arc<Arrivals>);

impl Arrivals {
    /// One more connection.
    pub fn enter(self: &Arc<Self>) -> Arrived {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Arrived(self.clone())
    }

    /// Open ones, and all there have been.
    pub fn connections(&self) -> (u64, u64) {
        (self.open.load(Ordering::Relaxed), self.accepted.load(Ordering::Relaxed))
    }

    /// Handshakes, by how they ended.
    pub fn handshakes(&self) -> impl Iterator<Item = (Handshake, u64)> {
        Handshake::ALL.into_iter().zip(self.handshakes.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Connections that came as far as that, by what they speak.
    pub fn protocols(&self) -> impl Iterator<Item = (&'static str, u64)> {
        PROTOCOLS.into_iter().zip(self.protocols.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

impl Arrived {
    /// Its handshake has ended.
    pub fn shakes(&self, handshake: Handshake) {
        self.0.handshakes.get(handshake as usize).into_iter().for_each(one_more);
    }

    /// It is known what it speaks.
    pub fn speaks(&self, is_h2: bool) {
        self.0.protocols.get(usize::from(is_h2)).into_iter().for_each(one_more);
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_for_what_it_has_come_to() {
        assert!(Handshake::ALL.iter().enumerate().all(|(position, handshake)| *handshake as usize == position));
        let arrivals = Arc::<Arrivals>::default();
        let (one, other) = (arrivals.enter(), arrivals.enter());
        one.shakes(Handshake::Resumed);
        one.speaks(true);
        drop(other);
        assert_eq!(arrivals.connections(), (1, 2));
        let names = arrivals.handshakes().map(|(handshake, count)| (handshake.as_str(), count));
        assert_eq!(names.collect::<Vec<_>>(), [("full", 0), ("resumed", 1), ("failed", 0), ("timeout", 0)]);
        assert_eq!(arrivals.protocols().collect::<Vec<_>>(), [("http/1.1", 0), ("h2", 1)]);
    }
}
