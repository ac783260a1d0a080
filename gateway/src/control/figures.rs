//! What the control thread knows and has done, for those who ask from outside: what serves now, and how often plugins were
//! swapped and the configuration was read again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use arc_swap::{ArcSwap, Guard};

use super::discovery::Discovery;
use crate::config::{Problem, Problems};
use crate::observe::Connections;
use crate::plugin::Digest;
use crate::state::Serving;

/// What can be shown at any time, also while something is being built or handed over.
#[derive(Debug)]
pub(super) struct Figures {
    serving: ArcSwap<Serving>,
    /// Client connections of all workers.
    pub(super) connections: Arc<Connections>,
    /// Where endpoints are found that the configuration does not name.
    pub(super) discovery: Discovery,
    /// When the program began.
    pub(super) started: SystemTime,
    done: Mutex<Done>,
    leaving: AtomicBool,
}

/// What was done since the start.
#[derive(Debug, Clone)]
pub(super) struct Done {
    /// Of each plugin of which there was something to count, by its name.
    pub(super) plugins: BTreeMap<String, Versions>,
    /// How often files were read again and what they said was served.
    pub(super) reloads_served: u64,
    /// How often something was wrong with them, and all stayed as it was.
    pub(super) reloads_refused: u64,
    /// When what serves now was read; at first, the start.
    pub(super) read_at: SystemTime,
    /// What is wrong with the files as they are, and when that was found; none where they are what serves.
    pub(super) refused: Option<(SystemTime, Vec<Problem>)>,
    /// Versions that plugins can be taken back to, by name.
    pub(super) before: BTreeMap<String, Before>,
}

/// A version that is not live any more.
#[derive(Debug, Clone)]
pub(super) struct Before {
    /// What it calls itself.
    pub(super) version: String,
    /// What it was made from.
    pub(super) digest: Digest,
}

/// What became of the versions of a plugin.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Versions {
    /// New ones that took their place while traffic flowed.
    pub(super) swaps: u64,
    /// New ones that were no good.
    pub(super) refused: u64,
    /// Those that failed after their swap and were taken back.
    pub(super) rollbacks: u64,
}

impl Figures {
    /// At the start.
    pub(super) fn new(
        serving: Serving,
        connections: Arc<Connections>,
        discovery: Discovery,
        started: SystemTime,
    ) -> Arc<Self> {
        let done = Done {
            plugins: BTreeMap::new(),
            reloads_served: 0,
            reloads_refused: 0,
            read_at: started,
            refused: None,
            before: BTreeMap::new(),
        };
        Arc::new(Self {
            serving: ArcSwap::from_pointee(serving),
            connections,
            discovery,
            started,
            done: Mutex::new(done),
            leaving: AtomicBool::new(false),
        })
    }

    /// What serves now.
    pub(super) fn serving(&self) -> Guard<Arc<Serving>> {
        self.serving.load()
    }

    /// What was done so far.
    pub(super) fn done(&self) -> Done {
        self.lock().clone()
    }

    /// Something else serves.
    pub(super) fn serves(&self, serving: Serving) {
        self.serving.store(Arc::new(serving));
        self.discovery.tell();
    }

    /// What was read again is served.
    pub(super) fn reloaded(&self) {
        let mut done = self.lock();
        done.reloads_served += 1;
        done.read_at = SystemTime::now();
        done.refused = None;
    }

    /// What was read again is no good.
    pub(super) fn reload_refused(&self, problems: &Problems) {
        let mut done = self.lock();
        done.reloads_refused += 1;
        done.refused = Some((SystemTime::now(), problems.0.clone()));
    }

    /// The files are what serves again.
    pub(super) fn nothing_refused(&self) {
        self.lock().refused = None;
    }

    /// What plugins can be taken back to.
    pub(super) fn set_before(&self, before: BTreeMap<String, Before>) {
        self.lock().before = before;
    }

    /// The gateway takes nothing new any more.
    pub(super) fn leaves(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// True until then.
    pub(super) fn is_ready(&self) -> bool {
        !self.leaving.load(Ordering::Relaxed)
    }

    /// Something became of a version of that plugin.
    pub(super) fn count(&self, plugin: &str, what: fn(&mut Versions) -> &mut u64) {
        *what(self.lock().plugins.entry(plugin.to_owned()).or_default()) += 1;
    }

    /// Held for moments, and by this thread alone.
    fn lock(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
