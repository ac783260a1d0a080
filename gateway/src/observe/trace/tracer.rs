//! Who decides which exchanges are told of, and where they wait to be sent: in a queue that all workers put into without a
//! lock, and that never has more spans than it may, those on their way to the collector counted in.

use std::num::NonZeroU128;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, mpsc};

use super::{Context, Finished, TraceId, span_id};

/// What became of spans since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// The collector has them.
    pub sent: AtomicU64,
    /// Left out: too many waited.
    pub full: AtomicU64,
    /// The collector would not have them.
    pub refused: AtomicU64,
    /// Left out: it was not reached for too long.
    pub unreached: AtomicU64,
}

/// Decides, and takes what is told.
#[derive(Debug)]
pub struct Tracer {
    per_mille: u32,
    most: u32,
    room: Arc<Semaphore>,
    queue: mpsc::Sender<Finished>,
    waiting: Mutex<Option<mpsc::Receiver<Finished>>>,
    /// What became of what was told.
    pub counts: Arc<Counts>,
}

/// The other end of the queue.
#[derive(Debug)]
pub struct Waiting {
    /// What was told; it ends when nobody can tell any more.
    pub queue: mpsc::Receiver<Finished>,
    /// Gets a place back for each span that waits no more.
    pub room: Arc<Semaphore>,
    /// How many places there are.
    pub most: u32,
    /// What became of it.
    pub counts: Arc<Counts>,
}

impl Tracer {
    /// Tells of so many of a thousand exchanges; at most so many spans wait. The counts go on.
    pub fn new(per_mille: u32, most: u32, counts: Arc<Counts>) -> Arc<Self> {
        // An exchange is a span at least.
        let (queue, waiting) = mpsc::channel(most as usize);
        let room = Arc::new(Semaphore::new(most as usize));
        Arc::new(Self { per_mille, most, room, queue, waiting: Mutex::new(Some(waiting)), counts })
    }

    /// The place of an exchange that begins, below that of whoever asked.
    pub fn begin(&self, parent: Option<Context>) -> Context {
        if let Some(parent) = parent {
            return parent.beside();
        }
        let trace = TraceId::new(fastrand::u128(1..)).unwrap_or(NonZeroU128::MIN);
        // That its name is drawn at random is said by level 2 only, which not everybody knows.
        Context { trace, span: span_id(), sampled: self.takes(trace), random: false }
    }

    /// By the name of a trace, which is drawn at random.
    fn takes(&self, trace: TraceId) -> bool {
        let drawn = trace.get() as u64 >> 32;
        drawn * 1000 < u64::from(self.per_mille) << 32
    }

    /// The other end, for whoever asks first.
    pub fn waiting(&self) -> Option<Waiting> {
        let queue = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Waiting { queue, room: self.room.clone(), most: self.most, counts: self.counts.clone() })
    }

    /// How many spans wait, or are on their way.
    pub fn length(&self) -> u32 {
        self.most.saturating_sub(self.room.available_permits() as u32)
    }

    /// Takes it, if there is room.
    pub(super) fn tell(&self, finished: Finished) {
        let size = finished.size();
        let room = self.room.try_acquire_many(size);
        // Room for its spans is room for it.
        match (room, self.queue.try_reserve()) {
            (Ok(room), Ok(place)) => {
                room.forget();
                place.send(finished);
            }
            _ => drop(self.counts.full.fetch_add(size.into(), Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_told_of() {
        for (per_mille, least, most) in [(0, 0, 0), (1, 20, 250), (500, 48_000, 52_000), (1000, 100_000, 100_000)] {
            let tracer = Tracer::new(per_mille, 128, Arc::default());
            let told = (0..100_000).filter(|_| tracer.begin(None).sampled).count();
            assert!((least..=most).contains(&told), "{told} of 100000 with {per_mille}");
        }
    }

    #[test]
    fn whoever_asked_decides_where_it_is_believed() {
        let tracer = Tracer::new(0, 128, Arc::default());
        let begun = tracer.begin(None);
        for sampled in [true, false] {
            let parent = Context { sampled, random: false, ..begun };
            let place = tracer.begin(Some(parent));
            assert_eq!((place.trace, place.sampled, place.random), (parent.trace, sampled, false));
            assert_ne!(place.span, parent.span);
        }
    }
}
