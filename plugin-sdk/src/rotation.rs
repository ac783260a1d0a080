//! Strict rotation, as several plugins need it.

use crate::{Cell, EndpointIndex, endpoints};

/// Hands out endpoints in turn. One cursor, a [`Cell`], serves all workers, so the rotation holds across them and outlives
/// swaps and reloads.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    cursor: Cell,
}

impl Rotation {
    /// Opens the cell of that name for the cursor; the first turn is the first candidate's.
    pub fn open(name: &str) -> Self {
        Self { cursor: Cell::open(name, 0) }
    }

    /// The candidate whose turn it is; in a retry (`input.attempt` above 0) the first from there on that this exchange has
    /// not tried. None if there is none.
    pub fn next(self, candidates: &[EndpointIndex], attempt: u32) -> Option<EndpointIndex> {
        if candidates.is_empty() {
            return None;
        }
        // Unsigned, so that the rotation goes on past the largest number.
        let turn = self.cursor.fetch_add(1) as u64;
        let position = (turn % candidates.len() as u64) as usize;
        if attempt == 0 {
            return Some(candidates[position]);
        }
        endpoints::first_untried(candidates, position)
    }
}
