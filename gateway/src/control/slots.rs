//! New instances for slots that have lost theirs.

use std::sync::Weak;
use std::time::Duration;

use crate::plugin::{LoadError, Slot};

/// How long a slot waits for the next attempt to make it an instance, and at most; each time twice as long as before.
const AGAIN: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(60);

/// Makes what the slot lacks, on a thread of its own, and tries again until it succeeds or nobody has the slot any more.
pub(super) fn fill(slot: Weak<Slot>) {
    tokio::spawn(async move {
        let mut wait = AGAIN;
        // A slot that was swapped out needs no instance.
        while let Some(held) = slot.upgrade().filter(|slot| !slot.is_retired()) {
            let (owner, plugin) = (held.owner.clone(), held.plugin.clone());
            let filled = tokio::task::spawn_blocking(move || held.fill()).await;
            match filled.unwrap_or_else(|panic| Err(LoadError::Host(panic.to_string()))) {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(target: "plugin", r#use = %owner.name, plugin = %plugin.name, reason = %error, "no new instance");
                    tokio::time::sleep(wait).await;
                    wait = LATEST.min(wait * 2);
                }
            }
        }
    });
}
