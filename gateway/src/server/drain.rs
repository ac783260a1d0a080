//! The end of a worker: it takes nothing new, lets clients go, and waits for what is going on.

use std::future::poll_fn;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::gate::Admission;
use super::worker::Worker;
use crate::observe::Activity;
use crate::state::Leave;

/// How long an idle connection is kept open for one more request when it is to end: a request that is already on its
/// way to us is answered then, and not reset.
pub(super) const LINGER: Duration = Duration::from_millis(500);
/// What of the drain is left for saying goodbye to those who were kept as long as possible.
const FAREWELL: Duration = Duration::from_secs(2);
/// What a connection may take to end when its time is over.
const LATE: Duration = Duration::from_secs(1);

/// Ready when a connection that has begun no request is waited for no longer: it is to end, or others need its place.
pub(super) async fn given_up(worker: &Worker, admission: &Admission, activity: &Activity) {
    tokio::select! {
        () = admission.over() => sleep(worker.linger()).await,
        () = poll_fn(|context| activity.poll_asked_to_leave(context)) => sleep(LINGER).await,
    }
}

impl Worker {
    /// How long an idle connection is kept that is to end.
    pub(super) fn linger(&self) -> Duration {
        self.linger.get()
    }

    /// Takes nothing new, and drains what there is.
    pub(super) fn close(&self, leave: Leave) {
        if leave == Leave::AtNextAnswer {
            let drain = self.plan().config.timeouts.drain;
            self.linger.set(drain.saturating_sub(FAREWELL).max(LINGER));
        }
        for (gate, _) in &*self.gates.borrow() {
            gate.close();
        }
    }

    /// Nothing new comes any more: what had come to its sockets by then is taken.
    pub(super) async fn has_closed(&self) {
        for accepting in self.gates.take().into_iter().flat_map(|(_, accepting)| accepting) {
            // One that panicked takes nothing any more.
            let _ = accepting.await;
        }
    }

    /// Waits for what is going on, as long as `drain` and `drain-streams` allow: connections keep to that by themselves.
    pub(super) async fn finish(&self) {
        // Also where nobody said so: all who could are gone.
        self.close(Leave::Soon);
        let limit = self.plan().config.timeouts.drain_streams + LATE;
        let all_closed = async {
            self.has_closed().await;
            while self.open.get() > 0 {
                self.closed.notified().await;
            }
        };
        let all_closed = timeout(limit, all_closed).await;
        let left = if all_closed.is_err() { self.open.get() } else { 0 };
        let connections = self.cut_off.get() + left;
        if connections > 0 {
            tracing::warn!(target: "sluice", connections, "cut off at the end of `drain`");
        }
    }

    /// A connection that drains is given up.
    pub(super) fn cuts_off(&self) {
        self.cut_off.set(self.cut_off.get() + 1);
    }
}
