//! The hook that is asked for each attempt: `select`, of every plugin that chooses by itself.

use std::cell::LazyCell;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use sluice_gateway::plugin::Selected;

use crate::exchange::{Moments, request};
use crate::gateway::{Gateway, SIZES};
use crate::native;

/// Plugins, each with a configuration that is likely.
const PLUGINS: [(&str, &str); 9] = [
    ("round-robin", "{}"),
    ("weighted-round-robin", "{}"),
    ("random", "{}"),
    ("power-of-two-choices", "{}"),
    ("least-connections", "{}"),
    ("least-response-time", "{}"),
    ("consistent-hash", r#"{ key = ["client-ip"] }"#),
    (
        "nearest-zone",
        r#"{ zones = { a = { clients = ["192.0.2.0/24"], spill-to = ["b"] }, b = { spill-to = ["a"] } } }"#,
    ),
    ("failover", "{}"),
];

pub fn measure(criterion: &mut Criterion) {
    let head = request("visits=3");
    let mut group = criterion.benchmark_group("select");
    for (plugin, config) in PLUGINS {
        for size in SIZES {
            // Made once, and only if it is asked for.
            let gateway =
                LazyCell::new(|| Gateway::selecting(&format!("{{ plugin = \"{plugin}\", config = {config} }}"), size));
            let (members, mut moments) = (LazyCell::new(|| gateway.members()), Moments::begin());
            group.bench_function(BenchmarkId::new(plugin, size), |bencher| {
                let (slot, members) = (&gateway.slots[0], &*members);
                bencher.iter(|| match slot.select(&head, members, &[], moments.next()) {
                    Ok(Selected::Endpoint(endpoint, _)) => endpoint,
                    other => panic!("{plugin} does not choose: {other:?}"),
                });
            });
        }
        for size in SIZES {
            let gateway = LazyCell::new(|| Gateway::selecting("", size));
            let (mut rule, mut moments) =
                (LazyCell::new(|| native::rule(plugin, &gateway.members())), Moments::begin());
            group.bench_function(BenchmarkId::new(format!("{plugin} natively"), size), |bencher| {
                let rule = &mut *rule;
                bencher.iter(|| rule(black_box(&head), moments.next()).unwrap());
            });
        }
    }
    group.finish();
}
