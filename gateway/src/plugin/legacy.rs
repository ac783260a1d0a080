//! What the uses of a gateway keep beside their instances, told to the one that takes its place: cells and store, in parts, so that
//! neither side holds all of it as text.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use super::shared::{Held, Shared};
use super::uses::Use;

/// Bytes of values in one part, more or less.
const PART: usize = 256 * 1024;

/// Some of what one use keeps.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// Whose.
    pub(super) name: String,
    /// The name of its plugin: another one would understand nothing of it.
    pub(super) plugin: String,
    pub(super) cells: BTreeMap<String, i64>,
    pub(super) entries: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Base64.
    value: String,
    /// Milliseconds until it expires; 0: never.
    pub(super) left_ms: u32,
}

impl Entry {
    /// None: it is no base64.
    pub(super) fn value(&self) -> Option<Vec<u8>> {
        STANDARD_NO_PAD.decode(&self.value).ok()
    }
}

/// What the uses of a gateway keep, for the one that takes its place.
#[derive(Debug)]
pub struct Legacy(Vec<Kept>);

/// What one use keeps, and how much of it was told.
#[derive(Debug)]
pub(super) struct Kept {
    name: String,
    plugin: String,
    shared: Arc<Shared>,
    cells: BTreeMap<String, i64>,
    pub(super) version: u64,
}

impl Legacy {
    /// Of these uses. Nothing is told yet.
    pub fn of(uses: &[Arc<Use>]) -> Self {
        let mut kept: Vec<Kept> = Vec::with_capacity(uses.len());
        for owner in uses {
            // A use may stand at several places and keep all in one.
            if !kept.iter().any(|known| Arc::ptr_eq(&known.shared, &owner.shared)) {
                kept.push(Kept::new(&owner.name, &owner.plugin, owner.shared.clone()));
            }
        }
        Self(kept)
    }

    /// What was not told yet.
    pub fn changes(&mut self) -> impl Iterator<Item = Part> {
        self.0.iter_mut().flat_map(Kept::changes)
    }
}

impl Kept {
    pub(super) fn new(name: &str, plugin: &str, shared: Arc<Shared>) -> Self {
        Self { name: name.into(), plugin: plugin.into(), shared, cells: BTreeMap::new(), version: 0 }
    }

    pub(super) fn changes(&mut self) -> impl Iterator<Item = Part> + use<> {
        let (held, next) = self.shared.store.since(self.version);
        self.version = next;
        let mut cells: BTreeMap<String, i64> = self.shared.cells.values().into_iter().collect();
        cells.retain(|name, value| self.cells.insert(name.clone(), *value) != Some(*value));
        let (name, plugin) = (self.name.clone(), self.plugin.clone());
        let mut held = held.into_iter().peekable();
        std::iter::from_fn(move || {
            if cells.is_empty() && held.peek().is_none() {
                return None;
            }
            let (mut entries, mut bytes) = (Vec::new(), 0);
            while let Some(next) = held.next_if(|_| bytes < PART) {
                bytes += next.key.len() + next.value.len();
                entries.push(Entry::from(next));
            }
            Some(Part { name: name.clone(), plugin: plugin.clone(), cells: std::mem::take(&mut cells), entries })
        })
    }
}

impl From<Held> for Entry {
    fn from(held: Held) -> Self {
        let left_ms = held.left.map_or(0, |left| u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1));
        Self { key: held.key.to_string(), value: STANDARD_NO_PAD.encode(&held.value), left_ms }
    }
}
