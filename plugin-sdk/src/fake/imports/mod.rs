//! The functions of the contract, as the generated bindings spell them, answered by the fake host. On every target but
//! wasm the crate calls these in place of the component's imports.

use super::{
    call::{current, host},
    state::{MetricKind, Stored},
};

pub(crate) mod reports;
pub(crate) mod sealing;
pub(crate) mod types;

pub(crate) mod setup {
    use super::{current, host};
    use crate::{Edit, KeySource, RespondWhen, fake::call::Call};
    use std::time::Duration;

    /// The call, which must be `configure`.
    fn configuring<R>(question: impl FnOnce(&mut Call) -> R) -> R {
        current(|call| {
            assert!(call.configuring, "the setup is over");
            question(call)
        })
    }

    pub(crate) fn use_name() -> String {
        host(|state| state.use_name.clone())
    }

    pub(crate) fn upstream() -> Option<String> {
        host(|state| state.upstream.clone())
    }

    pub(crate) fn upstreams() -> Vec<String> {
        host(|state| state.upstreams.iter().map(|(name, _)| name.clone()).collect())
    }

    pub(crate) fn worker() -> u32 {
        configuring(|call| call.worker)
    }

    pub(crate) fn workers() -> u32 {
        host(|state| state.workers)
    }

    pub(crate) fn seed() -> u64 {
        host(|state| state.seed)
    }

    pub(crate) fn trial() -> bool {
        false
    }

    pub(crate) fn want_key(sources: &[KeySource]) {
        configuring(|call| call.asked.want_key = sources.to_vec());
    }

    pub(crate) fn see_request() {
        configuring(|call| call.asked.see_request = true);
    }

    pub(crate) fn respond(when: RespondWhen) {
        configuring(|call| call.asked.respond = Some(when));
    }

    pub(crate) fn hold_body(bytes: u32) {
        assert!(bytes <= 64 * 1024, "at most 64 KiB of a body can be held");
        configuring(|call| call.asked.hold_body = bytes);
    }

    pub(crate) fn tick(every_ms: u32) {
        assert!(every_ms == 0 || (10..=86_400_000).contains(&every_ms), "a tick is 10 ms to one day apart");
        let every = Duration::from_millis(every_ms.into());
        configuring(|call| call.asked.tick = Some(every).filter(|every| !every.is_zero()));
    }

    pub(crate) fn keep_draining() {
        configuring(|call| call.asked.keep_draining = true);
    }

    pub(crate) fn prepare(edits: &[Edit]) -> u32 {
        super::types::check(edits);
        configuring(|call| {
            call.asked.prepared.push(edits.to_vec());
            u32::try_from(call.asked.prepared.len() - 1).expect("a test prepares little")
        })
    }
}

pub(crate) mod log {
    use super::host;
    use crate::log::Level;

    pub(crate) fn enabled(_: Level) -> bool {
        true
    }

    pub(crate) fn write(level: Level, message: &str) {
        host(|state| state.log.push((level, message.into())));
    }
}

pub(crate) mod metrics {
    use super::{MetricKind, host};

    pub(crate) fn counter(name: &str, _help: &str) -> u32 {
        host(|state| state.open_metric(name, MetricKind::Counter))
    }

    pub(crate) fn gauge(name: &str, _help: &str) -> u32 {
        host(|state| state.open_metric(name, MetricKind::Gauge))
    }

    pub(crate) fn histogram(name: &str, _help: &str) -> u32 {
        host(|state| state.open_metric(name, MetricKind::Histogram))
    }

    pub(crate) fn add(metric: u32, delta: u64) {
        host(|state| state.metrics[metric as usize].value += delta as f64);
    }

    pub(crate) fn set(metric: u32, value: f64) {
        host(|state| state.metrics[metric as usize].value = value);
    }

    pub(crate) fn observe(metric: u32, value: f64) {
        host(|state| state.metrics[metric as usize].value += value);
    }
}

pub(crate) mod cells {
    use super::host;

    pub(crate) fn open(name: &str, initial: i64) -> u32 {
        host(|state| {
            let position = state.cells.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                assert!(state.cells.len() < 1024, "a use has at most 1,024 cells");
                state.cells.push((name.into(), initial));
                state.cells.len() - 1
            });
            u32::try_from(position).expect("at most 1,024 cells")
        })
    }

    fn with<R>(cell: u32, use_cell: impl FnOnce(&mut i64) -> R) -> R {
        host(|state| use_cell(&mut state.cells[cell as usize].1))
    }

    pub(crate) fn load(cell: u32) -> i64 {
        with(cell, |value| *value)
    }

    pub(crate) fn store(cell: u32, value: i64) {
        with(cell, |cell| *cell = value);
    }

    pub(crate) fn fetch_add(cell: u32, delta: i64) -> i64 {
        with(cell, |value| std::mem::replace(value, value.wrapping_add(delta)))
    }

    pub(crate) fn compare_exchange(cell: u32, expected: i64, desired: i64) -> Result<(), i64> {
        with(cell, |value| {
            if *value != expected {
                return Err(*value);
            }
            *value = desired;
            Ok(())
        })
    }
}

pub(crate) mod store {
    use super::{Stored, host};
    use crate::store::{Entry, StoreError};

    pub(crate) fn get(key: &str) -> Option<Entry> {
        host(|state| {
            let stored = state.find_stored(key)?;
            Some(Entry { value: stored.value.clone(), version: stored.version })
        })
    }

    pub(crate) fn set(key: &str, value: &[u8], ttl_ms: u32) -> Result<u64, StoreError> {
        if key.len() > 512 || value.len() > 64 * 1024 {
            return Err(StoreError::TooLarge);
        }
        host(|state| {
            state.writes += 1;
            let expires_us = (ttl_ms > 0).then(|| state.now_us + u64::from(ttl_ms) * 1_000);
            state.store.insert(key.into(), Stored { value: value.into(), version: state.writes, expires_us });
            Ok(state.writes)
        })
    }

    pub(crate) fn compare_and_set(key: &str, version: u64, value: &[u8], ttl_ms: u32) -> Result<u64, StoreError> {
        if get(key).map_or(0, |entry| entry.version) != version {
            return Err(StoreError::Conflict);
        }
        set(key, value, ttl_ms)
    }

    pub(crate) fn remove(key: &str) {
        host(|state| state.store.remove(key));
    }
}

pub(crate) mod members {
    use super::host;
    use crate::{Health, fake::Endpoint};

    fn column<T>(value: impl Fn(&Endpoint) -> T) -> Vec<T> {
        host(|state| state.endpoints.iter().map(value).collect())
    }

    pub(crate) fn ids() -> Vec<String> {
        column(|endpoint| endpoint.id.clone())
    }

    pub(crate) fn addresses() -> Vec<String> {
        column(|endpoint| endpoint.address.clone())
    }

    pub(crate) fn weights() -> Vec<u32> {
        column(|endpoint| endpoint.weight)
    }

    pub(crate) fn warm_up() -> Vec<u32> {
        column(|endpoint| endpoint.warm_up)
    }

    pub(crate) fn priorities() -> Vec<u32> {
        column(|endpoint| endpoint.priority)
    }

    pub(crate) fn conditions() -> Vec<Health> {
        column(|endpoint| endpoint.health)
    }

    pub(crate) fn zones() -> Vec<String> {
        column(|endpoint| endpoint.zone.clone())
    }

    pub(crate) fn local_zone() -> String {
        host(|state| state.local_zone.clone())
    }

    pub(crate) fn labels(key: &str) -> Vec<Option<String>> {
        column(|endpoint| endpoint.labels.get(key).cloned())
    }
}

pub(crate) mod endpoints {
    use super::{current, host};

    pub(crate) fn in_flight(endpoint: u32) -> u32 {
        host(|state| state.endpoints[endpoint as usize].in_flight)
    }

    pub(crate) fn in_flight_all() -> Vec<u32> {
        host(|state| state.endpoints.iter().map(|endpoint| endpoint.in_flight).collect())
    }

    pub(crate) fn latency_us(endpoint: u32) -> u32 {
        host(|state| state.endpoints[endpoint as usize].latency_us)
    }

    pub(crate) fn latency_us_all() -> Vec<u32> {
        host(|state| state.endpoints.iter().map(|endpoint| endpoint.latency_us).collect())
    }

    pub(crate) fn bytes_per_second(endpoint: u32) -> u64 {
        host(|state| state.endpoints[endpoint as usize].bytes_per_second)
    }

    pub(crate) fn bytes_per_second_all() -> Vec<u64> {
        host(|state| state.endpoints.iter().map(|endpoint| endpoint.bytes_per_second).collect())
    }

    pub(crate) fn tried(endpoint: u32) -> bool {
        assert!((endpoint as usize) < host(|state| state.endpoints.len()), "no endpoint {endpoint}");
        current(|call| call.tried.contains(&endpoint))
    }
}

pub(crate) mod upstreams {
    use super::host;

    pub(crate) fn healthy(upstream: u32) -> u32 {
        host(|state| state.upstreams[upstream as usize].1)
    }
}
