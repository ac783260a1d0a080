//! Figures that plugins keep: counters, gauges and histograms as plain atomics, registered by name. Recording takes no
//! lock; who shows them reads the registry.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution in powers of two.
    Histogram,
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    kind: Kind,
    help: String,
    /// Counter: the count. Gauge: the bits of its value. Histogram: the bits of the sum.
    value: AtomicU64,
    /// Histogram only: bucket n holds observations up to 2^(n - [`Metric::OFFSET`]); the last one all above.
    buckets: Box<[AtomicU64]>,
}

impl Metric {
    /// Buckets of a histogram: 2^-20 to 2^20, and above.
    const BUCKETS: usize = 42;
    const OFFSET: i32 = 20;

    fn new(kind: Kind, help: &str) -> Self {
        let buckets = if kind == Kind::Histogram { Self::BUCKETS } else { 0 };
        Self {
            kind,
            help: help.to_owned(),
            value: AtomicU64::new(0),
            buckets: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it says of itself.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// Adds to a counter, wrapping.
    pub fn add(&self, delta: u64) {
        self.value.fetch_add(delta, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, value: f64) {
        self.value.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds an observation to a histogram; what is no number is none.
    pub fn observe(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let exponent = if value > 0.0 { value.log2().ceil() as i32 } else { -Self::OFFSET };
        let bucket = (exponent.saturating_add(Self::OFFSET)).clamp(0, Self::BUCKETS as i32 - 1);
        if let Some(bucket) = self.buckets.get(bucket as usize) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let sum = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // The closure always answers, so the update cannot fail.
        let _ = self.value.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
    }

    /// The count of a counter, the value of a gauge, the sum of a histogram.
    pub fn value(&self) -> f64 {
        let word = self.value.load(Ordering::Relaxed);
        match self.kind {
            Kind::Counter => word as f64,
            Kind::Gauge | Kind::Histogram => f64::from_bits(word),
        }
    }

    /// Upper bounds and counts of a histogram's buckets, not cumulative.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bound = |n: usize| match n + 1 {
            Self::BUCKETS => f64::INFINITY,
            _ => f64::from(n as i32 - Self::OFFSET).exp2(),
        };
        let counts = self.buckets.iter().enumerate();
        counts.map(move |(n, count)| (bound(n), count.load(Ordering::Relaxed)))
    }
}

/// The metrics of one use.
#[derive(Debug, Default)]
pub struct Registry {
    metrics: Mutex<BTreeMap<String, Arc<Metric>>>,
}

impl Registry {
    /// Most metrics of one use.
    const MOST: usize = 64;
    /// Bytes of a metric's text; what is longer is cut.
    const LONGEST_HELP: usize = 1024;

    /// Opens a metric, or gives the one of that name and kind. The error says what is wrong.
    pub fn open(&self, kind: Kind, name: &str, help: &str) -> Result<Arc<Metric>, &'static str> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.bytes().all(legal) || name.len() > 128 {
            return Err("not a name like `cache_hits`");
        }
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metric) = metrics.get(name) {
            return if metric.kind == kind { Ok(metric.clone()) } else { Err("already of another kind") };
        }
        if metrics.len() >= Self::MOST {
            return Err("more than 64 metrics");
        }
        let metric = Arc::new(Metric::new(kind, help.split_at(help.floor_char_boundary(Self::LONGEST_HELP)).0));
        metrics.insert(name.to_owned(), metric.clone());
        Ok(metric)
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<(String, Arc<Metric>)> {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.iter().map(|(name, metric)| (name.clone(), metric.clone())).collect()
    }
}
