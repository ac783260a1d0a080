//! What happens beside the traffic, on one thread of its own: plugin files are watched and swapped, and slots that lost an
//! instance get a new one. It reaches workers by sending them [`Change`]s, and never waits for one that is gone.

mod swap;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::model::PluginSource;
use crate::plugin::{Host, LoadError, Plugin, SealingKeys, Wanted};
use crate::state::{Change, Plan};

/// What the thread works with.
#[derive(Debug)]
pub struct Control {
    /// Loads plugins.
    pub host: Arc<Host>,
    /// The gateway's keys.
    pub keys: SealingKeys,
    /// What the configuration became.
    pub plan: Arc<Plan>,
    /// The version of each plugin that is live.
    pub plugins: Vec<Arc<Plugin>>,
    /// A way to each worker.
    pub workers: Vec<mpsc::Sender<Change>>,
    /// What slots ask for.
    pub wanted: mpsc::Receiver<Wanted>,
    /// The other end of that, for what has to be asked again; it keeps no worker's end alive.
    pub wants: mpsc::WeakSender<Wanted>,
}

/// How long a slot waits for the next attempt to make it an instance.
const AGAIN: Duration = Duration::from_secs(1);

/// Starts the thread. It ends when no worker is left to ask for anything.
pub fn start(control: Control) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("sluice-control".into()).spawn(move || runtime.block_on(control.run()))
}

impl Control {
    async fn run(mut self) {
        let files = self.plan.config.plugins.iter().map(|plugin| match &plugin.source {
            PluginSource::File { path, .. } => Some(path.clone()),
            PluginSource::BuiltIn(_) => None,
        });
        let files: Vec<Option<PathBuf>> = files.collect();
        let mut changed = watch::start(&files);
        loop {
            tokio::select! {
                wanted = self.wanted.recv() => match wanted {
                    Some(wanted) => self.refill(wanted),
                    None => return,
                },
                Some(index) = changed.recv() => self.swap(index).await,
            }
        }
    }

    /// An instance for a slot that has lost one.
    fn refill(&self, wanted: Wanted) {
        let Wanted { place, worker, plugin } = wanted;
        let (Some(owner), Some(to)) = (self.plan.uses.get(place), self.workers.get(worker)) else { return };
        let live = &self.plugins[self.plan.config.uses[place].plugin];
        // A slot of a version that was swapped out needs none.
        if !Arc::ptr_eq(live, &plugin) {
            return;
        }
        let (owner, to, wants) = (owner.clone(), to.clone(), self.wants.clone());
        tokio::spawn(async move {
            let building = tokio::task::spawn_blocking({
                let plugin = plugin.clone();
                let owner = owner.clone();
                move || plugin.start(&owner, worker)
            });
            let built = building.await.unwrap_or_else(|panic| Err(LoadError::Host(panic.to_string())));
            match built {
                // A worker that is gone needs nothing any more.
                Ok(instance) => drop(to.send(Change::Refill(place, plugin, Box::new(instance))).await),
                Err(error) => {
                    tracing::warn!(target: "plugin", r#use = %owner.name, plugin = %plugin.name, reason = %error, "no new instance");
                    tokio::time::sleep(AGAIN).await;
                    if let Some(wants) = wants.upgrade() {
                        // As above.
                        let _ = wants.send(Wanted { place, worker, plugin }).await;
                    }
                }
            }
        });
    }
}
