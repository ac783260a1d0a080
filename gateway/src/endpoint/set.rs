//! The endpoints of an upstream together: the verdict on each, and what it may take of the traffic. A snapshot is immutable,
//! and a new one is published when something in it changes.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};

use super::follow::Leavers;
use super::{Endpoint, Health};
use crate::config::model::WhenAllBad;

/// What a warm endpoint takes of its weight, per mille.
const WARM: u32 = 1000;
/// Steps of a slow start. Each is announced to every plugin that selects, so they are few; the first is a tenth.
const STEPS: u32 = 10;

/// The endpoints of an upstream at one moment. Position is the contract's `endpoint-index`.
#[derive(Debug, Default)]
pub struct Members {
    /// In the order of the source.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// The verdict on each.
    pub conditions: Vec<Health>,
    /// What each takes of its weight, per mille: less than 1000 while it starts slowly.
    pub warm_up: Vec<u32>,
}

impl Members {
    /// Where an endpoint stands; none if it is gone. One comparison each.
    pub fn position(&self, endpoint: &Endpoint) -> Option<u32> {
        let found = self.endpoints.iter().position(|e| e.is(endpoint));
        found.and_then(|i| u32::try_from(i).ok())
    }

    /// How many are in full use.
    pub fn healthy(&self) -> usize {
        let in_use = |health: &&Health| matches!(health, Health::Healthy | Health::Degraded);
        self.conditions.iter().filter(in_use).count()
    }

    /// What an endpoint takes of the traffic, in no unit: its weight times its slow start. None out of range.
    pub fn share(&self, index: usize) -> u64 {
        let weight = self.endpoints.get(index).map_or(0, |endpoint| endpoint.settings.weight);
        u64::from(weight) * u64::from(self.warm_up.get(index).copied().unwrap_or(WARM))
    }
}

/// How verdicts are made of what is seen of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What happens when none may be chosen.
    pub when_all_bad: WhenAllBad,
    /// How long an endpoint takes to its full weight; none: no time.
    pub slow_start: Option<Duration>,
}

/// The members of one upstream, as they are now. Readers take the current snapshot without a lock; whoever changes a
/// member publishes a new one.
#[derive(Debug)]
pub struct Set {
    current: ArcSwap<Members>,
    rules: Rules,
    /// Those that have left, by which time; locked by who brings another list.
    pub(super) departed: Mutex<Leavers>,
    /// Attempts at endpoints that have left.
    pub(super) past: AtomicU64,
}

impl Set {
    /// The set that a configuration names. Nothing is noted of its members yet, since it may never serve.
    pub fn new(endpoints: Vec<Arc<Endpoint>>, rules: Rules) -> Arc<Self> {
        let members = judge(&endpoints, rules, Instant::now(), false);
        let current = ArcSwap::from_pointee(Members { endpoints, ..members });
        Arc::new(Self { current, rules, departed: Mutex::default(), past: AtomicU64::new(0) })
    }

    /// The current snapshot, for a look.
    pub fn load(&self) -> Guard<Arc<Members>> {
        self.current.load()
    }

    /// The current snapshot, to keep.
    pub fn snapshot(&self) -> Arc<Members> {
        self.current.load_full()
    }

    /// Judges every member again, and publishes the result if something in it has changed.
    pub fn refresh(&self, now: Instant) {
        let current = self.load();
        let judged = judge(&current.endpoints, self.rules, now, true);
        if judged.conditions != current.conditions || judged.warm_up != current.warm_up {
            self.current.rcu(|members| {
                let judged = judge(&members.endpoints, self.rules, now, true);
                Members { endpoints: members.endpoints.clone(), ..judged }
            });
        }
    }

    /// Other members in place of those it had, judged and published.
    pub fn replace(&self, endpoints: Vec<Arc<Endpoint>>, now: Instant) {
        let members = judge(&endpoints, self.rules, now, true);
        self.current.store(Arc::new(Members { endpoints, ..members }));
    }

    /// The same members under other verdicts and in another state of their starts, one of each for each of them: as they were at
    /// another time. The next look judges them anew.
    pub fn restore(&self, conditions: Vec<Health>, warm_up: Vec<u32>) {
        let endpoints = self.load().endpoints.clone();
        if conditions.len() == endpoints.len() && warm_up.len() == endpoints.len() {
            self.current.store(Arc::new(Members { endpoints, conditions, warm_up }));
        }
    }

    /// How it judges.
    pub fn rules(&self) -> Rules {
        self.rules
    }
}

/// The members but for the endpoints themselves.
fn judge(endpoints: &[Arc<Endpoint>], rules: Rules, now: Instant, notes: bool) -> Members {
    let mut conditions: Vec<Health> = endpoints.iter().map(|endpoint| endpoint.health()).collect();
    let warm_up = endpoints.iter().zip(&conditions).map(|(endpoint, health)| {
        let in_use_for = endpoint.figures.in_use_for(*health == Health::Healthy, now, notes);
        in_use_for.zip(rules.slow_start).map_or(WARM, |(since, window)| warmth(since, window))
    });
    let warm_up = warm_up.collect();
    let none_left = !conditions.contains(&Health::Healthy);
    if none_left && rules.when_all_bad == WhenAllBad::UseAll {
        conditions.fill(Health::Degraded);
    }
    Members { endpoints: Vec::new(), conditions, warm_up }
}

/// What an endpoint takes of its weight, per mille, `since` it is in use: a straight line over `window` in steps, from a tenth
/// on (Envoy's slow start with its default aggression, 1, and its default least weight, 10 %).
fn warmth(since: Duration, window: Duration) -> u32 {
    let step = (window / STEPS).max(Duration::from_micros(1));
    let steps = u32::try_from(since.as_micros() / step.as_micros()).unwrap_or(STEPS);
    steps.clamp(1, STEPS) * (WARM / STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Fault;
    use crate::endpoint::tests::endpoint;

    fn set(endpoints: &[Arc<Endpoint>], when_all_bad: WhenAllBad, slow_start: Option<u64>) -> Arc<Set> {
        Set::new(endpoints.to_vec(), Rules { when_all_bad, slow_start: slow_start.map(Duration::from_secs) })
    }

    #[test]
    fn weight_grows_in_a_straight_line_from_a_tenth() {
        let window = Duration::from_secs(30);
        let cases = [(0, 100), (2_999, 100), (3_000, 100), (5_999, 100), (6_000, 200), (15_000, 500), (29_999, 900)];
        for (since, warm) in cases.into_iter().chain([(30_000, 1000), (3_000_000, 1000)]) {
            assert_eq!(warmth(Duration::from_millis(since), window), warm, "{since} ms");
        }
        let shortest = Duration::from_micros(1);
        assert_eq!(warmth(Duration::ZERO, shortest), 100);
        assert_eq!(warmth(Duration::MAX, shortest), 1000);
    }

    #[test]
    fn who_comes_back_starts_slowly_and_who_was_there_from_the_start_does_not() {
        let endpoints = [endpoint("a", 1), endpoint("b", 3)];
        let set = set(&endpoints, WhenAllBad::UseAll, Some(10));
        let start = Instant::now();
        let at = |seconds| {
            set.refresh(start + Duration::from_secs(seconds));
            let members = set.snapshot();
            (members.conditions.clone(), members.warm_up.clone(), [0, 1, 2].map(|index| members.share(index)))
        };
        use Health::{Healthy, Unhealthy};
        assert_eq!(at(0), (vec![Healthy; 2], vec![1000; 2], [1000, 3000, 0]));
        endpoints[1].figures.eject(start, Duration::from_secs(5), 1, Fault::Failures);
        assert_eq!(at(1), (vec![Healthy, Unhealthy], vec![1000; 2], [1000, 3000, 0]));
        assert!(endpoints[1].take_back(start + Duration::from_secs(6)));
        assert_eq!(at(6).2, [1000, 300, 0]);
        assert_eq!(at(11).2, [1000, 1500, 0]);
        let before = set.snapshot();
        assert_eq!(at(16), (vec![Healthy; 2], vec![1000; 2], [1000, 3000, 0]));
        assert!(!Arc::ptr_eq(&before, &set.snapshot()), "published");
        let before = set.snapshot();
        at(17);
        assert!(Arc::ptr_eq(&before, &set.snapshot()), "nothing has changed");
    }

    #[test]
    fn a_set_that_was_only_built_leaves_its_members_as_they_are() {
        let drained = endpoint("a", 1);
        drained.set_drained(true);
        set(std::slice::from_ref(&drained), WhenAllBad::Refuse, Some(10));
        drained.set_drained(false);
        let built = set(&[drained], WhenAllBad::Refuse, Some(10));
        assert_eq!(built.load().warm_up, [1000]);
    }

    #[test]
    fn when_all_are_bad_the_rule_decides() {
        let bad = endpoint("a", 1);
        bad.set_checked(super::super::CheckVerdict::Bad, Some("it said so".into()));
        let drained = endpoint("b", 1);
        drained.set_drained(true);
        let both = [bad, drained];
        assert_eq!(set(&both, WhenAllBad::UseAll, None).load().conditions, [Health::Degraded; 2]);
        let refusing = set(&both, WhenAllBad::Refuse, None);
        assert_eq!(refusing.load().conditions, [Health::Unhealthy, Health::Draining]);
        assert_eq!(refusing.load().healthy(), 0);
    }
}
