//! `sluice:plugin/cells`: named atomics shared by all workers of a use.

use std::sync::atomic::{AtomicI64, Ordering};

use wasmtime::{Result, bail};

use crate::plugin::bindings::sluice::plugin::cells::Host;
use crate::plugin::context::Context;

/// Cells that one instance may hold open.
const MOST_OPEN: usize = 4096;

impl Context {
    fn cell(&self, cell: u32) -> Result<&AtomicI64> {
        match self.cells.get(cell as usize) {
            Some(cell) => Ok(cell),
            None => bail!("cell {cell} was never opened"),
        }
    }
}

impl Host for Context {
    fn open(&mut self, name: String, initial: i64) -> Result<u32> {
        if self.cells.len() >= MOST_OPEN {
            bail!("more than {MOST_OPEN} cells open");
        }
        let Some(cell) = self.state.cells.open(&name, initial) else {
            bail!("too many cells, or a name over 256 bytes");
        };
        self.cells.push(cell);
        self.cell_names.push(name.into());
        Ok(self.cells.len() as u32 - 1)
    }

    fn load(&mut self, cell: u32) -> Result<i64> {
        self.show_cell(cell);
        let value = self.cell(cell)?.load(Ordering::SeqCst);
        self.saw_cell(cell, value);
        Ok(value)
    }

    fn store(&mut self, cell: u32, value: i64) -> Result<()> {
        self.cell(cell)?.store(value, Ordering::SeqCst);
        Ok(())
    }

    fn fetch_add(&mut self, cell: u32, delta: i64) -> Result<i64> {
        self.show_cell(cell);
        let value = self.cell(cell)?.fetch_add(delta, Ordering::SeqCst);
        self.saw_cell(cell, value);
        Ok(value)
    }

    fn compare_exchange(&mut self, cell: u32, expected: i64, desired: i64) -> Result<std::result::Result<(), i64>> {
        self.show_cell(cell);
        let outcome = self.cell(cell)?.compare_exchange(expected, desired, Ordering::SeqCst, Ordering::SeqCst);
        let (Ok(value) | Err(value)) = outcome;
        self.saw_cell(cell, value);
        Ok(outcome.map(|_| ()))
    }
}
