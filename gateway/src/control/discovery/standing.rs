//! How the sources stand: what they have answered, since when they fail, who has no answer yet. For operators, and for the start of
//! the gateway, which waits for first answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// One source.
#[derive(Debug, Clone, Default)]
pub(in crate::control) struct Standing {
    /// Who is asked.
    pub(in crate::control) source: String,
    /// Lists of endpoints that it gave, also those that changed nothing.
    pub(in crate::control) answers: u64,
    /// How often it gave none, or one that is no good.
    pub(in crate::control) failures: u64,
    /// How often another set of endpoints was published.
    pub(in crate::control) changes: u64,
    /// When it last answered; none: never.
    pub(in crate::control) answered: Option<SystemTime>,
    /// Why it does not; none: it does.
    pub(in crate::control) failing: Option<String>,
    /// Its first answer is served.
    is_known: bool,
}

/// All of them, by upstream.
#[derive(Debug, Default)]
pub(in crate::control) struct Standings {
    all: Mutex<BTreeMap<Arc<str>, Standing>>,
    first: Condvar,
}

impl Standings {
    /// Sources of these upstreams from now on, and no others; `None`: who is asked has not changed.
    pub(super) fn follow(&self, sources: impl Iterator<Item = (Arc<str>, Option<String>)>) {
        let mut all = self.lock();
        let mut before = std::mem::take(&mut *all);
        for (upstream, source) in sources {
            let known = before.remove(&upstream).unwrap_or_default();
            let standing = match source {
                // What is counted goes on, as all figures of what keeps its name.
                Some(source) => Standing { source, failing: None, answered: None, is_known: false, ..known },
                None => known,
            };
            all.insert(upstream, standing);
        }
    }

    /// Changes one; nothing happens where it is gone.
    pub(super) fn of<T>(&self, upstream: &str, change: impl FnOnce(&mut Standing) -> T) -> Option<T> {
        self.lock().get_mut(upstream).map(change)
    }

    /// The first answer is served.
    pub(super) fn knows(&self, upstream: &str) {
        self.of(upstream, |standing| standing.is_known = true);
        self.first.notify_all();
    }

    /// All of them.
    pub(in crate::control) fn all(&self) -> BTreeMap<Arc<str>, Standing> {
        self.lock().clone()
    }

    /// Upstreams whose source has not answered since it was configured.
    pub(in crate::control) fn unknown(&self) -> Vec<Arc<str>> {
        self.lock().iter().filter(|(_, standing)| !standing.is_known).map(|(upstream, _)| upstream.clone()).collect()
    }

    /// Waits until each of these upstreams has its first answer, or has waited for so long. Blocks.
    pub(super) fn wait(&self, upstreams: &[(Arc<str>, Duration)]) {
        let began = Instant::now();
        let mut all = self.lock();
        loop {
            let is_known = |upstream: &str| all.get(upstream).is_none_or(|standing| standing.is_known);
            let waiting = upstreams.iter().filter(|(upstream, _)| !is_known(upstream));
            let longest = waiting.map(|(_, wait)| *wait).max().unwrap_or_default();
            let left = longest.saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            all = self.first.wait_timeout(all, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Held for moments.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Standing>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_waits_for_first_answers_and_no_longer_than_it_may() {
        let standings = Arc::new(Standings::default());
        let [quick, never]: [Arc<str>; 2] = ["quick".into(), "never".into()];
        standings.follow([&quick, &never].map(|name| (name.clone(), Some("a file".to_owned()))).into_iter());
        assert_eq!(standings.unknown(), [never.clone(), quick.clone()]);
        let told = standings.clone();
        let teller = std::thread::spawn(move || told.knows("quick"));
        standings.wait(&[(quick.clone(), Duration::from_secs(600))]);
        teller.join().expect("no panic");
        standings.wait(&[(quick.clone(), Duration::from_secs(600)), (never.clone(), Duration::from_millis(1))]);
        assert_eq!(standings.unknown(), std::slice::from_ref(&never));
        // A source that is gone is not waited for, and one that stays is known already.
        standings.follow([(quick.clone(), None)].into_iter());
        standings.wait(&[(quick, Duration::from_secs(600)), (never, Duration::from_secs(600))]);
        assert!(standings.unknown().is_empty());
    }
}
