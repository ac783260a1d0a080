//! From a configuration file to a serving gateway, and its end. The steps stand here in their order; each is a room of its
//! own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::SystemTime;

use tokio::sync::{mpsc, oneshot};

use crate::config::model::Config;
use crate::config::{self, KeyPath, Problem, Problems};
use crate::control::{self, Order};
use crate::observe::{self, Connections};
use crate::plugin::{FileError, LoadError, StateDir, builtin};
use crate::server;
use crate::state::{Builder, Change, sealing_keys};

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
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Gateway {
    workers: Vec<mpsc::Sender<Change>>,
    threads: Vec<JoinHandle<()>>,
    orders: mpsc::Sender<Order>,
}

impl Gateway {
    /// Reads the configuration, builds everything, and serves. Logging starts on the way.
    ///
    /// # Errors
    /// All that is wrong with the configuration and what it names, or what the system does not give.
    pub fn start(file: &Path, state_dir: Option<PathBuf>) -> Result<Self, StartError> {
        let started = SystemTime::now();
        let loaded = control::digest(file)?;
        let config = config::load(file, &builtin::names())?;
        observe::log::start(&config.log.level);
        let state_dir = StateDir::open(state_dir)?;
        let keys = sealing_keys(&config, &state_dir)?;
        let host = Arc::new(state_dir.host()?);
        let (notices, noticed) = mpsc::channel(NOTICES);
        let builder =
            Builder { host: &host, notices: &notices, bind: server::bind, before: None, fresh: false, taken_back: &[] };
        let admin = open_admin(&config);
        let (admin, built) = match (admin, builder.build(config, keys)) {
            (Ok(admin), Ok(built)) => (admin, built),
            (admin, built) => {
                let problems = built.err().into_iter().flat_map(|problems| problems.0);
                return Err(Problems::new(problems.chain(admin.err()).collect()).into());
            }
        };
        built.announce(None);
        if let Some((_, address)) = &admin {
            tracing::info!(target: "sluice", admin = true, %address, "listening");
        }
        let (serving, shares) = built.shares(None);

        let (orders, ordered) = mpsc::channel(ORDERS);
        let mut gateway = Self { workers: Vec::new(), threads: Vec::new(), orders };
        let connections: Arc<Connections> = Arc::default();
        for (index, share) in shares.into_iter().enumerate() {
            let (sender, changes) = mpsc::channel(CHANGES);
            let setup = server::Setup { index, share, changes, connections: Arc::clone(&connections) };
            gateway.threads.push(server::start(setup).map_err(|error| StartError::Thread("worker", error))?);
            gateway.workers.push(sender);
        }
        let setup = control::Setup {
            host,
            file: file.to_owned(),
            loaded,
            state_dir,
            bind: server::bind,
            serving,
            workers: gateway.workers.clone(),
            orders: ordered,
            noticed,
            notices,
            admin: admin.map(|(socket, _)| socket),
            connections,
            started,
        };
        // It ends with the process; what it does is never waited for.
        control::start(setup).map_err(|error| StartError::Thread("control", error))?;
        tracing::info!(target: "sluice", workers = gateway.workers.len(), "ready");
        Ok(gateway)
    }

    /// Looks at all files now: the configuration, and what it names. Does not wait for that.
    pub fn reload(&self) {
        // Full: so many looks are to come that one more says nothing new.
        let _ = self.orders.try_send(Order::Reload);
    }

    /// Takes nothing new, lets what is going on finish, at most for `timeouts.drain`, and returns.
    pub fn drain(self) {
        let mut begun = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (told, waiting) = oneshot::channel();
            // One that is gone has nothing to drain.
            if worker.blocking_send(Change::Drain(told)).is_ok() {
                begun.push(waiting);
            }
        }
        for waiting in begun {
            let _ = waiting.blocking_recv();
        }
        tracing::info!(target: "sluice", "draining");
        for thread in self.threads {
            let _ = thread.join();
        }
        tracing::info!(target: "sluice", "stopped");
    }
}

/// The socket where operators come in, and its real address; none where the configuration has none.
fn open_admin(config: &Config) -> Result<Option<(TcpListener, SocketAddr)>, Problem> {
    let Some(settings) = &config.admin else { return Ok(None) };
    let (sockets, address) = server::bind(settings.address, 1, false).map_err(|error| {
        let at = KeyPath::root().key("admin").key("address");
        config.places.problem(&at, format!("cannot listen on {}: {error}", settings.address))
    })?;
    Ok(sockets.into_iter().next().map(|socket| (socket, address)))
}
