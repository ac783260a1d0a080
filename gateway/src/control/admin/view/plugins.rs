//! Plugins: the version of each that is live, and what became of others.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::model::PluginSource;
use crate::control::admin::Desk;
use crate::control::figures::Figures;
use crate::plugin::{Hook, Plugin};
use crate::state::Serving;

/// `GET /api/v1/plugins`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct PluginsView {
    plugins: Vec<PluginView>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PluginView {
    name: String,
    /// The file; null for one that the gateway brings.
    file: Option<String>,
    /// What it says of itself.
    summary: String,
    live: VersionView,
    /// What it can be rolled back to.
    before: Option<VersionView>,
    /// Hooks that it has.
    hooks: Vec<&'static str>,
    /// An operator has taken it out.
    disabled: bool,
    /// New versions that took their place while traffic flowed.
    swaps: u64,
    /// New versions that were no good.
    swaps_refused: u64,
    /// Versions that were taken back after their swap.
    rollbacks: u64,
    /// Names of its uses, each once.
    uses: Vec<String>,
    limits: LimitsView,
}

/// A version of a plugin.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct VersionView {
    version: String,
    /// The first twelve digits of its SHA-256.
    digest: String,
}

/// What an instance may use up.
#[derive(Debug, Serialize, JsonSchema)]
struct LimitsView {
    memory_bytes: usize,
    /// CPU seconds of one call.
    deadline: f64,
    /// Of a worker's time, 0 to 1.
    worker_share: f64,
}

pub(in crate::control::admin) fn plugins(desk: &Desk) -> PluginsView {
    PluginsView { plugins: all_plugins(&desk.figures, &desk.figures.serving()) }
}

pub(super) fn all_plugins(figures: &Figures, serving: &Serving) -> Vec<PluginView> {
    let done = figures.done();
    let live = serving.plugins.iter().enumerate();
    let view = |(index, plugin): (usize, &Arc<Plugin>)| {
        let versions = done.plugins.get(&plugin.name).copied().unwrap_or_default();
        let settings = serving.settings(index);
        let uses = || serving.uses_of(index).map(|place| serving.owner(place));
        let mut names: Vec<String> = uses().map(|owner| owner.name.to_string()).collect();
        names.dedup();
        PluginView {
            name: plugin.name.clone(),
            file: match &settings.source {
                PluginSource::File { path, .. } => Some(path.display().to_string()),
                PluginSource::BuiltIn(_) => None,
            },
            summary: plugin.description.summary.clone(),
            live: VersionView { version: plugin.description.version.clone(), digest: plugin.digest.to_string() },
            before: done
                .before
                .get(&plugin.name)
                .map(|before| VersionView { version: before.version.clone(), digest: before.digest.to_string() }),
            hooks: Hook::ALL.into_iter().filter(|hook| plugin.has(*hook)).map(Hook::as_str).collect(),
            disabled: uses().any(|owner| owner.is_disabled()),
            swaps: versions.swaps,
            swaps_refused: versions.refused,
            rollbacks: versions.rollbacks,
            uses: names,
            limits: LimitsView {
                memory_bytes: settings.limits.memory,
                deadline: settings.limits.deadline.as_secs_f64(),
                worker_share: f64::from(settings.limits.worker_share_per_mille) / 1000.0,
            },
        }
    };
    live.map(view).collect()
}
