//! What slots say in the log, and not too often.

use std::time::Duration;

use super::slot::Slot;
use super::{Failure, Hook, LoadError};

/// Failures of one slot that are logged in a second; the rest is counted.
const MOST_REPORTS: u32 = 10;

impl Slot {
    pub(super) fn report(&self, hook: Hook, failure: &Failure, left_out: u64) {
        tracing::warn!(
            target: "plugin",
            r#use = %self.owner.name,
            plugin = %self.plugin.name,
            version = %self.plugin.description.version,
            digest = %self.plugin.digest,
            hook = hook.as_str(),
            reason = %failure,
            left_out = (left_out > 0).then_some(left_out),
            "plugin failed"
        );
    }

    pub(super) fn say_bypassed(&self, pause: Duration) {
        tracing::warn!(
            target: "plugin",
            r#use = %self.owner.name,
            plugin = %self.plugin.name,
            digest = %self.plugin.digest,
            slot = self.number,
            seconds = pause.as_secs_f64(),
            "bypassed"
        );
    }

    pub(super) fn say_shed(&self) {
        let percent = f64::from(self.owner.limits.worker_share_per_mille) / 10.0;
        tracing::warn!(
            target: "plugin",
            r#use = %self.owner.name,
            plugin = %self.plugin.name,
            digest = %self.plugin.digest,
            slot = self.number,
            percent,
            "shed"
        );
    }

    pub(super) fn say_no_instance(&self, reason: &LoadError) {
        tracing::warn!(
            target: "plugin",
            r#use = %self.owner.name,
            plugin = %self.plugin.name,
            digest = %self.plugin.digest,
            %reason,
            "no new instance"
        );
    }
}

/// Keeps one slot from filling the log.
#[derive(Debug, Default)]
pub(super) struct Reports {
    began: u64,
    written: u32,
    left_out: u64,
}

impl Reports {
    /// None: not this one. Otherwise how many were left out before it.
    pub(super) fn admit(&mut self, now_us: u64) -> Option<u64> {
        if now_us.saturating_sub(self.began) >= 1_000_000 {
            (self.began, self.written) = (now_us, 0);
        }
        if self.written >= MOST_REPORTS {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}
