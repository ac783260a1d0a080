//! Figures of uses: what went by something other than their word, and what their calls cost.

use std::fmt;
use std::sync::atomic::Ordering;

use super::lines::Lines;
use super::page::Counter;
use super::view::distinct;
use crate::config::model::UseIndex;
use crate::plugin::{Costs, Counters, FailureKind, Hook, Use};
use crate::state::Serving;

/// What went by something other than a plugin's word.
pub(super) fn uses(lines: &mut Lines<'_>, serving: &Serving) -> fmt::Result {
    let uses = distinct(&serving.plan);
    let help = "Calls of a use that failed or were not let in, by reason; those off the way of requests too.";
    let mut failures = lines.counters("sluice_plugin_failures", help)?;
    for (_, owner) in &uses {
        for kind in FailureKind::ALL {
            let labels = [("use", &*owner.name), ("plugin", &owner.plugin), ("kind", kind.as_str())];
            failures.count(labels, owner.counters().failures(kind))?;
        }
    }
    let help = "Exchanges that went on by on-error since a use failed or was not let in, by hook.";
    let mut fallbacks = lines.counters("sluice_plugin_fallbacks", help)?;
    for (place, owner) in &uses {
        let plugin = serving.plugin_of(*place);
        for (hook, count) in owner.counters().fallbacks().filter(|(hook, _)| plugin.has(*hook)) {
            fallbacks.count([("use", &*owner.name), ("plugin", &owner.plugin), ("hook", hook.as_str())], count)?;
        }
    }
    let counts: [Counter<Counters>; 2] = [
        ("sluice_plugin_overridden", "Choices of a use that the gateway did not accept.", |counters| {
            counters.overridden.load(Ordering::Relaxed)
        }),
        ("sluice_plugin_retries_ignored", "Retries that a use asked for and did not get.", |counters| {
            counters.retries_ignored.load(Ordering::Relaxed)
        }),
    ];
    for (name, help, count) in counts {
        let mut counters = lines.counters(name, help)?;
        for (_, owner) in &uses {
            counters.count([("use", &*owner.name), ("plugin", &owner.plugin)], count(owner.counters()))?;
        }
    }
    costs(lines, serving, &uses)
}

/// What their calls cost.
fn costs(lines: &mut Lines<'_>, serving: &Serving, uses: &[(UseIndex, &Use)]) -> fmt::Result {
    let costs: Vec<_> = uses.iter().map(|(place, owner)| (*place, *owner, owner.counters().costs())).collect();
    let of_hooks = || {
        costs.iter().flat_map(|(place, owner, costs)| {
            let plugin = serving.plugin_of(*place);
            let hooks = Hook::ALL.into_iter().zip(&costs.hooks).filter(|(hook, _)| plugin.has(*hook));
            hooks.map(|(hook, cost)| {
                ([("use", &*owner.name), ("plugin", owner.plugin.as_str()), ("hook", hook.as_str())], cost)
            })
        })
    };
    let mut calls = lines.counters("sluice_plugin_calls", "Calls of a use that were let in, by hook.")?;
    for (labels, cost) in of_hooks() {
        calls.count(labels, cost.calls)?;
    }
    let help = "CPU time of calls, estimated: a call is met at work about once a millisecond.";
    let mut cpu = lines.counters("sluice_plugin_cpu_seconds", help)?;
    for (labels, cost) in of_hooks() {
        cpu.count(labels, cost.cpu.as_secs_f64())?;
    }
    let mut timed = lines.histograms("sluice_plugin_call_seconds", "How long calls take; one in sixteen is timed.")?;
    for (labels, cost) in of_hooks() {
        timed.histogram(labels, cost.timed_sum.as_secs_f64(), &cost.timed().collect::<Vec<_>>())?;
    }
    let gauges: [Counter<Costs>; 2] = [
        ("sluice_plugin_memory_bytes", "Memory of all instances of a use.", |costs| costs.memory as u64),
        ("sluice_plugin_memory_peak_bytes", "The most that one instance of a use has had.", |costs| costs.peak as u64),
    ];
    for (name, help, of) in gauges {
        let mut gauge = lines.gauges(name, help)?;
        for (_, owner, costs) in &costs {
            gauge.gauge([("use", &*owner.name), ("plugin", &owner.plugin)], of(costs))?;
        }
    }
    let mut made = lines.counters("sluice_plugin_instances_made", "Instances of a use that were made.")?;
    for (_, owner, costs) in &costs {
        made.count([("use", &*owner.name), ("plugin", &owner.plugin)], costs.made)?;
    }
    let mut disabled = lines.gauges("sluice_plugin_disabled", "1 while an operator has taken a use out.")?;
    for (_, owner, _) in &costs {
        disabled.gauge([("use", &*owner.name), ("plugin", &owner.plugin)], u64::from(owner.is_disabled()))?;
    }
    Ok(())
}
