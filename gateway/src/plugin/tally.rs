//! What calls of a use cost. Each slot counts for itself, with plain loads and stores, since it lets one call in at a time; what a
//! slot has counted goes to its use when the slot goes. So a call takes no lock for it, and who asks adds up.
//!
//! CPU time is an estimate: the engine's epoch meets a running guest about once a millisecond, so each time it was met stands for
//! one (as in any sampling profiler). Besides, one call in so many is timed by the clock.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Hook;
use super::deadline::TICK;
use super::shared::lock;

/// One call in so many is timed, the first one among them.
const TIMED: u64 = 16;

/// Upper bounds of the classes of durations in nanoseconds, 250 ns to 10 ms; beyond is one more class.
const BOUNDS: [u64; 11] = [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_000_000, 10_000_000];

/// What one slot has counted; written where the slot's call is, and nowhere else but for `made`.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Tally {
    hooks: [OfHook; Hook::ALL.len()],
    memory: AtomicUsize,
    peak: AtomicUsize,
    made: AtomicU64,
}

#[derive(Debug, Default)]
struct OfHook {
    calls: AtomicU64,
    met: AtomicU64,
    timed: [AtomicU64; BOUNDS.len() + 1],
    timed_ns: AtomicU64,
}

/// What the calls of one hook took.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Cost {
    /// Calls that were let in.
    pub calls: u64,
    /// CPU time of all of them, as far as it was met.
    pub cpu: Duration,
    /// Calls that were timed, by the class of their duration.
    timed: [u64; BOUNDS.len() + 1],
    /// What those took, all together.
    pub timed_sum: Duration,
}

/// What a use costs, all slots together.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Costs {
    /// By [`Hook::ALL`].
    pub hooks: [Cost; Hook::ALL.len()],
    /// Bytes of its instances' memories, as their last calls left them.
    pub memory: usize,
    /// Most bytes that one instance has had.
    pub peak: usize,
    /// Instances that were made.
    pub made: u64,
}

/// The slots of a use, and what those have counted that are gone.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    gone: Costs,
    live: Vec<Arc<Tally>>,
}

impl Tally {
    /// Counts a call, and times it if it is its turn.
    pub(super) fn call<R>(&self, hook: Hook, call: impl FnOnce() -> R) -> R {
        let Some(counts) = self.hooks.get(hook as usize) else { return call() };
        let before = counts.calls.load(Ordering::Relaxed);
        counts.calls.store(before + 1, Ordering::Relaxed);
        if !before.is_multiple_of(TIMED) {
            return call();
        }
        let began = Instant::now();
        let result = call();
        let took = began.elapsed().as_nanos() as u64;
        let class = BOUNDS.partition_point(|&bound| bound < took);
        counts.timed.get(class).into_iter().for_each(|count| add(count, 1));
        add(&counts.timed_ns, took);
        result
    }

    /// The call of that hook was met at work so many times.
    pub(super) fn met(&self, hook: Hook, looks: u32) {
        if looks > 0 {
            self.hooks.get(hook as usize).into_iter().for_each(|counts| add(&counts.met, looks.into()));
        }
    }

    /// The instance's memory after a call.
    pub(super) fn holds(&self, memory: usize) {
        if self.memory.load(Ordering::Relaxed) != memory {
            self.memory.store(memory, Ordering::Relaxed);
            self.peak.fetch_max(memory, Ordering::Relaxed);
        }
    }

    /// An instance was made, on whatever thread.
    pub(super) fn made(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }
}

impl Tallies {
    /// One more slot.
    pub(super) fn join(&self, tally: &Arc<Tally>) {
        lock(&self.0).live.push(tally.clone());
    }

    /// A slot is gone; what it has counted stays, but for the memory that it held.
    pub(super) fn leave(&self, tally: &Arc<Tally>) {
        let mut kept = lock(&self.0);
        let Some(place) = kept.live.iter().position(|live| Arc::ptr_eq(live, tally)) else { return };
        kept.live.swap_remove(place);
        kept.gone.add(tally);
        kept.gone.memory = 0;
    }

    pub(super) fn costs(&self) -> Costs {
        let kept = lock(&self.0);
        let mut costs = kept.gone.clone();
        kept.live.iter().for_each(|tally| costs.add(tally));
        costs
    }
}

impl Cost {
    /// Upper bounds in seconds, the last one infinite, each with the timed calls that took longer than the one before allows.
    pub fn timed(&self) -> impl Iterator<Item = (f64, u64)> {
        let bound = |class: usize| BOUNDS.get(class).map_or(f64::INFINITY, |&ns| ns as f64 / 1e9);
        self.timed.iter().enumerate().map(move |(class, count)| (bound(class), *count))
    }
}

impl Costs {
    fn add(&mut self, tally: &Tally) {
        for (cost, counts) in self.hooks.iter_mut().zip(&tally.hooks) {
            cost.calls += read(&counts.calls);
            cost.cpu += TICK * u32::try_from(read(&counts.met)).unwrap_or(u32::MAX);
            cost.timed.iter_mut().zip(&counts.timed).for_each(|(sum, count)| *sum += read(count));
            cost.timed_sum += Duration::from_nanos(read(&counts.timed_ns));
        }
        self.memory += tally.memory.load(Ordering::Relaxed);
        self.peak = self.peak.max(tally.peak.load(Ordering::Relaxed));
        self.made += read(&tally.made);
    }
}

/// For one writer at a time: no other store can come between.
fn add(figure: &AtomicU64, delta: u64) {
    figure.store(read(figure) + delta, Ordering::Relaxed);
}

fn read(figure: &AtomicU64) -> u64 {
    figure.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_hooks_stand_at_their_positions() {
        assert!(Hook::ALL.iter().enumerate().all(|(position, hook)| *hook as usize == position));
    }

    #[test]
    fn what_slots_have_counted_adds_up_and_outlives_them() {
        let tallies = Tallies::default();
        let slots = [Arc::<Tally>::default(), Arc::default()];
        for (slot, calls) in slots.iter().zip([17, 3]) {
            tallies.join(slot);
            (0..calls).for_each(|_| slot.call(Hook::Selection, || ()));
            slot.made();
        }
        slots[0].met(Hook::Selection, 5);
        slots[0].holds(3_000);
        slots[0].holds(1_000);
        slots[1].holds(2_000);
        let costs = tallies.costs();
        let selection = &costs.hooks[Hook::Selection as usize];
        assert_eq!((selection.calls, selection.cpu), (20, Duration::from_millis(5)));
        // The first and the seventeenth of one, the first of the other.
        assert_eq!(selection.timed().map(|(_, count)| count).sum::<u64>(), 3);
        assert!(selection.timed_sum > Duration::ZERO);
        assert_eq!(costs.hooks[Hook::Routing as usize], Cost::default());
        assert_eq!((costs.memory, costs.peak, costs.made), (3_000, 3_000, 2));

        tallies.leave(&slots[0]);
        tallies.leave(&slots[0]);
        assert_eq!(tallies.costs(), Costs { memory: 2_000, ..costs });
    }
}
