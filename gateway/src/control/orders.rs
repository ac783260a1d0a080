//! What operators order, and what comes of it.

use tokio::sync::oneshot;

use super::Control;
use super::swap::Swapped;
use crate::config::Problem;
use crate::config::model::PluginIndex;

/// What an operator orders.
#[derive(Debug)]
pub enum Order {
    /// Look at all files now.
    Reload,
    /// Another gateway serves from now on: look at no file any more.
    StepDown,
    /// The gateway takes nothing new any more.
    Leave,
    /// Somebody waits to hear what comes of it.
    Asked(Wish, oneshot::Sender<Outcome>),
}

/// What an operator waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Look at all files now.
    Reload,
    /// Look at the file of that plugin now.
    Swap(String),
    /// That plugin's version before the last swap again.
    RollBack(String),
    /// Take that plugin out, or in again.
    Disable(String, bool),
}

/// What came of a wish.
#[derive(Debug)]
pub enum Outcome {
    /// Something is different now.
    Done,
    /// All is as it was wanted already.
    Unchanged,
    /// All is as it was, for these reasons.
    Refused(Vec<Problem>),
    /// There is no such plugin; these there are.
    NoPlugin(Vec<String>),
}

impl Control {
    /// Does what is wanted; whoever has gone meanwhile need not hear of it.
    pub(super) async fn obey(&mut self, wish: Wish) -> Outcome {
        match wish {
            Wish::Reload => self.look_at_all().await,
            Wish::Swap(plugin) => match self.index_of(&plugin) {
                Ok(index) => self.swap_by_order(index).await,
                Err(known) => known,
            },
            Wish::RollBack(plugin) => match self.index_of(&plugin) {
                Ok(index) => self.go_back(index).await,
                Err(known) => known,
            },
            Wish::Disable(plugin, disabled) => match self.index_of(&plugin) {
                Ok(index) => self.disable(index, disabled),
                Err(known) => known,
            },
        }
    }

    async fn swap_by_order(&mut self, index: PluginIndex) -> Outcome {
        match self.swap(index).await {
            Swapped::Done => Outcome::Done,
            Swapped::Unchanged => Outcome::Unchanged,
            Swapped::Refused(problem) => Outcome::Refused(vec![problem]),
        }
    }

    /// Takes all uses of a plugin out, or in again. It holds until the process ends, over reloads and swaps.
    fn disable(&mut self, index: PluginIndex, disabled: bool) -> Outcome {
        let plugin = self.serving.plugin(index).name.clone();
        let is_new = match disabled {
            true => self.disabled.insert(plugin.clone()),
            false => self.disabled.remove(&plugin),
        };
        self.take_out(&self.serving);
        match (is_new, disabled) {
            (false, _) => return Outcome::Unchanged,
            (true, true) => tracing::warn!(target: "sluice", %plugin, "plugin disabled"),
            (true, false) => tracing::info!(target: "sluice", %plugin, "plugin enabled"),
        }
        Outcome::Done
    }

    fn index_of(&self, plugin: &str) -> Result<PluginIndex, Outcome> {
        let plugins = &self.serving.plugins;
        let found = plugins.iter().position(|known| known.name == plugin);
        found.ok_or_else(|| Outcome::NoPlugin(plugins.iter().map(|known| known.name.clone()).collect()))
    }
}
