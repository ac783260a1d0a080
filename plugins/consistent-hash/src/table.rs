//! A Maglev table: every slot names an endpoint, in proportion to the shares, and a change of the endpoints changes few
//! slots. It depends on ids, shares and seed alone, so every gateway builds the same one.

use sluice_plugin::{EndpointIndex, Shares, stable_hash};
use std::{cmp::Reverse, collections::BinaryHeap};

/// A prime, so that every step visits every slot; a hundred slots each for some 600 endpoints. It never changes with the
/// number of endpoints, since that would move nearly all keys.
const SLOTS: usize = 65_537;

/// No endpoint yet.
const FREE: EndpointIndex = EndpointIndex::MAX;

/// The order in which an endpoint wishes for slots.
struct Wishes {
    endpoint: EndpointIndex,
    next: usize,
    step: usize,
}

impl Wishes {
    fn new(endpoint: EndpointIndex, id: &str, seed: u64) -> Self {
        let hash = stable_hash(seed, id.as_bytes());
        let next = (hash >> 32) as usize % SLOTS;
        let step = (hash & 0xffff_ffff) as usize % (SLOTS - 1) + 1;
        Self { endpoint, next, step }
    }

    /// The first slot in its order that is free.
    fn take(&mut self, table: &[EndpointIndex]) -> usize {
        loop {
            let slot = self.next;
            self.next = (self.next + self.step) % SLOTS;
            if table[slot] == FREE {
                return slot;
            }
        }
    }
}

/// The table; empty if no endpoint may be chosen.
pub(crate) fn build(ids: &[String], shares: &Shares, seed: u64) -> Vec<EndpointIndex> {
    let mut members: Vec<EndpointIndex> = shares.choosable().collect();
    // The order of turns must not depend on the order in which a gateway lists its endpoints.
    members.sort_by_key(|&endpoint| &ids[endpoint as usize]);
    let mut wishes: Vec<Wishes> =
        members.iter().map(|&endpoint| Wishes::new(endpoint, &ids[endpoint as usize], seed)).collect();

    // Endpoints take turns, each after a time that is the inverse of its share. Whole numbers: every gateway counts alike.
    let pause = |endpoint| (shares.total() << 16) / shares.of(endpoint);
    let turns = members.iter().enumerate().map(|(rank, &endpoint)| Reverse((pause(endpoint) / 2, rank)));
    let mut turns: BinaryHeap<_> = turns.collect();
    let mut table = vec![FREE; if turns.is_empty() { 0 } else { SLOTS }];
    for _ in 0..table.len() {
        let Some(Reverse((time, rank))) = turns.pop() else { break };
        let slot = wishes[rank].take(&table);
        table[slot] = wishes[rank].endpoint;
        turns.push(Reverse((time + pause(wishes[rank].endpoint), rank)));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("10.0.0.{number}:8080")).collect()
    }

    /// Slots whose endpoint is another, or at another place in its list but the same by id.
    fn moved(old: (&[String], &[EndpointIndex]), new: (&[String], &[EndpointIndex])) -> f64 {
        let pairs = old.1.iter().zip(new.1);
        let moved = pairs.filter(|(before, after)| old.0[**before as usize] != new.0[**after as usize]).count();
        moved as f64 / SLOTS as f64
    }

    #[test]
    fn slots_follow_the_shares() {
        for weights in [vec![1; 10], vec![1, 2, 3, 4], vec![1000, 1], (1..=100).collect()] {
            let table = build(&ids(weights.len()), &Shares::new(&weights), 0);
            let total: u32 = weights.iter().sum();
            for (endpoint, weight) in weights.iter().enumerate() {
                let slots = table.iter().filter(|&&slot| slot as usize == endpoint).count();
                let due = f64::from(*weight) / f64::from(total) * SLOTS as f64;
                assert!((slots as f64 - due).abs() <= 2.0, "{slots} slots instead of {due:.1}");
            }
        }
    }

    #[test]
    fn the_order_of_endpoints_does_not_matter_and_the_seed_does() {
        let (ids, shares) = (ids(7), [1, 2, 3, 4, 5, 6, 7]);
        let mut reversed = ids.clone();
        reversed.reverse();
        let table = build(&ids, &Shares::new(&shares), 9);
        let other = build(&reversed, &Shares::new(&[7, 6, 5, 4, 3, 2, 1]), 9);
        assert_eq!(moved((&ids, &table), (&reversed, &other)), 0.0);
        assert!(moved((&ids, &table), (&ids, &build(&ids, &Shares::new(&shares), 10))) > 0.5);
    }

    #[test]
    fn one_of_ten_leaving_moves_about_a_tenth_of_the_keys() {
        let ids = ids(10);
        let table = build(&ids, &Shares::new(&[1; 10]), 0);
        for left in 0..10 {
            let mut shares = [1; 10];
            shares[left] = 0;
            let moved = moved((&ids, &table), (&ids, &build(&ids, &Shares::new(&shares), 0)));
            assert!((0.08..0.15).contains(&moved), "{moved} moved when {left} left");
        }
    }

    #[test]
    fn one_coming_back_brings_its_keys_back() {
        let ids = ids(10);
        let before = build(&ids, &Shares::new(&[1; 10]), 0);
        assert_eq!(before, build(&ids, &Shares::new(&[1; 10]), 0));
    }

    #[test]
    fn nobody_makes_no_table() {
        assert!(build(&ids(2), &Shares::new(&[0, 0]), 0).is_empty());
        assert!(build(&[], &Shares::default(), 0).is_empty());
    }
}
