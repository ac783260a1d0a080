//! The hook that hands what was learnt from one version of a plugin to the next.

use crate::Plugin;

/// Hand-over from one version of a plugin to the next, worker by worker. Best effort: what must not be lost belongs into a
/// [`Cell`](crate::Cell) or the [`store`](crate::store).
pub trait State: Plugin {
    /// Asked of the old version when the new one is ready. At most 1 MiB, 5 ms of CPU time.
    fn save(&mut self) -> Vec<u8>;

    /// Given to the new version, configured and with its endpoints. An error means "start cold", with the reason for the
    /// log; it never cancels the swap.
    fn restore(&mut self, from_version: &str, saved: Vec<u8>) -> Result<(), String>;
}
