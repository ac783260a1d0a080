//! Traces on their way to a collector. Workers put what they tell into a queue; for each collector that a configuration names
//! there is a task of the control thread that takes it out, in batches, and sends it. One that is dead or slow costs no exchange
//! anything: the queue is bounded, and what finds no room in it is left out and counted.

mod encode;
mod export;
mod post;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::observe::panics::survived;
use crate::state::Serving;
use export::Export;

/// For what is left at the end.
const LEAST: Duration = Duration::from_secs(1);

/// What is on its way to collectors: of the configuration that serves, and of those before as long as something is left.
#[derive(Debug)]
pub struct Exports {
    kept: Mutex<Kept>,
    /// True at the end: nothing waits for more of its kind any more.
    ends: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Kept {
    live: Vec<Live>,
    /// What exchanges get to finish at the end.
    drain: Duration,
}

#[derive(Debug)]
struct Live {
    room: Arc<Semaphore>,
    most: u32,
    task: JoinHandle<()>,
}

impl Exports {
    /// Nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), ends: watch::channel(false).0 })
    }

    /// Sends what is told by way of the queue of what serves, until nobody tells anything by it any more. Needs a runtime around it.
    pub(super) fn follow(&self, serving: &Serving, lookups: &Handle) {
        let mut kept = self.lock();
        kept.drain = serving.plan.config.timeouts.drain;
        kept.live.retain(|live| !live.task.is_finished());
        let Some(collector) = &serving.collector else { return };
        let Some(waiting) = collector.tracer.waiting() else { return };
        let (room, most) = (waiting.room.clone(), waiting.most);
        let mut export = Export::new(collector, waiting, self.ends.subscribe(), lookups.clone());
        let task = tokio::spawn(async move { while survived("traces", export.run()).await.is_none() {} });
        kept.live.push(Live { room, most, task });
    }

    /// Sends all that waits, and waits for that as long as `timeouts.drain` allows for what `began` then, but for a second in any
    /// case. Nothing new comes by now.
    pub fn finish(&self, began: Instant) {
        let Kept { live, drain } = std::mem::take(&mut *self.lock());
        let most = drain.saturating_sub(began.elapsed()).max(LEAST);
        if live.is_empty() {
            return;
        }
        self.ends.send_replace(true);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        // Without it they are not waited for.
        let Ok(runtime) = runtime.enable_time().build() else { return };
        let sent = async {
            for Live { room, most, .. } in &live {
                // It is never closed; whoever has all the room knows that nothing waits.
                let _ = room.acquire_many(*most).await;
            }
        };
        // What is left then is lost.
        let _ = runtime.block_on(async { timeout(most, sent).await });
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
