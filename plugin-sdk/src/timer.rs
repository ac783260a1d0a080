//! The hook for periodic work.

use crate::{Plugin, TimeUs};

/// Periodic work on each worker, as often as [`Setup::tick`](crate::Setup::tick) asked.
pub trait Timer: Plugin {
    /// 5 ms of CPU time. Ticks that could not be given in time are left out, not made up for.
    fn tick(&mut self, now: TimeUs);
}
