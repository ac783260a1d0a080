//! The side of the gateway that runs: a thread that waits for one that wants its place. It asks workers for their sockets and
//! reads what serves; it changes nothing until the other one has said that it takes clients.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fs, thread};

use tokio::sync::{mpsc, oneshot};

use super::{Ask, Described, Manifest, PROTOCOL, Wire};
use crate::control::Order;
use crate::control::figures::Figures;
use crate::plugin::{Legacy, Part, StateDir};
use crate::socket::Sockets;
use crate::state::{Change, Lent};
use crate::supervisor;

/// How long the other one may build: it compiles plugins.
const BUILDS: Duration = Duration::from_secs(600);
/// How often it hears what exchanges that are still going on here have changed.
const FOLLOWS: Duration = Duration::from_secs(1);

/// What can be handed over.
#[derive(Debug)]
pub(in crate::control) struct Offer {
    pub(in crate::control) figures: Arc<Figures>,
    pub(in crate::control) workers: Vec<mpsc::Sender<Change>>,
    /// The admin listener, as it is configured, and its socket.
    pub(in crate::control) admin: Option<(SocketAddr, TcpListener)>,
    pub(in crate::control) sockets: Arc<Sockets>,
    /// Where the control thread hears that another gateway serves.
    pub(in crate::control) orders: mpsc::Sender<Order>,
}

/// The end of a gateway, as far as another one may bring it about.
#[derive(Debug)]
pub struct End {
    over: oneshot::Receiver<()>,
    drained: Sender<()>,
    thread: Option<JoinHandle<()>>,
    door: Option<Door>,
}

/// The socket in the state folder, whatever took its name since.
#[derive(Debug)]
struct Door {
    path: PathBuf,
    identity: (u64, u64),
}

impl End {
    /// Waits until another gateway serves in this one's place.
    pub async fn handed_over(&mut self) {
        if (&mut self.over).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whoever comes from now on finds nobody to take over from: this gateway is about to let its sockets go.
    pub fn close_door(&mut self) {
        if let Some(Door { path, identity }) = self.door.take()
            && about(&path).is_ok_and(|now| now == identity)
        {
            // If it is gone, so much the better.
            let _ = fs::remove_file(path);
        }
    }

    /// Nothing is going on any more: the other gateway, if there is one, hears what has changed last.
    pub fn drained(self, handed_over: bool) {
        drop(self.drained);
        if let Some(thread) = self.thread.filter(|_| handed_over) {
            let _ = thread.join();
        }
    }
}

impl Offer {
    /// Waits for another gateway from now on. That nobody can ask is no reason not to serve.
    pub(in crate::control) fn start(self, state_dir: &StateDir, file: &Path) -> End {
        let ((tell, over), (drained, is_drained)) = (oneshot::channel(), std::sync::mpsc::channel());
        let started = super::place(state_dir, file).and_then(|path| {
            let (listener, door) = open(path)?;
            let thread = thread::Builder::new().name("sluice-handover".into());
            Ok((thread.spawn(move || self.run(&listener, tell, &is_drained))?, door))
        });
        let (thread, door) = match started {
            Ok((thread, door)) => (Some(thread), Some(door)),
            Err(error) => {
                tracing::warn!(target: "sluice", %error, "cannot be taken over");
                (None, None)
            }
        };
        End { over, drained, thread, door }
    }

    fn run(self, listener: &UnixListener, over: oneshot::Sender<()>, drained: &Receiver<()>) {
        loop {
            let asked = listener.accept().and_then(|(stream, _)| self.answer(stream));
            match asked {
                Ok(Some((wire, legacy))) => {
                    // Nobody waits where the gateway ends anyway.
                    let _ = over.send(());
                    return follow(wire, legacy, drained);
                }
                // It has looked and gone.
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(target: "sluice", %error, "not taken over");
                    // As with any accept: it may take time to pass.
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    /// Until the other one serves, or goes.
    fn answer(&self, stream: UnixStream) -> io::Result<Option<(Wire, Legacy)>> {
        let mut wire = Wire::new(stream)?;
        wire.wait(Some(BUILDS))?;
        let mut legacy = Legacy::of(&[]);
        while let Some(ask) = wire.receive_or_end()? {
            match ask {
                Ask::Sockets => self.send_sockets(&mut wire)?,
                Ask::State => {
                    legacy = Legacy::of(&self.figures.serving().plan.uses);
                    send_changes(&mut wire, &mut legacy)?;
                    wire.send(&None::<Part>)?;
                }
                Ask::Serving => {
                    let process = wire.peer()?;
                    // Full only if it hears nothing any more.
                    let _ = self.orders.blocking_send(Order::StepDown);
                    supervisor::main_process_is(process);
                    tracing::info!(target: "sluice", process, "handed over");
                    wire.send(&std::process::id())?;
                    return Ok(Some((wire, legacy)));
                }
            }
        }
        Ok(None)
    }

    fn send_sockets(&self, wire: &mut Wire) -> io::Result<()> {
        let lent = self.lent()?;
        let serving = self.figures.serving();
        let mut listeners = Vec::with_capacity(serving.listeners.len());
        let mut sockets: Vec<&OwnedFd> = Vec::with_capacity(lent.len());
        for listening in &serving.listeners {
            let own: Vec<&Lent> = lent.iter().filter(|lent| lent.id == listening.id).collect();
            listeners.push(Described {
                address: listening.entrance.settings.address,
                shared: own.iter().any(|lent| lent.shared),
                sockets: own.len(),
            });
            sockets.extend(own.iter().map(|lent| &lent.socket));
        }
        wire.send(&Manifest {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").into(),
            process: std::process::id(),
            listeners,
            admin: self.admin.as_ref().map(|(address, _)| *address),
            supervised: self.sockets.supervised().len(),
        })?;
        let others = self.admin.iter().map(|(_, socket)| socket).chain(self.sockets.supervised());
        let all = sockets.into_iter().map(AsFd::as_fd).chain(others.map(AsFd::as_fd));
        all.into_iter().try_for_each(|socket| wire.send_descriptor(socket))
    }

    fn lent(&self) -> io::Result<Vec<Lent>> {
        let gone = || io::Error::other("a worker is gone");
        let mut all = Vec::new();
        for worker in &self.workers {
            let (lend, lent) = oneshot::channel();
            worker.blocking_send(Change::Lend(lend)).map_err(|_| gone())?;
            all.extend(lent.blocking_recv().map_err(|_| gone())??);
        }
        Ok(all)
    }
}

fn send_changes(wire: &mut Wire, legacy: &mut Legacy) -> io::Result<()> {
    legacy.changes().try_for_each(|part| wire.send(&part))
}

/// The other one hears what changes here, until nothing does any more, or it hears nothing.
fn follow(mut wire: Wire, mut legacy: Legacy, drained: &Receiver<()>) {
    loop {
        let is_over = drained.recv_timeout(FOLLOWS) != Err(RecvTimeoutError::Timeout);
        if send_changes(&mut wire, &mut legacy).is_err() || is_over {
            return;
        }
    }
}

/// Opened aside and moved to its name, so that whoever asks there finds a gateway that runs, if there is one.
fn open(path: PathBuf) -> io::Result<(UnixListener, Door)> {
    let aside = path.with_extension(std::process::id().to_string());
    // One that was cut off in the middle of this may have had our number.
    let _ = fs::remove_file(&aside);
    let listener = UnixListener::bind(&aside)?;
    let identity = about(&aside)?;
    fs::rename(&aside, &path)?;
    Ok((listener, Door { path, identity }))
}

fn about(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|about| (about.dev(), about.ino()))
}
