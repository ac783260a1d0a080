//! From one list of endpoints to the next: who is still the same, who has joined, who has left. Whoever leaves is chosen no more
//! and finishes what it has; what was seen of it is remembered for a while, since it may come back.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Endpoint, Set};
use crate::config::model;

/// Endpoints that have left and are remembered; of more, those that left first are forgotten.
const MOST_DEPARTED: usize = 10_000;

/// What a new list has changed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// Endpoints that were not there before.
    pub joined: usize,
    /// Endpoints that are not there any more.
    pub left: usize,
    /// Endpoints that are described otherwise: another weight, say.
    pub changed: usize,
}

/// An endpoint that has left.
#[derive(Debug, Clone)]
pub struct Departed {
    /// It.
    pub endpoint: Arc<Endpoint>,
    /// When it left.
    pub since: Instant,
    /// What it had been sent by then.
    attempts: u64,
}

/// By id and address.
pub(super) type Leavers = HashMap<(Arc<str>, Arc<str>), Departed>;

impl Followed {
    /// True if all is as it was.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The endpoints of these settings, in their order. One that is `known` by id and address stays the very same object, or keeps its
/// figures if it is only described otherwise; who is new is made by `joining`.
pub fn again(
    wanted: impl IntoIterator<Item = model::Endpoint>,
    known: &[Arc<Endpoint>],
    mut joining: impl FnMut(model::Endpoint) -> Arc<Endpoint>,
) -> Vec<Arc<Endpoint>> {
    let known: HashMap<&str, &Arc<Endpoint>> = known.iter().map(|known| (&*known.settings.id, known)).collect();
    let again = |settings: model::Endpoint| {
        let found = known.get(&*settings.id).filter(|known| known.settings.address == settings.address);
        match found {
            Some(known) if known.settings == settings => Arc::clone(known),
            Some(known) => known.under(settings),
            None => joining(settings),
        }
    };
    wanted.into_iter().map(again).collect()
}

impl Set {
    /// These endpoints in place of those that it has, published if that makes a difference. The first ones of all begin warm, as
    /// those of a configuration do at the start.
    pub fn follow(&self, wanted: Vec<model::Endpoint>, now: Instant) -> Followed {
        let before = self.snapshot();
        let mut departed = self.departed();
        let is_first = before.endpoints.is_empty() && departed.is_empty();
        let mut back = 0;
        let endpoints = again(wanted, &before.endpoints, |settings| match departed.remove(&key(&settings)) {
            Some(known) => {
                back += known.attempts;
                known.endpoint.under(settings)
            }
            None => Endpoint::since(now, settings, is_first),
        });
        let address = |endpoint: &Arc<Endpoint>| Arc::as_ptr(endpoint.figures()) as usize;
        let stay: HashSet<usize> = endpoints.iter().map(address).collect();
        let there: HashSet<usize> = before.endpoints.iter().map(address).collect();
        let left: Vec<&Arc<Endpoint>> =
            before.endpoints.iter().filter(|known| !stay.contains(&address(known))).collect();
        let same: HashSet<*const Endpoint> = before.endpoints.iter().map(Arc::as_ptr).collect();
        let changed = endpoints.iter().filter(|one| there.contains(&address(one)) && !same.contains(&Arc::as_ptr(one)));
        let followed = Followed { joined: stay.difference(&there).count(), left: left.len(), changed: changed.count() };
        for endpoint in left {
            // Should it come back, it begins slowly.
            endpoint.figures.in_use_for(false, now, true);
            let attempts = endpoint.attempts();
            self.past.fetch_add(attempts, Ordering::Relaxed);
            departed.insert(key(&endpoint.settings), Departed { endpoint: endpoint.clone(), since: now, attempts });
        }
        self.past.fetch_sub(back, Ordering::Relaxed);
        keep_the_last(&mut departed);
        if !followed.is_nothing() {
            self.replace(endpoints, now);
        }
        followed
    }

    /// Forgets who has left longer than `after` ago.
    pub fn forget(&self, now: Instant, after: Duration) {
        self.departed().retain(|_, known| now.saturating_duration_since(known.since) < after);
    }

    /// True if somebody has left and is not forgotten yet.
    pub fn remembers(&self) -> bool {
        !self.departed().is_empty()
    }

    /// Who has left and is not forgotten yet.
    pub fn left(&self) -> Vec<Departed> {
        self.departed().values().cloned().collect()
    }

    /// Requests that were sent to its endpoints, or tried to be, those that have left with them. It never becomes less, but for a
    /// moment while some come and go.
    pub fn attempts(&self) -> u64 {
        let now: u64 = self.load().endpoints.iter().map(|endpoint| endpoint.attempts()).sum();
        self.past.load(Ordering::Relaxed).wrapping_add(now)
    }

    /// What is inside is whole after each statement that changes it.
    fn departed(&self) -> MutexGuard<'_, Leavers> {
        self.departed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(settings: &model::Endpoint) -> (Arc<str>, Arc<str>) {
    (settings.id.clone(), settings.address.clone())
}

fn keep_the_last(departed: &mut Leavers) {
    if departed.len() > MOST_DEPARTED {
        let mut times: Vec<Instant> = departed.values().map(|known| known.since).collect();
        let (_, last, _) = times.select_nth_unstable(departed.len() - MOST_DEPARTED);
        let last = *last;
        departed.retain(|_, known| known.since >= last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::WhenAllBad;
    use crate::endpoint::{Health, Rules};

    fn settings(id: &str, address: &str, weight: u32) -> model::Endpoint {
        model::Endpoint { address: address.into(), ..crate::endpoint::tests::endpoint(id, weight).settings.clone() }
    }

    fn empty() -> Arc<Set> {
        Set::new(Vec::new(), Rules { when_all_bad: WhenAllBad::UseAll, slow_start: Some(Duration::from_secs(10)) })
    }

    fn followed(joined: usize, left: usize, changed: usize) -> Followed {
        Followed { joined, left, changed }
    }

    #[test]
    fn who_stays_is_the_same_and_who_is_described_otherwise_keeps_what_was_seen() {
        let (set, now) = (empty(), Instant::now());
        let [a, b] = [settings("a", "x:1", 1), settings("b", "x:2", 1)];
        assert_eq!(set.follow(vec![a.clone(), b.clone()], now), followed(2, 0, 0));
        let first = set.snapshot();
        assert_eq!(first.warm_up, [1000, 1000], "those that are there from the start are warm");
        assert!(set.follow(vec![a.clone(), b.clone()], now).is_nothing());
        assert!(Arc::ptr_eq(&first, &set.snapshot()), "nothing is published where nothing has changed");

        first.endpoints[0].attempted();
        let heavier = model::Endpoint { weight: 7, ..a };
        assert_eq!(set.follow(vec![heavier, b.clone()], now), followed(0, 0, 1));
        let second = set.snapshot();
        assert!(second.endpoints[0].is(&first.endpoints[0]) && second.endpoints[0].attempts() == 1);
        assert!(Arc::ptr_eq(&second.endpoints[1], &first.endpoints[1]));
        // The same id at another address is another endpoint.
        assert_eq!(set.follow(vec![settings("a", "x:3", 7), b], now), followed(1, 1, 0));
        assert_eq!(set.snapshot().endpoints[0].attempts(), 0);
    }

    #[test]
    fn who_leaves_is_remembered_and_begins_slowly_when_it_comes_back() {
        let (set, now) = (empty(), Instant::now());
        let [a, b] = [settings("a", "x:1", 1), settings("b", "x:2", 1)];
        set.follow(vec![a.clone(), b.clone()], now);
        let known = set.snapshot().endpoints[0].clone();
        known.attempted();
        assert_eq!(set.follow(vec![b.clone()], now), followed(0, 1, 0));
        assert!(set.left()[0].endpoint.is(&known));
        assert_eq!(set.attempts(), 1, "what was sent was sent");
        assert_eq!(set.follow(vec![a.clone(), b.clone()], now), followed(1, 0, 0));
        let members = set.snapshot();
        assert!(members.endpoints[0].is(&known) && set.left().is_empty());
        assert_eq!((&*members.warm_up, set.attempts()), (&[100, 1000][..], 1));

        set.follow(vec![b.clone()], now);
        let minute = Duration::from_secs(60);
        set.forget(now + minute / 2, minute);
        assert_eq!(set.left().len(), 1);
        set.forget(now + minute, minute);
        set.follow(vec![a, b], now + minute);
        assert!(set.left().is_empty() && !set.snapshot().endpoints[0].is(&known));
        assert_eq!(set.attempts(), 1);
    }

    #[test]
    fn nobody_is_left_where_the_list_is_empty() {
        let (set, now) = (empty(), Instant::now());
        set.follow(vec![settings("a", "x:1", 1)], now);
        assert_eq!(set.follow(Vec::new(), now), followed(0, 1, 0));
        assert!(set.snapshot().endpoints.is_empty());
        // They are not the first ones of all.
        set.follow(vec![settings("b", "x:2", 1), settings("a", "x:1", 1)], now);
        assert_eq!((set.snapshot().warm_up.clone(), set.snapshot().conditions[0]), (vec![100, 100], Health::Healthy));
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let (set, now) = (empty(), Instant::now());
        let many = |from: usize| (from..from + MOST_DEPARTED).map(|n| settings(&n.to_string(), "x:1", 1)).collect();
        set.follow(many(0), now);
        set.follow(many(MOST_DEPARTED), now);
        set.follow(vec![settings("last", "x:1", 1)], now + Duration::from_secs(1));
        let left = set.left();
        assert_eq!(left.len(), MOST_DEPARTED);
        assert!(left.iter().all(|known| known.endpoint.settings.id.len() == 5), "the first ones are forgotten");
    }
}
