//! The engine by itself, with epochs and without: what it costs that a guest can be interrupted. The same guest and the same
//! hook, without this gateway's way in; its imports trap, since it needs none.

use std::cell::LazyCell;

use criterion::{BenchmarkId, Criterion};
use wasmtime::component::{Component, Instance, Linker, TypedFunc, Val};
use wasmtime::{Config, Engine, OptLevel, Store};

use crate::gateway::Gateway;
use crate::guests;

pub fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("epochs");
    let guest = guests::component("passes");
    for turns in [0_u64, 1_000] {
        for (name, epochs) in [("bare without", false), ("bare with", true)] {
            // Compiled once, and only if it is asked for.
            let mut bare = LazyCell::new(|| Bare::of(&guest, turns, epochs));
            group.bench_function(BenchmarkId::new(name, turns), |bencher| {
                let bare = &mut *bare;
                bencher.iter(|| bare.tick(1));
            });
        }
        let plugin = format!("{{ plugin = \"passes\", config = {{ turns = {turns} }} }}");
        let gateway = Gateway::selecting(&plugin, 3);
        let mut now = 0;
        group.bench_function(BenchmarkId::new("gateway", turns), |bencher| {
            bencher.iter(|| {
                now += 1_000;
                gateway.slots[0].tick(now).unwrap();
            });
        });
    }
    group.finish();
}

/// A guest in an engine with the gateway's settings.
struct Bare {
    store: Store<()>,
    tick: TypedFunc<(u64,), ()>,
    epochs: bool,
}

impl Bare {
    fn of(component: &[u8], turns: u64, epochs: bool) -> Self {
        let mut config = Config::new();
        config.epoch_interruption(epochs).max_wasm_stack(256 * 1024).cranelift_opt_level(OptLevel::Speed);
        let engine = Engine::new(&config).unwrap();
        let component = Component::new(&engine, component).unwrap();
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&component).unwrap();
        let mut store = Store::new(&engine, ());
        if epochs {
            store.set_epoch_deadline(1);
        }
        let instance = linker.instantiate(&mut store, &component).unwrap();
        let configure = function(&mut store, &instance, "lifecycle", "configure");
        let configure = instance.get_func(&mut store, configure).unwrap();
        let mut said = [Val::Bool(false)];
        configure.call(&mut store, &[Val::String(format!("{{\"turns\":{turns}}}"))], &mut said).unwrap();
        assert_eq!(said[0], Val::Result(Ok(None)), "the guest is not configured");
        let tick = function(&mut store, &instance, "timer", "tick");
        let tick = instance.get_typed_func(&mut store, tick).unwrap();
        Self { store, tick, epochs }
    }

    fn tick(&mut self, now: u64) {
        if self.epochs {
            self.store.set_epoch_deadline(1);
        }
        self.tick.call(&mut self.store, (now,)).unwrap();
    }
}

fn function(
    store: &mut Store<()>,
    instance: &Instance,
    interface: &str,
    name: &str,
) -> wasmtime::component::ComponentExportIndex {
    let interface = format!("sluice:plugin/{interface}@0.1.0");
    let interface = instance.get_export_index(&mut *store, None, &interface).unwrap();
    instance.get_export_index(&mut *store, Some(&interface), name).unwrap()
}
