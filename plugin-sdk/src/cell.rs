//! Shared numbers: named 64-bit atomics that all workers of a use see, and that outlive swaps and reloads.

use crate::host;

/// A named 64-bit atomic, one for all workers of this use. At most 1,024 a use. Each operation is one host call, some 50 ns;
/// there is no lock.
#[derive(Clone, Copy, Debug)]
pub struct Cell(u32);

impl Cell {
    /// Opens the cell of that name and keeps its value; `initial` counts only where it is new. Traps on too many.
    pub fn open(name: &str, initial: i64) -> Self {
        Self(host::cells::open(name, initial))
    }

    /// Its value.
    pub fn load(self) -> i64 {
        host::cells::load(self.0)
    }

    /// Overwrites it.
    pub fn store(self, value: i64) {
        host::cells::store(self.0, value);
    }

    /// Adds, wrapping, and gives the value before.
    pub fn fetch_add(self, delta: i64) -> i64 {
        host::cells::fetch_add(self.0, delta)
    }

    /// Writes `desired` if the value is `expected`; else the error is the value found.
    pub fn compare_exchange(self, expected: i64, desired: i64) -> Result<(), i64> {
        host::cells::compare_exchange(self.0, expected, desired)
    }
}
