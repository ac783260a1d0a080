//! What an endpoint keeps of keys that it has seen: as many as it may, the least recently used goes first.

use std::collections::{HashMap, VecDeque};

/// Keys, by when they were last used.
#[derive(Debug, Default)]
pub(super) struct Recent {
    most: usize,
    /// The last use of each, by its number.
    last: HashMap<u32, u64>,
    /// Uses in their order, also those that were not the last of their key.
    uses: VecDeque<(u32, u64)>,
    used: u64,
}

impl Recent {
    pub(super) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Uses a key: true if it was there. It is there from now on.
    pub(super) fn take(&mut self, key: u32) -> bool {
        self.used += 1;
        let was_there = self.last.insert(key, self.used).is_some();
        self.uses.push_back((key, self.used));
        while self.last.len() > self.most {
            self.forget();
        }
        // What is out of date is at most as much as what is not, and a little.
        if self.uses.len() > 2 * self.last.len() + 64 {
            self.uses.retain(|(key, number)| self.last.get(key) == Some(number));
        }
        was_there
    }

    fn forget(&mut self) {
        while let Some((key, number)) = self.uses.pop_front() {
            if self.last.get(&key) == Some(&number) {
                self.last.remove(&key);
                return;
            }
        }
    }

    /// Nothing is there any more.
    pub(super) fn clear(&mut self) {
        self.last.clear();
        self.uses.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut recent = Recent::new(2);
        let taken: Vec<bool> = [1, 2, 1, 3, 1, 2, 3].into_iter().map(|key| recent.take(key)).collect();
        assert_eq!(taken, [false, false, true, false, true, false, false]);
        recent.clear();
        assert!(!recent.take(3));
    }

    #[test]
    fn what_is_used_again_and_again_takes_no_room() {
        let mut recent = Recent::new(10);
        (0..10_000).for_each(|use_number| assert_eq!(recent.take(use_number % 10), use_number >= 10));
        assert!(recent.uses.len() < 100, "{}", recent.uses.len());
    }
}
