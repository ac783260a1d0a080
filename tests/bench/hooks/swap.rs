//! One version of a plugin in place of another, in the parts of `control/swap.rs`: compiled, or found compiled; linked; tried;
//! its instances made; and what was learnt handed over. The plugin is `round-robin`, of some 60 KB.

use criterion::{BatchSize, BenchmarkId, Criterion};
use sluice_gateway::plugin::Slot;

use crate::exchange::{BATCH, Moments};
use crate::gateway::{Gateway, HOST, SIZES, host, keys};
use crate::guests;

const PLUGIN: &str = "round-robin";

pub fn measure(criterion: &mut Criterion) {
    code(criterion);
    instances(criterion);
    hand_over(criterion);
}

/// From bytes to a version that can make instances.
fn code(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("swap");
    let component = guests::built_in(PLUGIN);
    let gateway = Gateway::selecting(&format!("{PLUGIN:?}"), 3);
    let limits = gateway.slots[0].owner.limits.clone();
    group.sample_size(10);
    let cache = tempfile::tempdir().unwrap();
    let (cold, mut version) = (host(cache.path()), 0);
    group.bench_function("compile in a child, load", |bencher| {
        let fresh = || {
            version += 1;
            guests::retouched(&component, &version.to_string())
        };
        let load = |bytes: Vec<u8>| cold.load(PLUGIN, &bytes, &limits, &keys()).unwrap();
        bencher.iter_batched(fresh, load, BatchSize::PerIteration);
    });
    group.bench_function("compile alone", |bencher| {
        let engine = wasmtime::Engine::default();
        bencher.iter(|| engine.precompile_component(&component).unwrap());
    });
    group.sample_size(50);
    group.bench_function("load from the cache", |bencher| {
        bencher.iter_with_large_drop(|| HOST.load(PLUGIN, &component, &limits, &keys()).unwrap());
    });
    group.finish();
}

fn instances(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("swap");
    for size in SIZES {
        let gateway = Gateway::selecting(&format!("{PLUGIN:?}"), size);
        let (owner, plugin) = (&gateway.slots[0].owner, &gateway.slots[0].plugin);
        group.bench_function(BenchmarkId::new("trial", size), |bencher| bencher.iter(|| plugin.trial(owner).unwrap()));
        group.bench_function(BenchmarkId::new("build an instance", size), |bencher| {
            bencher.iter_with_large_drop(|| {
                let slot = Slot::new(owner.clone(), plugin.clone(), 0, gateway.notices.clone());
                slot.wake().unwrap();
                slot
            });
        });
        group.bench_function(BenchmarkId::new("build all of two workers", size), |bencher| {
            bencher.iter_with_large_drop(|| gateway.serving.with_version(0, plugin.clone(), &gateway.notices).unwrap());
        });
    }
    group.finish();
}

fn hand_over(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("swap");
    for bytes in [0_usize, 1_024, 102_400] {
        let gateway = Gateway::selecting(&format!("{{ plugin = \"passes\", config = {{ state = {bytes} }} }}"), 3);
        let slots = [0, 1].map(|number| {
            let held = &gateway.slots[0];
            let slot = Slot::new(held.owner.clone(), held.plugin.clone(), number, gateway.notices.clone());
            slot.fill().unwrap();
            slot
        });
        let mut moments = Moments::begin();
        group.bench_function(BenchmarkId::new("hand over, bytes", bytes), |bencher| {
            // It happens at the time of the call before, so there has to be one.
            let time_goes_on = || slots.iter().for_each(|slot| slot.tick(moments.next().now_us).unwrap());
            bencher.iter_batched(time_goes_on, |()| slots[1].inherit(&slots[0]), BATCH);
        });
    }
    group.finish();
}
