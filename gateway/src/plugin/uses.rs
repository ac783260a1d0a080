//! A use: one configured appearance of a plugin, with the state that its instances share on all workers and that outlives
//! every version of the plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::sealing::{Sealer, SealingKeys};
use super::shared::Shared;
use super::tally::{Costs, Tallies};
use super::{FailureKind, Hook, LoadError};
use crate::config::model::{OnError, PluginLimits};
use crate::endpoint::Set;
use crate::observe::StandingClock;
use crate::observe::metrics::Registry;

/// An upstream as a plugin knows it.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its name.
    pub name: Arc<str>,
    /// Its endpoints.
    pub set: Arc<Set>,
}

impl PartialEq for Named {
    /// The same name for the very same set.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.set, &other.set)
    }
}

/// What a use is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct UseSettings {
    /// Its name, for logs, cells, store and sealing.
    pub name: Arc<str>,
    /// The name of its plugin.
    pub plugin: String,
    /// JSON text.
    pub config: String,
    /// What an exchange does when it fails.
    pub on_error: Option<OnError>,
    /// What an instance may use up.
    pub limits: PluginLimits,
    /// The upstream whose endpoints it selects.
    pub upstream: Option<Named>,
    /// What it may choose as a routing plugin.
    pub upstreams: Vec<Named>,
    /// Where this gateway stands.
    pub zone: Arc<str>,
    /// The gateway's `hash-seed`.
    pub seed: u64,
    /// How many slots it has: one for each worker, or as many as they share.
    pub slots: usize,
}

/// What a use has in place of the machine's where it is tried outside a gateway, so that the same run gives the same answers.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Its time.
    pub clock: Arc<StandingClock>,
    /// Where the random numbers of WASI come from. Those of the contract are arguments of each call.
    pub entropy: u64,
}

/// What went by something other than the plugin's word.
#[derive(Debug, Default)]
pub struct Counters {
    /// Calls that failed or were not let in, by [`FailureKind`].
    failures: [AtomicU64; FailureKind::ALL.len()],
    /// Those of them for which an exchange had to go on without the use, by [`Hook::OF_EXCHANGES`].
    fallbacks: [AtomicU64; Hook::OF_EXCHANGES.len()],
    /// Choices that the host did not accept.
    pub overridden: AtomicU64,
    /// Retries that were asked for and not possible.
    pub retries_ignored: AtomicU64,
    /// What calls cost.
    pub(super) tallies: Tallies,
}

impl Counters {
    pub(super) fn failed(&self, hook: Hook, kind: FailureKind) {
        if let Some(count) = self.failures.get(kind as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let hooks = Hook::OF_EXCHANGES.iter().zip(&self.fallbacks);
        for (_, count) in hooks.filter(|(other, _)| **other == hook) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often exchanges went on by the use's `on-error`, with the hook in which they did.
    pub fn fallbacks(&self) -> impl Iterator<Item = (Hook, u64)> {
        let counts = self.fallbacks.iter().map(|count| count.load(Ordering::Relaxed));
        Hook::OF_EXCHANGES.into_iter().zip(counts)
    }

    /// What its calls cost so far.
    pub fn costs(&self) -> Costs {
        self.tallies.costs()
    }

    /// How often calls failed in that way, or were not let in for that reason; for hooks off the request's way as well.
    pub fn failures(&self, kind: FailureKind) -> u64 {
        self.failures.get(kind as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// One configured appearance of a plugin.
pub struct Use {
    settings: UseSettings,
    keys: SealingKeys,
    /// None: the machine.
    pub(super) surroundings: Option<Surroundings>,
    pub(super) shared: Arc<Shared>,
    pub(super) sealer: Sealer,
    /// CPU time of making an instance, microseconds; 0: none was made yet.
    start_us: AtomicU64,
}

impl std::ops::Deref for Use {
    type Target = UseSettings;

    fn deref(&self) -> &UseSettings {
        &self.settings
    }
}

impl std::fmt::Debug for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Use").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Use {
    /// An instance that is made in less is made where it is needed, on the worker and between two requests.
    const QUICK: Duration = Duration::from_millis(2);

    /// A use with state of its own.
    pub fn new(settings: UseSettings, keys: &SealingKeys) -> Result<Arc<Self>, LoadError> {
        Self::with_state(settings, keys, Arc::default(), None)
    }

    /// A use outside a gateway.
    ///
    /// # Errors
    /// If its sealing keys cannot be derived.
    pub fn within(
        settings: UseSettings,
        keys: &SealingKeys,
        surroundings: Surroundings,
    ) -> Result<Arc<Self>, LoadError> {
        Self::with_state(settings, keys, Arc::default(), Some(surroundings))
    }

    /// With the cells, store and figures of `sibling`: the same `[[use]]` table at a place with other upstreams, or what the use
    /// was before a reload.
    pub fn beside(settings: UseSettings, keys: &SealingKeys, sibling: &Use) -> Result<Arc<Self>, LoadError> {
        Self::with_state(settings, keys, sibling.shared.clone(), sibling.surroundings.clone())
    }

    fn with_state(
        settings: UseSettings,
        keys: &SealingKeys,
        shared: Arc<Shared>,
        surroundings: Option<Surroundings>,
    ) -> Result<Arc<Self>, LoadError> {
        let upstream = settings.upstream.as_ref().map_or("", |upstream| &upstream.name);
        let sealer = Sealer::new(keys, &settings.name, upstream).ok_or(LoadError::Sealing)?;
        let keys = keys.clone();
        Ok(Arc::new(Self { sealer, settings, keys, surroundings, shared, start_us: AtomicU64::new(0) }))
    }

    /// True if a use made from these would be no other than this one.
    pub fn is_as(&self, settings: &UseSettings, keys: &SealingKeys) -> bool {
        self.settings == *settings && self.keys == *keys
    }

    /// What did not go by its word.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The figures that it keeps itself.
    pub fn metrics(&self) -> &Registry {
        &self.shared.metrics
    }

    /// An operator takes it out, or in again: whether that is new. It holds for all that share its state.
    pub fn set_disabled(&self, disabled: bool) -> bool {
        self.shared.disabled.swap(disabled, Ordering::Relaxed) != disabled
    }

    /// True while an operator has taken it out.
    pub fn is_disabled(&self) -> bool {
        self.shared.disabled.load(Ordering::Relaxed)
    }

    /// True if instances of it are made quickly, as far as one was made yet.
    pub fn starts_quickly(&self) -> bool {
        Duration::from_micros(self.start_us.load(Ordering::Relaxed)) < Self::QUICK
    }

    /// The moment, by the clock that it lives by.
    pub(super) fn now(&self) -> Instant {
        self.surroundings.as_ref().map_or_else(Instant::now, |surroundings| surroundings.clock.instant())
    }

    pub(super) fn started_in(&self, time: Duration) {
        self.start_us.store(time.as_micros() as u64, Ordering::Relaxed);
    }
}
