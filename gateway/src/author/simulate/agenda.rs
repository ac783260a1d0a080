//! What is still to happen, in the order of its time; what happens at the same time, in the order in which it was noted.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events to come. Times are nanoseconds.
#[derive(Debug)]
pub(super) struct Agenda<E> {
    entries: BinaryHeap<Reverse<Entry<E>>>,
    noted: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: u64,
    number: u64,
    event: E,
}

impl<E> Entry<E> {
    fn rank(&self) -> (u64, u64) {
        (self.at, self.number)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl<E> Agenda<E> {
    pub(super) fn new() -> Self {
        Self { entries: BinaryHeap::new(), noted: 0 }
    }

    pub(super) fn note(&mut self, at: u64, event: E) {
        self.entries.push(Reverse(Entry { at, number: self.noted, event }));
        self.noted += 1;
    }

    /// When the next thing happens.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.entries.peek().map(|Reverse(entry)| entry.at)
    }

    pub(super) fn next(&mut self) -> Option<(u64, E)> {
        self.entries.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_at_the_same_time_happens_in_the_order_of_notes() {
        let mut agenda = Agenda::new();
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (3, 'b'), (5, 'e')] {
            agenda.note(at, event);
        }
        assert_eq!(agenda.next_at(), Some(1));
        let order: String = std::iter::from_fn(|| agenda.next()).map(|(_, event)| event).collect();
        assert_eq!(order, "abcde");
    }
}
