//! One version of a plugin in place of another while traffic flows: everything is built aside, workers switch one by one,
//! and any failure on the way leaves the old version serving and says why.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Control;
use crate::config::model::PluginIndex;
use crate::plugin::{Digest, LoadError, Plugin};
use crate::state::{self, Change, Filling};

/// For each worker what it needs: an instance and a spare of every use.
type Fillings = Vec<Vec<Filling>>;

impl Control {
    /// Looks at a plugin's file, and swaps if its content is new and good.
    pub(super) async fn swap(&mut self, index: PluginIndex) {
        let old = self.plugins[index].clone();
        let (plugin, fillings) = match self.prepare(index).await {
            Ok(Some(ready)) => ready,
            Ok(None) => return,
            Err(error) => {
                let path = &self.plan.config.plugins[index].source;
                tracing::warn!(target: "sluice", plugin = %old.name, %path, reason = %error, "swap refused");
                return;
            }
        };
        self.hand_over(fillings).await;
        self.plugins[index] = plugin.clone();
        for settings in self.plan.config.uses.iter().filter(|settings| settings.plugin == index) {
            tracing::info!(
                target: "sluice",
                r#use = %settings.name,
                plugin = %plugin.name,
                version = %plugin.description.version,
                old = %old.digest,
                new = %plugin.digest,
                "swap"
            );
        }
    }

    /// Builds everything aside, on a thread of its own so that slots can be refilled meanwhile. None: nothing new.
    async fn prepare(&mut self, index: PluginIndex) -> Result<Option<(Arc<Plugin>, Fillings)>, LoadError> {
        let (host, keys, plan) = (self.host.clone(), self.keys.clone(), self.plan.clone());
        let live = self.plugins[index].digest;
        let mut building = tokio::task::spawn_blocking(move || {
            let settings = &plan.config.plugins[index];
            let bytes = state::read(&settings.source)?;
            if Digest::of(&bytes) == live {
                return Ok(None);
            }
            let plugin = host.load(&settings.name, &bytes, &settings.limits, &keys)?;
            plan.check_hooks_of(index, &plugin)?;
            let uses = || plan.config.uses.iter().enumerate().filter(|(_, settings)| settings.plugin == index);
            for (place, _) in uses() {
                plugin.trial(&plan.uses[place])?;
            }
            let fill = |worker| uses().map(|(place, _)| plan.fill(place, &plugin, worker)).collect();
            let fillings: Fillings = (0..plan.config.workers).map(fill).collect::<Result<_, _>>()?;
            Ok(Some((plugin, fillings)))
        });
        loop {
            tokio::select! {
                built = &mut building => {
                    return built.unwrap_or_else(|panic| Err(LoadError::Host(panic.to_string())));
                }
                Some(wanted) = self.wanted.recv() => self.refill(wanted),
            }
        }
    }

    /// Gives each worker its slots, and waits until the last one has switched.
    async fn hand_over(&self, fillings: Fillings) {
        let mut switched = Vec::with_capacity(fillings.len());
        for (worker, fillings) in self.workers.iter().zip(fillings) {
            let (done, waiting) = oneshot::channel();
            if worker.send(Change::Swap(fillings, done)).await.is_ok() {
                switched.push(waiting);
            }
        }
        for waiting in switched {
            // A worker that ends meanwhile has nothing left to switch.
            let _ = waiting.await;
        }
    }
}
