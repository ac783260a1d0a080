//! What happens beside the traffic, on one thread of its own: plugin files are watched and swapped, versions that fail are
//! taken back, and slots that lost an instance get a new one. It reaches workers by sending them [`Change`]s, and never waits
//! for one that is gone.

mod slots;
mod swap;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::config::model::PluginSource;
use crate::plugin::{Host, Notice, Slot};
use crate::state::{Change, Serving};
use swap::History;

/// What the thread works with.
#[derive(Debug)]
pub struct Control {
    host: Arc<Host>,
    /// What serves now.
    serving: Serving,
    /// What became of the versions of each plugin.
    history: Vec<History>,
    /// A way to each worker.
    workers: Vec<mpsc::Sender<Change>>,
    /// What slots report.
    noticed: mpsc::Receiver<Notice>,
    /// Slots that reported failures while something else was going on.
    unheard: Vec<Weak<Slot>>,
    /// The other end of `noticed`, for new slots; it keeps none of the old ones' ends alive.
    notices: mpsc::WeakSender<Notice>,
}

/// Starts the thread. It ends when no slot is left to report anything.
pub fn start(control: Control) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("sluice-control".into()).spawn(move || runtime.block_on(control.run()))
}

impl Control {
    /// For a gateway whose workers serve `serving`.
    pub fn new(
        host: Arc<Host>,
        serving: Serving,
        workers: Vec<mpsc::Sender<Change>>,
        noticed: mpsc::Receiver<Notice>,
        notices: mpsc::WeakSender<Notice>,
    ) -> Self {
        let history = serving.plugins.iter().map(|_| History::default()).collect();
        Self { host, serving, history, workers, noticed, unheard: Vec::new(), notices }
    }

    async fn run(mut self) {
        let files = self.serving.plan.config.plugins.iter().map(|plugin| match &plugin.source {
            PluginSource::File { path, .. } => Some(path.clone()),
            PluginSource::BuiltIn(_) => None,
        });
        let files: Vec<Option<PathBuf>> = files.collect();
        let mut changed = watch::start(&files);
        loop {
            tokio::select! {
                notice = self.noticed.recv() => match notice {
                    Some(Notice::Wants(slot)) => slots::fill(slot),
                    Some(Notice::Fails(slot)) => self.roll_back(slot).await,
                    None => return,
                },
                Some(index) = changed.recv() => self.swap(index).await,
            }
            while let Some(slot) = self.unheard.pop() {
                self.roll_back(slot).await;
            }
        }
    }

    /// Lets every worker serve `next`, and waits until the last one has switched.
    async fn hand_over(&mut self, next: Serving) {
        let mut switched = Vec::with_capacity(self.workers.len());
        for (index, worker) in self.workers.iter().enumerate() {
            let (done, waiting) = oneshot::channel();
            let share = Box::new(next.share(index, Some(&self.serving)));
            if worker.send(Change::Serve(share, done)).await.is_ok() {
                switched.push(waiting);
            }
        }
        for waiting in switched {
            // A worker that ends meanwhile has nothing left to switch.
            let _ = waiting.await;
        }
        self.serving = next;
    }
}
