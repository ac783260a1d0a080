//! Work that takes long, beside what the control thread does.

use std::time::Instant;

use super::{Control, slots};
use crate::plugin::Notice;

impl Control {
    /// Does what takes long on a thread of its own, and lets slots be filled meanwhile; what fails meanwhile is heard
    /// afterwards. The error is a panic's text.
    pub(super) async fn aside<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let mut working = tokio::task::spawn_blocking(work);
        loop {
            tokio::select! {
                done = &mut working => return done.map_err(|panic| panic.to_string()),
                Some(notice) = self.noticed.recv() => match notice {
                    Notice::Wants(slot) => slots::fill(slot),
                    Notice::Fails(slot) => self.unheard.push((slot, Instant::now())),
                },
            }
        }
    }
}
