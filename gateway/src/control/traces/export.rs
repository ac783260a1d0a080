//! What waits for one collector: taken out in batches, sent, and sent once more while that makes sense.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::encode::encode;
use super::post::{Line, Posted};
use crate::config::model::Traces;
use crate::observe::trace::{Finished, Waiting};
use crate::state::Collector;

/// Spans that are sent at a time; a few more if the last exchange has many.
const BATCH: u32 = 512;
/// The first wait before a batch is sent once more; it doubles from time to time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest one.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How long a batch is tried; by then it is of little use, and others wait.
const WORTH: Duration = Duration::from_secs(60);

/// What goes to one collector.
#[derive(Debug)]
pub(super) struct Export {
    settings: Traces,
    waiting: Waiting,
    line: Line,
    /// True at the end of the gateway.
    ends: watch::Receiver<bool>,
    /// Somebody was told that it does not go on.
    has_complained: bool,
    /// Spans that were taken out and are not accounted for.
    in_hand: u32,
}

impl Export {
    /// What waits there goes to that collector. It keeps nobody from telling that nothing more comes.
    pub(super) fn new(
        collector: &Arc<Collector>,
        waiting: Waiting,
        ends: watch::Receiver<bool>,
        lookups: Handle,
    ) -> Self {
        let settings = collector.settings.clone();
        Self { settings, waiting, line: Line::new(collector, lookups), ends, has_complained: false, in_hand: 0 }
    }

    /// Sends until nobody tells anything any more.
    pub(super) async fn run(&mut self) {
        // Of a run that a panic has ended.
        self.account(self.in_hand, |counts| &counts.unreached);
        while let Some(first) = self.waiting.queue.recv().await {
            let batch = self.gather(first).await;
            let body = encode(&self.settings, &batch);
            drop(batch);
            self.deliver(body).await;
        }
    }

    /// What comes soon, or is there already.
    async fn gather(&mut self, first: Finished) -> Vec<Finished> {
        let until = Instant::now() + self.settings.interval;
        self.in_hand += first.size();
        let mut batch = vec![first];
        while self.in_hand < BATCH {
            let next = if *self.ends.borrow() {
                self.waiting.queue.try_recv().ok()
            } else {
                tokio::select! {
                    next = timeout_at(until, self.waiting.queue.recv()) => next.ok().flatten(),
                    ends = self.ends.changed() => match ends {
                        Ok(()) => continue,
                        Err(_) => None,
                    },
                }
            };
            let Some(next) = next else { break };
            self.in_hand += next.size();
            batch.push(next);
        }
        batch
    }

    /// Sends a batch until the collector has it, or will not have it, or it has been tried for too long.
    async fn deliver(&mut self, body: Bytes) {
        let until = Instant::now() + WORTH;
        let mut wait = FIRST_WAIT;
        loop {
            let posted = self.line.post(body.clone(), self.settings.timeout).await;
            match posted {
                Posted::Taken { refused, reason } => {
                    let refused = refused.min(self.in_hand);
                    self.account(self.in_hand - refused, |counts| &counts.sent);
                    self.account(refused, |counts| &counts.refused);
                    self.settle(Some(reason).filter(|_| refused > 0));
                    return;
                }
                Posted::Refused(reason) => {
                    self.account(self.in_hand, |counts| &counts.refused);
                    self.settle(Some(reason));
                    return;
                }
                Posted::Later(after, reason) => {
                    self.settle(Some(reason));
                    // Not all gateways at the same time.
                    let by_itself = wait.mul_f64(0.5 + fastrand::f64());
                    let at = Instant::now() + after.unwrap_or(by_itself);
                    wait = (wait * 2).min(LONGEST_WAIT);
                    if at > until || *self.ends.borrow() || !self.pause(at).await {
                        self.account(self.in_hand, |counts| &counts.unreached);
                        return;
                    }
                }
            }
        }
    }

    /// Waits until then; at the end, once more at once, if it has not been tried since.
    async fn pause(&mut self, at: Instant) -> bool {
        tokio::select! {
            () = sleep_until(at) => true,
            ended = self.ends.changed() => ended.is_ok(),
        }
    }

    /// So many spans wait no more.
    fn account(&mut self, spans: u32, what: fn(&crate::observe::trace::Counts) -> &AtomicU64) {
        what(&self.waiting.counts).fetch_add(spans.into(), Ordering::Relaxed);
        self.waiting.room.add_permits(spans as usize);
        self.in_hand -= spans;
    }

    /// Says what is new: that it does not go on, or goes on again.
    fn settle(&mut self, trouble: Option<String>) {
        let collector = &*self.settings.authority;
        match (trouble, self.has_complained) {
            (Some(reason), false) => tracing::warn!(target: "sluice", collector, %reason, "traces are not taken"),
            (None, true) => tracing::info!(target: "sluice", collector, "traces are taken again"),
            (Some(reason), true) => {
                tracing::debug!(target: "sluice", collector, %reason, "traces are still not taken");
                return;
            }
            (None, false) => return,
        }
        self.has_complained = !self.has_complained;
    }
}
