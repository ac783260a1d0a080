//! Endpoints that the configuration does not name: a thread of its own asks whoever knows them, for each upstream that wants it, and
//! replaces the upstream's set while all else stays. Sources know nothing of each other, nor of what becomes of their answers; this
//! file alone knows them all. A source that fails leaves the last good set as it is.

mod consul;
mod dns;
mod fetch;
mod file;
mod http;
mod keeper;
mod patience;
mod standing;
mod teller;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::config::model::{self, Finder};
use crate::endpoint::Followed;
use crate::observe::panics::survived;
use crate::state::Plan;
use keeper::{Keeper, Kept};
pub(super) use standing::Standing;
use standing::Standings;
use teller::Teller;

/// Names of services that are looked up at a time.
const LOOKUPS: usize = 4;

/// All sources of a gateway.
#[derive(Debug, Clone, Default)]
pub struct Discovery(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    standings: Arc<Standings>,
    /// Told when an upstream has other endpoints.
    changed: Arc<Notify>,
    /// What the thread follows; none: nobody has ever needed it.
    wanted: Mutex<Option<watch::Sender<Vec<Wanted>>>>,
}

/// An upstream whose members are found.
#[derive(Debug, Clone)]
struct Wanted {
    upstream: Arc<str>,
    discover: Arc<model::Discover>,
    kept: Kept,
    /// Told when a request had no success.
    trouble: Arc<Notify>,
}

/// One source that is asked; dropped, it is asked no more.
#[derive(Debug)]
struct Running {
    discover: Arc<model::Discover>,
    kept: watch::Sender<Kept>,
    tasks: [AbortHandle; 2],
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Discovery {
    /// Asks for the members of a plan's upstreams, and waits for the first answers, for each as long as it may take. Blocks.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn begin(plan: &Plan) -> io::Result<Self> {
        let (discovery, wanted) = (Self::default(), wanted(plan));
        let waits: Vec<_> = wanted.iter().map(|one| (one.upstream.clone(), one.discover.wait)).collect();
        discovery.ask(wanted)?;
        discovery.0.standings.wait(&waits);
        for upstream in discovery.0.standings.unknown() {
            tracing::warn!(target: "sluice", %upstream, "no endpoints known yet");
        }
        Ok(discovery)
    }

    /// Asks for the members of a plan's upstreams, and of no others, from now on. A source that has not changed is not disturbed.
    pub(super) fn follow(&self, plan: &Plan) {
        if let Err(error) = self.ask(wanted(plan)) {
            tracing::error!(target: "sluice", %error, "no thread for discovery");
        }
    }

    fn ask(&self, wanted: Vec<Wanted>) -> io::Result<()> {
        let mut thread = self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        match &*thread {
            Some(told) => drop(told.send_replace(wanted)),
            None if wanted.is_empty() => {}
            None => *thread = Some(self.start(wanted)?),
        }
        Ok(())
    }

    /// How sources stand.
    pub(super) fn standings(&self) -> &Standings {
        &self.0.standings
    }

    /// Waits until an upstream has other endpoints, or somebody has told of something else.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Something else serves.
    pub(super) fn tell(&self) {
        self.0.changed.notify_one();
    }

    fn start(&self, wanted: Vec<Wanted>) -> io::Result<watch::Sender<Vec<Wanted>>> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().max_blocking_threads(LOOKUPS).enable_all().build()?;
        let mut hub = Hub { inner: self.0.clone(), running: BTreeMap::new() };
        // So that whoever waits from now on knows for whom.
        self.0.standings.follow(wanted.iter().map(|one| (one.upstream.clone(), Some(one.discover.source.to_string()))));
        let (told, mut follows) = watch::channel(wanted);
        let thread = std::thread::Builder::new().name("sluice-discovery".into());
        thread.spawn(move || {
            runtime.block_on(async { while survived("discovery", hub.run(&mut follows)).await.is_none() {} });
        })?;
        Ok(told)
    }
}

fn wanted(plan: &Plan) -> Vec<Wanted> {
    let memory = plan.config.timeouts.drain;
    let upstreams = plan.config.upstreams.iter().zip(&plan.upstreams);
    let wanted = upstreams.filter_map(|(settings, live)| {
        let discover = settings.discover.clone()?;
        let (upstream, trouble) = (live.name.clone(), live.trouble.clone());
        Some(Wanted { upstream, discover, kept: Kept { set: live.set.clone(), memory }, trouble })
    });
    wanted.collect()
}

/// The thread at work.
struct Hub {
    inner: Arc<Inner>,
    running: BTreeMap<Arc<str>, Running>,
}

impl Hub {
    async fn run(&mut self, wanted: &mut watch::Receiver<Vec<Wanted>>) {
        loop {
            let now = wanted.borrow_and_update().clone();
            self.follow(now);
            if wanted.changed().await.is_err() {
                return;
            }
        }
    }

    fn follow(&mut self, wanted: Vec<Wanted>) {
        let mut before = std::mem::take(&mut self.running);
        let stays = |one: &Wanted| before.get(&one.upstream).is_some_and(|running| running.discover == one.discover);
        let sources = wanted.iter().map(|one| {
            let is_new = !stays(one);
            (one.upstream.clone(), is_new.then(|| one.discover.source.to_string()))
        });
        self.inner.standings.follow(sources.collect::<Vec<_>>().into_iter());
        for one in wanted {
            let upstream = one.upstream.clone();
            let same = before.remove(&upstream).filter(|running| running.discover == one.discover);
            let running = match same {
                Some(running) => {
                    running.kept.send_replace(one.kept.clone());
                    running
                }
                None => self.begin(&one),
            };
            self.running.insert(upstream, running);
        }
    }

    fn begin(&self, wanted: &Wanted) -> Running {
        let Wanted { upstream, discover, kept, trouble } = wanted.clone();
        let source = discover.source.to_string();
        let standings = &self.inner.standings;
        let (found, list) = watch::channel(None);
        let mut teller = Teller::new(upstream.clone(), source.clone(), standings.clone(), found, trouble);
        let (kept, keeps) = watch::channel(kept);
        let mut keeper = Keeper {
            upstream,
            source,
            kept: keeps,
            found: list,
            standings: standings.clone(),
            changed: self.inner.changed.clone(),
            unsaid: Followed::default(),
            said: None,
        };
        let asked = discover.clone();
        let ask = async move { while survived("source", ask(&asked.source, &mut teller)).await.is_none() {} };
        let keep = async move { while survived("keeper", keeper.keep()).await.is_none() {} };
        let tasks = [tokio::spawn(ask).abort_handle(), tokio::spawn(keep).abort_handle()];
        Running { discover, kept, tasks }
    }
}

/// Asks that source again and again.
async fn ask(source: &Finder, teller: &mut Teller) {
    match source {
        Finder::File(path) => file::follow(path, teller).await,
        Finder::Dns(settings) => dns::follow(settings, teller).await,
        Finder::Http(settings) => http::follow(settings, teller).await,
        Finder::Consul(settings) => consul::follow(settings, teller).await,
    }
}

/// What that source says now, for a look without serving; none for those that are not asked for that.
pub fn look(source: &Finder) -> Option<Result<usize, String>> {
    match source {
        Finder::File(path) => Some(file::read(path).map(|found| found.len())),
        Finder::Dns(_) | Finder::Http(_) | Finder::Consul(_) => None,
    }
}
