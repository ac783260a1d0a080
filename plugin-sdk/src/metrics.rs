//! A plugin's own figures. They are opened while the plugin is made ([`Setup`](crate::Setup)); the host adds the labels of
//! the use. An update costs one host call, some 50 ns. The gateway's `GET /metrics` shows them as `sluice_use_<name>`.

use crate::host;

/// A count that only grows.
#[derive(Clone, Copy, Debug)]
pub struct Counter(pub(crate) u32);

/// A value that goes up and down, one for all workers: the last one set stands.
#[derive(Clone, Copy, Debug)]
pub struct Gauge(pub(crate) u32);

/// A distribution, in powers of two.
#[derive(Clone, Copy, Debug)]
pub struct Histogram(pub(crate) u32);

impl Counter {
    /// Adds to the count.
    pub fn add(self, delta: u64) {
        host::metrics::add(self.0, delta);
    }
}

impl Gauge {
    /// Sets the value.
    pub fn set(self, value: f64) {
        host::metrics::set(self.0, value);
    }
}

impl Histogram {
    /// Adds an observation.
    pub fn observe(self, value: f64) {
        host::metrics::observe(self.0, value);
    }
}
