//! Appearances of plugins, and what each costs. Those that share their figures are one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use schemars::JsonSchema;
use serde::Serialize;

use super::ClassView;
use crate::config::model::{OnError, UseIndex};
use crate::control::admin::Desk;
use crate::plugin::{Cost, FailureKind, Hook, Use};
use crate::state::{Plan, Serving};

/// `GET /api/v1/uses`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct UsesView {
    uses: Vec<UseView>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UseView {
    name: String,
    plugin: String,
    /// What an exchange does when it fails: `fallback`, `pass`, `fail`; null: by the hook.
    on_error: Option<&'static str>,
    /// An operator has taken it out.
    disabled: bool,
    /// What calls of each hook that the plugin has took.
    hooks: Vec<HookView>,
    /// Calls that failed or were not let in, by reason.
    failures: BTreeMap<&'static str, u64>,
    /// Exchanges that went on by `on-error`, by hook.
    fallbacks: BTreeMap<&'static str, u64>,
    /// Choices that the gateway did not accept.
    overridden: u64,
    /// Retries that it asked for and did not get.
    retries_ignored: u64,
    /// Of all its instances, as their last calls left them.
    memory_bytes: usize,
    /// The most that one instance has had.
    memory_peak_bytes: usize,
    /// Instances that were made.
    instances_made: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct HookView {
    hook: &'static str,
    /// That were let in.
    calls: u64,
    /// CPU seconds of all of them, estimated: a call is met at work about once a millisecond.
    cpu: f64,
    /// Calls that were timed: one in sixteen.
    timed: u64,
    /// What those took, in seconds, all together.
    timed_duration: f64,
    timed_durations: Vec<ClassView>,
}

pub(in crate::control::admin) fn uses(desk: &Desk) -> UsesView {
    UsesView { uses: all_uses(&desk.figures.serving()) }
}

pub(super) fn all_uses(serving: &Serving) -> Vec<UseView> {
    distinct(&serving.plan).into_iter().map(|(place, owner)| view(serving, place, owner)).collect()
}

/// The uses by their position, but those that share their figures with an earlier one.
pub(in crate::control::admin) fn distinct(plan: &Plan) -> Vec<(UseIndex, &Use)> {
    let mut seen = BTreeSet::new();
    let uses = plan.uses.iter().map(|owner| &**owner).enumerate();
    uses.filter(|(_, owner)| seen.insert(std::ptr::from_ref(owner.counters()))).collect()
}

fn view(serving: &Serving, place: UseIndex, owner: &Use) -> UseView {
    let (plugin, counters) = (serving.plugin_of(place), owner.counters());
    let costs = counters.costs();
    let hooks = Hook::ALL.into_iter().zip(&costs.hooks).filter(|(hook, _)| plugin.has(*hook));
    let kinds = FailureKind::ALL.into_iter();
    UseView {
        name: owner.name.to_string(),
        plugin: owner.plugin.clone(),
        on_error: owner.on_error.map(|on_error| match on_error {
            OnError::Fallback => "fallback",
            OnError::Pass => "pass",
            OnError::Fail => "fail",
        }),
        disabled: owner.is_disabled(),
        hooks: hooks.map(|(hook, cost)| of_hook(hook, cost)).collect(),
        failures: kinds.map(|kind| (kind.as_str(), counters.failures(kind))).collect(),
        fallbacks: counters.fallbacks().map(|(hook, count)| (hook.as_str(), count)).collect(),
        overridden: counters.overridden.load(Ordering::Relaxed),
        retries_ignored: counters.retries_ignored.load(Ordering::Relaxed),
        memory_bytes: costs.memory,
        memory_peak_bytes: costs.peak,
        instances_made: costs.made,
    }
}

fn of_hook(hook: Hook, cost: &Cost) -> HookView {
    HookView {
        hook: hook.as_str(),
        calls: cost.calls,
        cpu: cost.cpu.as_secs_f64(),
        timed: cost.timed().map(|(_, count)| count).sum(),
        timed_duration: cost.timed_sum.as_secs_f64(),
        timed_durations: cost.timed().map(ClassView::of).collect(),
    }
}
