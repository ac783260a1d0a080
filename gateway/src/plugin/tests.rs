//! What no plugin can be made to do from outside: the host itself panics while it serves one.

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use wasmtime::Engine;

use super::compile::{Compiler, engine_config};
use super::context::Phase;
use super::{Digest, Failure, FailureKind, Hook, Host, SealingKeys, Slot, Use, UseSettings, builtin};
use crate::config::model::PluginLimits;

const LIMITS: PluginLimits = PluginLimits {
    memory: 64 << 20,
    deadline: Duration::from_secs(5),
    worker_share_per_mille: 1000,
    host_call: 1 << 20,
    output: 16 << 10,
};

/// A host that has these built-in plugins compiled, in that folder.
pub(crate) fn host_of(names: &[&str], folder: &Path, metered: bool) -> Host {
    // Compiled here and put where a child's work is found: no child can be made of a test.
    let compiler = Compiler::new("/nowhere".into(), folder.join("compiled")).unwrap();
    let compiler = if metered { compiler.metered() } else { compiler };
    let engine = Engine::new(&engine_config(metered)).unwrap();
    for name in names {
        let bytes = builtin::bytes(name).unwrap();
        let compiled = engine.precompile_component(bytes).unwrap();
        std::fs::write(compiler.place(&engine, &Digest::of(bytes)), compiled).unwrap();
    }
    Host::new(compiler).unwrap()
}

/// G7: one call fails, its instance goes, and the next call finds another one.
#[test]
fn a_panic_of_the_host_costs_one_call_and_one_instance() {
    let folder = tempfile::tempdir().unwrap();
    let keys = SealingKeys { current: vec![7; 32], previous: None };
    let bytes = builtin::bytes("round-robin").unwrap();
    let host = host_of(&["round-robin"], folder.path(), false);
    let plugin = host.load("round-robin", bytes, &LIMITS, &keys).unwrap();
    let settings = UseSettings {
        name: "app/selection/round-robin".into(),
        plugin: "round-robin".into(),
        config: "{}".into(),
        on_error: None,
        limits: LIMITS,
        upstream: None,
        upstreams: Vec::new(),
        zone: "".into(),
        seed: 0,
        slots: 1,
    };
    let owner = Use::new(settings, &keys).unwrap();
    let (notices, _noticed) = mpsc::channel(4);
    let slot = Slot::new(owner.clone(), plugin, 0, notices);
    slot.fill().unwrap();
    let panics = || {
        slot.enter(Hook::Selection, Some(1), |instance| {
            instance.call(Phase::Running, LIMITS.deadline, |_, _| -> wasmtime::Result<()> { panic!("injected") })
        })
    };
    let describes = || {
        slot.enter(Hook::Selection, Some(2), |instance| {
            instance.call(Phase::Running, LIMITS.deadline, |guests, store| guests.lifecycle.call_describe(store))
        })
    };
    for count in 1..=3 {
        assert_eq!(panics(), Err(Failure::HostPanic("injected".into())));
        assert_eq!(owner.counters().failures(FailureKind::HostPanic), count);
        assert_eq!(describes().unwrap().name, "round-robin");
        slot.fill().unwrap();
    }
}
