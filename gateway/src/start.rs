//! From a configuration file to a serving gateway, and its end. The steps stand here in their order; each is a room of its
//! own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};

use crate::config::model::Config;
use crate::config::{KeyPath, Problem, Problems, Source};
use crate::control::{self, Discovery, Exports, Order, Predecessor};
use crate::observe::{self, Connections};
use crate::plugin::{Digest, FileError, Host, LoadError, Notice, StateDir, builtin};
use crate::server;
use crate::socket::Sockets;
use crate::state::{Builder, Built, Change, Leave, Serving, Share, sealing_keys};
use crate::supervisor;

/// Changes that wait for a worker.
const CHANGES: usize = 64;
/// Orders that wait for the control thread.
const ORDERS: usize = 16;
/// What slots have reported and nobody has heard yet.
const NOTICES: usize = 1024;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is not good, or what it names is not to be had; one line for each problem.
    #[error("{0}")]
    Config(#[from] Problems),
    /// The plugin host does not start.
    #[error("plugins: {0}")]
    Host(#[from] LoadError),
    /// The state folder is not to be had.
    #[error("{0}")]
    File(#[from] FileError),
    /// A thread is not to be had.
    #[error("{0}: {1}")]
    Thread(&'static str, io::Error),
    /// A gateway runs and does not hand over.
    #[error("the gateway that runs does not hand over: {0}")]
    TakeOver(io::Error),
}

/// Everything that a gateway needs, and no client has come in yet: it may be dropped as if it had never been.
#[derive(Debug)]
pub struct Prepared {
    host: Arc<Host>,
    source: Source,
    loaded: Digest,
    state_dir: StateDir,
    sockets: Arc<Sockets>,
    admin: Option<(SocketAddr, TcpListener)>,
    notices: mpsc::Sender<Notice>,
    noticed: mpsc::Receiver<Notice>,
    started: SystemTime,
    built: Built,
    discover: Discovery,
    before: Option<Predecessor>,
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Gateway {
    workers: Vec<mpsc::Sender<Change>>,
    threads: Vec<JoinHandle<()>>,
    orders: mpsc::Sender<Order>,
    end: control::End,
    handle: control::Handle,
    /// Traces on their way to collectors.
    exports: Arc<Exports>,
    /// Another gateway serves in its place.
    handed_over: bool,
}

impl Prepared {
    /// Reads the configuration and builds everything, which may take a while. Logging starts on the way. With `take_over`, a
    /// gateway that runs with the same file and state folder is asked for what it has; it serves on until [`serve`](Self::serve).
    ///
    /// # Errors
    /// All that is wrong with the configuration and what it names, or what the system does not give.
    pub fn new(source: Source, state_dir: Option<PathBuf>, take_over: bool) -> Result<Self, StartError> {
        let started = SystemTime::now();
        let loaded = control::digest(&source.file)?;
        let config = source.load(&builtin::names())?;
        observe::log::start(&config.log.level);
        observe::panics::count();
        let state_dir = StateDir::open(state_dir)?;
        let keys = sealing_keys(&config, &state_dir)?;
        let host = Arc::new(state_dir.host()?);
        let mut before = if take_over { find(&state_dir, &source.file)? } else { None };
        let sockets = Arc::new(sockets(before.as_mut())?);
        let admin = open_admin(&config, before.as_mut());
        let (notices, noticed) = mpsc::channel(NOTICES);
        let builder = Builder {
            host: &host,
            notices: &notices,
            sockets: &sockets,
            inheritance: before.as_ref().map(Predecessor::inheritance),
            before: None,
            fresh: false,
            taken_back: &[],
        };
        let (admin, built) = match (admin, builder.build(config, keys)) {
            (Ok(admin), Ok(built)) => (admin, built),
            (admin, built) => {
                let problems = built.err().into_iter().flat_map(|problems| problems.0);
                return Err(Problems::new(problems.chain(admin.err()).collect()).into());
            }
        };
        sockets.close_rest();
        let discover = Discovery::begin(&built.serving.plan).map_err(|error| StartError::Thread("discovery", error))?;
        Ok(Self { host, source, loaded, state_dir, sockets, admin, notices, noticed, started, built, discover, before })
    }

    /// Takes clients from now on, and lets the gateway go that it takes over from.
    ///
    /// # Errors
    /// If that one does not tell what it has, or the system does not give threads.
    pub fn serve(self) -> Result<Gateway, StartError> {
        let Self { host, source, loaded, state_dir, sockets, admin, notices, noticed, .. } = self;
        let Self { started, built, discover, mut before, .. } = self;
        if let Some(before) = &mut before {
            // What has changed while this was built.
            before.bring_state().map_err(StartError::TakeOver)?;
        }
        built.announce(None);
        if let Some(address) = admin.as_ref().and_then(|(_, socket)| socket.local_addr().ok()) {
            tracing::info!(target: "sluice", admin = true, %address, "listening");
        }
        let (serving, shares) = built.shares(None);

        let (ordering, orders) = mpsc::channel(ORDERS);
        let connections = Arc::new(Connections::new(room(&serving)));
        let (workers, threads) = start_workers(shares, &connections)?;
        let exports = Exports::new();
        let setup = control::Setup {
            host,
            source,
            loaded,
            state_dir,
            sockets,
            serving,
            workers: workers.clone(),
            orders,
            ordering: ordering.clone(),
            noticed,
            notices,
            admin,
            connections,
            exports: exports.clone(),
            discovery: discover,
            started,
        };
        // It ends with the process; what it does is never waited for.
        let (end, handle) = control::start(setup).map_err(|error| StartError::Thread("control", error))?;
        if let Some(before) = before {
            before.let_go();
        }
        tracing::info!(target: "sluice", workers = workers.len(), "ready");
        supervisor::ready();
        Ok(Gateway { workers, threads, orders: ordering, end, handle, exports, handed_over: false })
    }
}

impl Gateway {
    /// Looks at all files now: the configuration, and what it names. Does not wait for that.
    pub fn reload(&self) {
        // Full: so many looks are to come that one more says nothing new.
        let _ = self.orders.try_send(Order::Reload);
    }

    /// It, for others in this process.
    pub fn handle(&self) -> control::Handle {
        self.handle.clone()
    }

    /// Waits until another gateway serves in this one's place: then it is to be drained.
    pub async fn handed_over(&mut self) {
        self.end.handed_over().await;
        self.handed_over = true;
    }

    /// Takes nothing new, lets what is going on finish, at most for `timeouts.drain`, and returns.
    pub fn drain(mut self) {
        let began = Instant::now();
        self.end.close_door();
        // Whoever asks learns that this one is not to be sent anything any more.
        let _ = self.orders.try_send(Order::Leave);
        let leave = if self.handed_over { Leave::AtNextAnswer } else { Leave::Soon };
        let mut begun = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (told, waiting) = oneshot::channel();
            // One that is gone has nothing to drain.
            if worker.blocking_send(Change::Drain(told, leave)).is_ok() {
                begun.push(waiting);
            }
        }
        for waiting in begun {
            let _ = waiting.blocking_recv();
        }
        tracing::info!(target: "sluice", "draining");
        if !self.handed_over {
            supervisor::stopping();
        }
        for thread in self.threads {
            let _ = thread.join();
        }
        self.exports.finish(began);
        self.end.drained(self.handed_over);
        tracing::info!(target: "sluice", "stopped");
    }
}

type Workers = (Vec<mpsc::Sender<Change>>, Vec<JoinHandle<()>>);

fn start_workers(shares: Vec<Share>, connections: &Arc<Connections>) -> Result<Workers, StartError> {
    let (mut workers, mut threads) = (Vec::new(), Vec::new());
    for (index, share) in shares.into_iter().enumerate() {
        let (sender, changes) = mpsc::channel(CHANGES);
        let setup = server::Setup { index, share, changes, connections: Arc::clone(connections) };
        threads.push(server::start(setup).map_err(|error| StartError::Thread("worker", error))?);
        workers.push(sender);
    }
    Ok((workers, threads))
}

/// The gateway that this one is to take over from, and what its uses keep.
fn find(state_dir: &StateDir, file: &Path) -> Result<Option<Predecessor>, StartError> {
    let mut found = Predecessor::find(state_dir, file).map_err(StartError::TakeOver)?;
    match &mut found {
        // So that whatever is made finds it there.
        Some(before) => before.bring_state().map_err(StartError::TakeOver)?,
        None => tracing::info!(target: "sluice", "nobody to take over from"),
    }
    Ok(found)
}

/// Where listening sockets come from.
fn sockets(before: Option<&mut Predecessor>) -> Result<Sockets, StartError> {
    match before {
        Some(before) => before.sockets().map_err(StartError::TakeOver),
        None => Ok(Sockets::new(supervised(), Vec::new())),
    }
}

/// Sockets that a supervisor has opened for this process. What it gives besides is closed, and said.
fn supervised() -> Vec<TcpListener> {
    let listener = |(socket, name)| {
        let taken = Sockets::listener(socket);
        let refused = |error: &_| tracing::warn!(target: "sluice", socket = name, %error, "not a socket for listeners");
        taken.inspect_err(refused).ok()
    };
    supervisor::sockets().into_iter().filter_map(listener).collect()
}

/// The socket where operators come in, with its address as configured; none where the configuration has none.
fn open_admin(config: &Config, before: Option<&mut Predecessor>) -> Result<Option<(SocketAddr, TcpListener)>, Problem> {
    let Some(settings) = &config.admin else { return Ok(None) };
    let configured = settings.address;
    let failed = |error: io::Error| {
        let at = KeyPath::root().key("admin").key("address");
        config.places.problem(&at, format!("cannot listen on {configured}: {error}"))
    };
    let socket = match before.and_then(|before| before.admin(configured)) {
        Some(socket) => socket,
        None => {
            let mut open = Sockets::default().open(configured, 1, false).map_err(failed)?;
            let Some(socket) = open.sockets.pop() else { return Ok(None) };
            socket
        }
    };
    Ok(Some((configured, socket)))
}

/// How many clients there are descriptors for.
fn room(serving: &Serving) -> usize {
    let descriptors = server::raise_limit();
    let (room, configured) = (server::room_for_clients(descriptors), serving.plan.config.limits.connections);
    if room < configured {
        tracing::warn!(target: "sluice", descriptors, room, configured, "fewer descriptors than connections");
    }
    room
}
