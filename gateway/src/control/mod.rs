//! What happens beside the traffic, on one thread of its own: files are watched, plugins swapped and taken back, the configuration
//! reloaded, slots filled, endpoints asked and looked after, operators told figures. It never waits for a worker that is gone.

mod admin;
mod aside;
mod contact;
mod discovery;
mod figures;
mod handle;
mod handover;
mod health;
mod orders;
mod questions;
mod reach;
mod reload;
mod scrape;
mod slots;
mod swap;
mod traces;
mod upkeep;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::sleep_until;

use crate::config::{Problems, Source, model::PluginSource};
use crate::observe::Connections;
use crate::observe::panics::survived;
use crate::plugin::{Digest, Host, Notice, Slot, StateDir};
use crate::socket::Sockets;
use crate::state::{Built, Change, Serving};
use crate::supervisor;
pub use discovery::{Discovery, look};
use figures::Figures;
pub use handle::Handle;
use handover::Offer;
pub use handover::{End, Predecessor};
pub use orders::{Order, Outcome, Wish};
pub use reload::digest;
use swap::{History, Swapped};
pub use traces::Exports;
use watch::Watch;

/// Files that belong together change one after the other: they are read when nothing has changed for so long.
const QUIET: Duration = Duration::from_millis(100);

/// Threads that build what is to serve: one for new versions and configurations, and one that makes instances meanwhile. Each
/// has memory of its own, so more would cost more than they give.
const BUILDERS: usize = 2;

/// What the thread starts with.
#[derive(Debug)]
pub struct Setup {
    /// Loads plugins.
    pub host: Arc<Host>,
    /// The configuration.
    pub source: Source,
    /// The content of its file when it was loaded.
    pub loaded: Digest,
    /// Where the gateway keeps what is its own.
    pub state_dir: StateDir,
    /// Where listening sockets come from.
    pub sockets: Arc<Sockets>,
    /// What serves.
    pub serving: Serving,
    /// A way to each worker.
    pub workers: Vec<mpsc::Sender<Change>>,
    /// Where operators come in, as configured, and listening already; none: nowhere.
    pub admin: Option<(SocketAddr, TcpListener)>,
    /// Client connections of all workers.
    pub connections: Arc<Connections>,
    /// Traces on their way to collectors.
    pub exports: Arc<Exports>,
    /// Where endpoints are found that the configuration does not name.
    pub discovery: Discovery,
    /// When the program began.
    pub started: SystemTime,
    /// What operators ask for.
    pub orders: mpsc::Receiver<Order>,
    /// The other end of `orders`.
    pub ordering: mpsc::Sender<Order>,
    /// What slots report.
    pub noticed: mpsc::Receiver<Notice>,
    /// The other end of `noticed`, for new slots.
    pub notices: mpsc::Sender<Notice>,
}

/// The thread at work.
struct Control {
    host: Arc<Host>,
    /// The configuration as it was named, and where it is.
    source: Source,
    path: PathBuf,
    loaded: Digest,
    state_dir: StateDir,
    sockets: Arc<Sockets>,
    /// Takes operators in.
    admin: Option<AbortHandle>,
    serving: Serving,
    /// What serves, and what was done, for those who ask.
    figures: Arc<Figures>,
    exports: Arc<Exports>,
    /// Where names are looked up.
    lookups: runtime::Handle,
    workers: Vec<mpsc::Sender<Change>>,
    noticed: mpsc::Receiver<Notice>,
    notices: mpsc::Sender<Notice>,
    /// What became of the versions of each plugin, by its name.
    history: BTreeMap<String, History>,
    /// Plugins that an operator has taken out, by name.
    disabled: BTreeSet<String>,
    /// Slots that reported failures while something else was going on, and when they did.
    unheard: Vec<(Weak<Slot>, Instant)>,
    /// Files of a configuration that was refused: when one of them changes it may be good.
    refused: BTreeSet<PathBuf>,
    /// What was said last against one.
    told: Option<Problems>,
    watch: Watch,
}

/// Starts the thread, which ends with the process, and lets another gateway take this one's place.
///
/// # Errors
/// If the system gives no thread, or no second descriptor of a socket.
pub fn start(setup: Setup) -> io::Result<(End, Handle)> {
    let (serving, connections) = (setup.serving.clone(), setup.connections.clone());
    let figures = Figures::new(serving, connections, setup.discovery.clone(), setup.started);
    let admin = setup.admin.as_ref().map(|(address, socket)| Ok::<_, io::Error>((*address, socket.try_clone()?)));
    let handle = Handle::new(&figures, &setup.ordering);
    let offer = Offer {
        figures: figures.clone(),
        workers: setup.workers.clone(),
        admin: admin.transpose()?,
        sockets: setup.sockets.clone(),
        orders: setup.ordering.clone(),
    };
    let end = offer.start(&setup.state_dir, &setup.source.file);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(BUILDERS).enable_all().build()?;
    let lookups = contact::lookups()?;
    let thread = std::thread::Builder::new().name("sluice-control".into());
    thread.spawn(move || runtime.block_on(run(setup, figures, lookups)))?;
    Ok((end, handle))
}

async fn run(setup: Setup, figures: Arc<Figures>, lookups: Runtime) {
    let (mut control, mut orders) = Control::new(setup, figures, lookups);
    control.watch.follow(control.files());
    while survived("control", control.attend(&mut orders)).await.is_none() {}
}

impl Control {
    /// Does what is to do, one after the other, for ever.
    async fn attend(&mut self, orders: &mut mpsc::Receiver<Order>) {
        // When to read the configuration and its files again.
        let mut due: Option<Instant> = None;
        loop {
            let quiet = async {
                match due {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(notice) = self.noticed.recv() => match notice {
                    Notice::Wants(slot) => slots::fill(slot),
                    Notice::Fails(slot) => self.roll_back(slot, Instant::now()).await,
                },
                Some(order) = orders.recv() => match order {
                    Order::Reload => drop(self.look_at_all().await),
                    Order::StepDown => {
                        due = None;
                        self.step_down();
                    }
                    Order::Leave => self.figures.leaves(),
                    // Whoever asked may have gone.
                    Order::Asked(wish, answer) => drop(answer.send(self.obey(wish).await)),
                },
                Some(file) = self.watch.changed() => {
                    if !self.look_at(&file).await {
                        due = Some(Instant::now() + QUIET);
                    }
                }
                () = quiet => {
                    due = None;
                    self.reload(false).await;
                }
            }
            while let Some((slot, since)) = self.unheard.pop() {
                self.roll_back(slot, since).await;
            }
        }
    }

    /// Serves operators from now on, and gives what they order. Needs a runtime around it.
    fn new(setup: Setup, figures: Arc<Figures>, lookups: Runtime) -> (Self, mpsc::Receiver<Order>) {
        let ways = (setup.ordering.clone(), setup.workers.clone());
        let desk = |address| admin::Desk::new(figures.clone(), ways, setup.source.file.clone(), address);
        let serve = |(address, socket)| tokio::spawn(admin::serve(socket, desk(address))).abort_handle();
        let admin = setup.admin.map(serve);
        tokio::spawn(upkeep::keep(figures.clone()));
        let names = lookups.handle().clone();
        tokio::spawn(questions::keep(figures.clone(), lookups));
        setup.exports.follow(&setup.serving, &names);
        let control = Self {
            host: setup.host,
            path: setup.source.full_name(),
            source: setup.source,
            loaded: setup.loaded,
            state_dir: setup.state_dir,
            sockets: setup.sockets,
            admin,
            serving: setup.serving,
            figures,
            exports: setup.exports,
            lookups: names,
            workers: setup.workers,
            noticed: setup.noticed,
            notices: setup.notices,
            history: BTreeMap::new(),
            disabled: BTreeSet::new(),
            unheard: Vec::new(),
            refused: BTreeSet::new(),
            told: None,
            watch: Watch::start(),
        };
        (control, setup.orders)
    }

    /// A file may have changed. A plugin's is swapped in at once; true if that was all there was to do.
    async fn look_at(&mut self, file: &Path) -> bool {
        let plugins = self.serving.plan.config.plugins.iter().enumerate();
        let of_file =
            plugins.filter(|(_, plugin)| matches!(&plugin.source, PluginSource::File { path, .. } if path == file));
        let of_file: Vec<usize> = of_file.map(|(index, _)| index).collect();
        for &index in &of_file {
            self.swap(index).await;
        }
        !of_file.is_empty() && self.refused.is_empty()
    }

    async fn look_at_all(&mut self) -> Outcome {
        supervisor::reloading();
        self.reload(true).await;
        let mut problems = self.told.clone().map_or_else(Vec::new, |told| told.0);
        for index in 0..self.serving.plugins.len() {
            if let Swapped::Refused(problem) = self.swap(index).await {
                problems.push(problem);
            }
        }
        supervisor::ready();
        if problems.is_empty() { Outcome::Done } else { Outcome::Refused(problems) }
    }

    /// What is going on here is finished as it began; files and operators are the other gateway's.
    fn step_down(&mut self) {
        self.watch.stop();
        if let Some(admin) = self.admin.take() {
            admin.abort();
        }
    }

    /// Lets every worker serve what was built, and waits until the last one has switched.
    async fn hand_over(&mut self, built: Built) {
        built.announce(Some(&self.serving));
        self.take_out(&built.serving);
        let (serving, shares) = built.shares(Some(&self.serving));
        let mut switched = Vec::with_capacity(self.workers.len());
        for (worker, share) in self.workers.iter().zip(shares) {
            let (done, waiting) = oneshot::channel();
            if worker.send(Change::Serve(Box::new(share), done)).await.is_ok() {
                switched.push(waiting);
            }
        }
        for waiting in switched {
            // A worker that ends meanwhile has nothing left to switch.
            let _ = waiting.await;
        }
        self.figures.discovery.follow(&serving.plan);
        self.figures.serves(serving.clone());
        self.exports.follow(&serving, &self.lookups);
        self.serving = serving;
    }

    /// What an operator has taken out is out of what is to serve as well.
    fn take_out(&self, serving: &Serving) {
        for owner in &serving.plan.uses {
            owner.set_disabled(self.disabled.contains(&owner.plugin));
        }
    }
}
