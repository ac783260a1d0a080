//! From a configuration file to a serving gateway, and its end. The steps stand here in their order; each is a room of its
//! own.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::config::model::{Config, SealingFiles};
use crate::config::{self, Problems};
use crate::control::{self, Control};
use crate::observe;
use crate::plugin::compile::{Compiler, private_folder};
use crate::plugin::{Host, LoadError, Notice, SealingKeys, builtin};
use crate::server::{self, BindError, Listener, Setup};
use crate::state::{self, Builder, Change, Entrance, Serving};

/// Changes that wait for a worker.
const CHANGES: usize = 64;
/// What slots have reported and nobody has heard yet.
const NOTICES: usize = 1024;

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is not good; one line for each problem.
    #[error("{0}")]
    Config(#[from] Problems),
    /// A socket is not to be had.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// The plugin host does not start.
    #[error("plugins: {0}")]
    Host(#[from] LoadError),
    /// A file of the gateway's own, or a thread.
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Gateway {
    workers: Vec<mpsc::Sender<Change>>,
    threads: Vec<JoinHandle<()>>,
}

impl Gateway {
    /// Reads the configuration, builds everything, and serves. Logging starts on the way.
    pub fn start(file: &Path, state_dir: Option<PathBuf>) -> Result<Self, StartError> {
        let config = config::load(file, &builtin::names())?;
        observe::log::start(&config.log.level);
        let (notices, noticed) = mpsc::channel(NOTICES);
        let (host, serving) = build(config, file, state_dir, &notices)?;
        let config = &serving.plan.config;
        let listeners = listen(entrances(config, file)?, config.workers)?;
        let connections = Arc::default();
        let mut gateway = Self { workers: Vec::new(), threads: Vec::new() };
        for (index, listeners) in listeners.into_iter().enumerate() {
            if index == 0 {
                announce(&listeners);
            }
            let (sender, changes) = mpsc::channel(CHANGES);
            let (share, connections) = (serving.share(index, None), Arc::clone(&connections));
            let setup = Setup { index, listeners, share, changes, connections };
            gateway.threads.push(server::start(setup).map_err(|error| StartError::Io("worker".into(), error))?);
            gateway.workers.push(sender);
        }
        let workers = gateway.workers.clone();
        let control = Control::new(host, serving, workers, noticed, notices.downgrade());
        // It ends with the process; what it does is never waited for.
        control::start(control).map_err(|error| StartError::Io("control".into(), error))?;
        tracing::info!(target: "sluice", workers = gateway.workers.len(), "ready");
        Ok(gateway)
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

/// What serves a configuration, before anything listens.
fn build(
    config: Config,
    file: &Path,
    state_dir: Option<PathBuf>,
    notices: &mpsc::Sender<Notice>,
) -> Result<(Arc<Host>, Serving), StartError> {
    let state_dir = state_dir.map_or_else(default_state_dir, Ok)?;
    private_folder(&state_dir).map_err(|error| StartError::Io(state_dir.display().to_string(), error))?;
    let keys = sealing_keys(config.sealing.as_ref(), &state_dir)?;
    let program = std::env::current_exe().map_err(|error| StartError::Io("this program".into(), error))?;
    let host = Arc::new(Host::new(Compiler::new(program, state_dir.join("compiled"))?)?);
    let serving = Builder { host: &host, file, notices, before: None }.build(config, keys)?;
    Ok((host, serving))
}

/// Does all that [`Gateway::start`] does short of listening, and lets every use of a plugin answer synthetic questions.
/// Gives what the configuration has.
pub fn check(file: &Path, state_dir: Option<PathBuf>) -> Result<String, StartError> {
    let config = config::load(file, &builtin::names())?;
    let (notices, _) = mpsc::channel(1);
    let (_, Serving { plan, plugins, .. }) = build(config, file, state_dir, &notices)?;
    let mut problems = entrances(&plan.config, file).err().map_or_else(Vec::new, |found| found.0);
    for (settings, owner) in plan.config.uses.iter().zip(&plan.uses) {
        if let Err(error) = plugins[settings.plugin].trial(owner) {
            problems.push(state::problem(file, settings, &error));
        }
    }
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    let Config { listeners, routes, upstreams, uses, .. } = &plan.config;
    let counts =
        [(listeners.len(), "listener"), (routes.len(), "route"), (upstreams.len(), "upstream"), (uses.len(), "use")];
    let count = |(count, what): (usize, &str)| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    Ok(format!("{}: good: {}", file.display(), counts.map(count).join(", ")))
}

/// That of each listener.
fn entrances(config: &Config, file: &Path) -> Result<Vec<Entrance>, Problems> {
    let mut entrances = Vec::with_capacity(config.listeners.len());
    let mut problems = Vec::new();
    for index in 0..config.listeners.len() {
        match Entrance::build(config, index, file, None) {
            Ok(entrance) => entrances.push(entrance),
            Err(found) => problems.extend(found.0),
        }
    }
    if problems.is_empty() { Ok(entrances) } else { Err(Problems(problems)) }
}

/// The listeners of each worker.
fn listen(entrances: Vec<Entrance>, workers: usize) -> Result<Vec<Vec<Listener>>, BindError> {
    let mut listeners: Vec<Vec<Listener>> = (0..workers).map(|_| Vec::new()).collect();
    for (id, entrance) in entrances.into_iter().enumerate() {
        let bound = server::bind(id, entrance, workers)?;
        for (worker, listener) in listeners.iter_mut().zip(bound) {
            worker.push(listener);
        }
    }
    Ok(listeners)
}

fn announce(listeners: &[Listener]) {
    for Listener { id, entrance, .. } in listeners {
        let (address, tls) = (entrance.address, entrance.tls.is_some());
        tracing::info!(target: "sluice", listener = id, %address, tls, "listening");
    }
}

/// What systemd gives a service, or a folder of the user's.
fn default_state_dir() -> Result<PathBuf, StartError> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = variable("STATE_DIRECTORY");
    let state = state.or_else(|| Some(variable("XDG_STATE_HOME")?.join("sluice")));
    let state = state.or_else(|| Some(variable("HOME")?.join(".local/state/sluice")));
    state.ok_or_else(|| StartError::Io("--state-dir".into(), io::Error::other("is needed where HOME is not set")))
}

/// The keys of sealed cookies: from the configured files, or one of our own in the state folder.
fn sealing_keys(files: Option<&SealingFiles>, state_dir: &Path) -> Result<SealingKeys, StartError> {
    match files {
        Some(files) => {
            Ok(SealingKeys { current: key(&files.current)?, previous: files.previous.as_deref().map(key).transpose()? })
        }
        None => {
            let file = state_dir.join("sealing-key");
            if !file.exists() {
                make_key(&file).map_err(|error| StartError::Io(file.display().to_string(), error))?;
            }
            Ok(SealingKeys { current: key(&file)?, previous: None })
        }
    }
}

/// Fewer bytes could be guessed.
const SHORTEST_KEY: usize = 32;

fn key(file: &Path) -> Result<Vec<u8>, StartError> {
    let failed = |error| StartError::Io(file.display().to_string(), error);
    let key = fs::read(file).map_err(failed)?;
    match key.len() {
        SHORTEST_KEY.. => Ok(key),
        length => Err(failed(io::Error::other(format!("{length} bytes; a sealing key has {SHORTEST_KEY} or more")))),
    }
}

/// Written aside and linked to its name, so that a gateway that starts beside this one finds a whole key or none.
fn make_key(file: &Path) -> io::Result<()> {
    let mut key = [0; SHORTEST_KEY];
    aws_lc_rs::rand::fill(&mut key).map_err(io::Error::other)?;
    let fresh = file.with_extension(std::process::id().to_string());
    let mut open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    io::Write::write_all(&mut open, &key)?;
    let linked = fs::hard_link(&fresh, file);
    fs::remove_file(&fresh)?;
    match linked {
        // Another gateway was quicker, and its key is as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
