//! A use: one configured appearance of a plugin, with the state that its instances share on all workers and that outlives
//! every version of the plugin.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::LoadError;
use super::sealing::{Sealer, SealingKeys};
use super::shared::Shared;
use crate::config::model::{OnError, PluginLimits};
use crate::endpoint::Set;

/// An upstream as a plugin knows it.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its name.
    pub name: Arc<str>,
    /// Its endpoints.
    pub set: Arc<Set>,
}

/// What a use is made from.
#[derive(Debug, Clone)]
pub struct UseSettings {
    /// Its name, for logs, cells, store and sealing.
    pub name: Arc<str>,
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
    /// How many workers there are.
    pub workers: usize,
}

/// What went by something other than the plugin's word; for logs and metrics.
#[derive(Debug, Default)]
pub struct Counters {
    /// Calls that failed.
    pub failures: AtomicU64,
    /// Choices that the host did not accept.
    pub overridden: AtomicU64,
    /// Retries that were asked for and not possible.
    pub retries_ignored: AtomicU64,
}

/// One configured appearance of a plugin.
pub struct Use {
    settings: UseSettings,
    pub(super) shared: Arc<Shared>,
    pub(super) sealer: Sealer,
    /// What did not go by its word.
    pub counters: Counters,
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
    /// A use with state of its own.
    pub fn new(settings: UseSettings, keys: &SealingKeys) -> Result<Arc<Self>, LoadError> {
        Self::with_state(settings, keys, Arc::default())
    }

    /// The same `[[use]]` table at a place with other upstreams: shares cells, store and metrics with `sibling`.
    pub fn beside(settings: UseSettings, keys: &SealingKeys, sibling: &Use) -> Result<Arc<Self>, LoadError> {
        Self::with_state(settings, keys, sibling.shared.clone())
    }

    fn with_state(settings: UseSettings, keys: &SealingKeys, shared: Arc<Shared>) -> Result<Arc<Self>, LoadError> {
        let upstream = settings.upstream.as_ref().map_or("", |upstream| &upstream.name);
        let sealer = Sealer::new(keys, &settings.name, upstream).ok_or(LoadError::Sealing)?;
        Ok(Arc::new(Self { sealer, settings, shared, counters: Counters::default() }))
    }
}
