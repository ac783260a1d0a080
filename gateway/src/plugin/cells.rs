//! The cells of a use: named atomics, which all its instances share and which outlive swaps. Bounded, because a guest decides
//! how many there are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use super::shared::lock;

/// Named atomics.
#[derive(Debug, Default)]
pub(super) struct Cells(Mutex<HashMap<Box<str>, Arc<AtomicI64>>>);

impl Cells {
    const MOST: usize = 1024;
    const LONGEST_NAME: usize = 256;

    /// The cell of that name, made with `initial` if it is new; none if there are too many.
    pub(super) fn open(&self, name: &str, initial: i64) -> Option<Arc<AtomicI64>> {
        let mut cells = lock(&self.0);
        if let Some(cell) = cells.get(name) {
            return Some(cell.clone());
        }
        if cells.len() >= Self::MOST || name.len() > Self::LONGEST_NAME {
            return None;
        }
        let cell = Arc::new(AtomicI64::new(initial));
        cells.insert(name.into(), cell.clone());
        Some(cell)
    }

    /// All of them.
    pub(super) fn values(&self) -> Vec<(String, i64)> {
        let cells = lock(&self.0);
        cells.iter().map(|(name, cell)| (name.to_string(), cell.load(Ordering::SeqCst))).collect()
    }

    /// A copy, to be thrown away.
    pub(super) fn copy(&self) -> Self {
        let cells = lock(&self.0);
        let copy = |cell: &AtomicI64| Arc::new(AtomicI64::new(cell.load(Ordering::SeqCst)));
        Self(Mutex::new(cells.iter().map(|(name, cell)| (name.clone(), copy(cell))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_keeps_its_value_when_it_is_opened_again() {
        let cells = Cells::default();
        let first = cells.open("cursor", 7).unwrap();
        first.store(9, Ordering::SeqCst);
        let again = cells.open("cursor", 7).unwrap();
        assert_eq!(again.load(Ordering::SeqCst), 9);
        let copy = cells.copy().open("cursor", 0).unwrap();
        copy.store(1, Ordering::SeqCst);
        assert_eq!(again.load(Ordering::SeqCst), 9, "a copy is thrown away");
    }
}
