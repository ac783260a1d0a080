//! One version of a plugin in place of another while traffic flows: everything is built aside, workers switch one by one,
//! and any failure on the way leaves the old version serving and says why. One that fails soon afterwards is taken back.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Control;
use super::figures::Before;
use super::orders::Outcome;
use crate::config::model::PluginIndex;
use crate::config::{KeyPath, Problem};
use crate::plugin::{Digest, LoadError, Plugin, Slot};
use crate::state::{self, Built};

/// How long after a swap the version of before comes back if the new one fails.
const PROBATION: Duration = Duration::from_secs(30);

/// What became of the versions of a plugin.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The version before the last swap, and when that was.
    before: Option<(Arc<Plugin>, Instant)>,
    /// What was taken back: not to be tried again until the file changes.
    taken_back: Option<Digest>,
}

/// What came of a look at a plugin's file.
#[derive(Debug)]
pub(super) enum Swapped {
    /// What it has serves.
    Done,
    /// It has nothing new.
    Unchanged,
    /// What serves still does.
    Refused(Problem),
}

impl Control {
    /// Versions that were taken back.
    pub(super) fn taken_back(&self) -> Vec<Digest> {
        self.history.values().filter_map(|history| history.taken_back).collect()
    }

    /// Looks at a plugin's file, and swaps if its content is new and good.
    pub(super) async fn swap(&mut self, index: PluginIndex) -> Swapped {
        let old = self.serving.plugin(index).clone();
        let next = match self.prepare(index).await {
            Ok(Some(next)) => next,
            Ok(None) => return Swapped::Unchanged,
            Err(error) => {
                let path = &self.serving.settings(index).source;
                self.figures.count(&old.name, |versions| &mut versions.refused);
                tracing::warn!(target: "sluice", plugin = %old.name, %path, reason = %error, "swap refused");
                return Swapped::Refused(self.problem_of_version(index, &error));
            }
        };
        self.hand_over(next).await;
        self.figures.count(&old.name, |versions| &mut versions.swaps);
        let new = self.serving.plugin(index);
        self.history
            .insert(new.name.clone(), History { before: Some((old.clone(), Instant::now())), taken_back: None });
        self.tell_history();
        for place in self.serving.uses_of(index) {
            tracing::info!(
                target: "sluice",
                r#use = %self.serving.owner(place).name,
                plugin = %new.name,
                version = %new.description.version,
                old = %old.digest,
                new = %new.digest,
                "swap"
            );
        }
        Swapped::Done
    }

    /// A version fails: if it is new, the one before comes back.
    pub(super) async fn roll_back(&mut self, slot: Weak<Slot>, reported: Instant) {
        let Some(failing) = slot.upgrade().map(|slot| slot.plugin.clone()) else { return };
        let index = self.serving.plugins.iter().position(|live| Arc::ptr_eq(live, &failing));
        let Some(index) = index else { return };
        let new_since = |(_, since): &(Arc<Plugin>, Instant)| reported.duration_since(*since) < PROBATION;
        let before = self.history.get_mut(&failing.name).and_then(|history| history.before.take());
        if let Some((before, _)) = before.filter(new_since) {
            // What is wrong is said.
            let _ = self.take_back(index, before).await;
        }
    }

    /// An operator wants the version before the last swap.
    pub(super) async fn go_back(&mut self, index: PluginIndex) -> Outcome {
        let before = self.history.get_mut(&self.serving.plugin(index).name).and_then(|history| history.before.take());
        let Some((before, since)) = before else {
            let message =
                "there is no version before this one: it was not swapped in since the last reload or roll-back";
            return Outcome::Refused(vec![self.serving.plan.config.places.problem(&KeyPath::root(), message)]);
        };
        match self.take_back(index, before.clone()).await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                // Another time it may work.
                let name = self.serving.plugin(index).name.clone();
                self.history.entry(name).or_default().before = Some((before, since));
                Outcome::Refused(vec![self.problem_of_version(index, &error)])
            }
        }
    }

    /// An earlier version in place of the one that is live.
    async fn take_back(&mut self, index: PluginIndex, before: Arc<Plugin>) -> Result<(), LoadError> {
        let failing = self.serving.plugin(index).clone();
        let (serving, plugin, notices) = (self.serving.clone(), before.clone(), self.notices.clone());
        let next = self.aside(move || {
            serving.plan.check_hooks_of(index, &plugin)?;
            serving.with_version(index, plugin, &notices)
        });
        let next = next.await;
        match next.unwrap_or_else(|panic| Err(LoadError::Host(panic))) {
            Ok(next) => {
                self.hand_over(next).await;
                self.figures.count(&before.name, |versions| &mut versions.rollbacks);
                self.history.insert(before.name.clone(), History { before: None, taken_back: Some(failing.digest) });
                self.tell_history();
                for place in self.serving.uses_of(index) {
                    tracing::warn!(
                        target: "sluice",
                        r#use = %self.serving.owner(place).name,
                        plugin = %before.name,
                        version = %before.description.version,
                        old = %failing.digest,
                        new = %before.digest,
                        "rolled back"
                    );
                }
                Ok(())
            }
            Err(error) => {
                tracing::warn!(target: "sluice", plugin = %before.name, digest = %before.digest, reason = %error, "cannot roll back");
                Err(error)
            }
        }
    }

    /// What was before the versions that are live, for those who ask.
    pub(super) fn tell_history(&self) {
        let before = self.history.iter().filter_map(|(name, history)| {
            let (before, _) = history.before.as_ref()?;
            let (version, digest) = (before.description.version.clone(), before.digest);
            Some((name.clone(), Before { version, digest }))
        });
        self.figures.set_before(before.collect());
    }

    fn problem_of_version(&self, index: PluginIndex, error: &LoadError) -> Problem {
        state::problem_of_plugin(&self.serving.plan.config, self.serving.settings(index), error)
    }

    /// Builds everything aside. None: nothing new.
    async fn prepare(&mut self, index: PluginIndex) -> Result<Option<Built>, LoadError> {
        let (host, serving, notices) = (self.host.clone(), self.serving.clone(), self.notices.clone());
        let name = &self.serving.plugin(index).name;
        let taken_back = self.history.get(name).and_then(|history| history.taken_back);
        let next = self.aside(move || {
            let settings = serving.settings(index);
            let bytes = state::read(&settings.source)?;
            let digest = Digest::of(&bytes);
            if digest == serving.plugin(index).digest {
                return Ok(None);
            }
            if Some(digest) == taken_back {
                return Err(LoadError::TakenBack);
            }
            let plugin = host.load(&settings.name, &bytes, &settings.limits, &serving.keys)?;
            serving.plan.check_hooks_of(index, &plugin)?;
            for place in serving.uses_of(index) {
                plugin.trial(serving.owner(place))?;
            }
            serving.with_version(index, plugin, &notices).map(Some)
        });
        next.await.unwrap_or_else(|panic| Err(LoadError::Host(panic)))
    }
}
