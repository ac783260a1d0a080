//! A gate: one worker's part of one listener. Takes connections in, and knows by which entrance they come and when those
//! that have come are to end.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local, unconstrained};
use tokio::time::{sleep, timeout};

use super::drain::given_up;
use super::worker::{Open as Opened, Worker};
use super::{connection, farewell, proxy_protocol};
use crate::observe::panics::survived;
use crate::socket::{BACKLOG, Open};
use crate::state::{Entrance, Lent};

/// Pause of the accept loop when the system is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that are closed for it each time.
const SHED: usize = 16;
/// Between two lines that say so.
const SILENCE: Duration = Duration::from_secs(1);

/// How long a worker that has more connections than others leaves them what waits in a socket of all.
const STEP_ASIDE: Duration = Duration::from_millis(1);

/// The term of a gate that takes nothing any more.
const CLOSED: u64 = u64::MAX;

/// One worker's part of one listener.
#[derive(Debug)]
pub(super) struct Gate {
    /// Which listener; the same on all workers and after a reload.
    pub(super) id: usize,
    entrance: RefCell<Arc<Entrance>>,
    /// Its sockets, as long as it takes connections from them.
    sockets: RefCell<Vec<Weak<TcpListener>>>,
    /// Other workers take connections from them too.
    shared: Cell<bool>,
    /// Counts how often the rule of admission has changed: connections of earlier terms are to end.
    term: watch::Sender<u64>,
}

/// That a connection was let in: good until the gate closes, or lets in by another rule.
#[derive(Debug)]
pub(super) struct Admission {
    term: u64,
    now: watch::Receiver<u64>,
}

impl Gate {
    pub(super) fn new(id: usize, entrance: Arc<Entrance>) -> Rc<Self> {
        let (entrance, term) = (RefCell::new(entrance), watch::Sender::new(0));
        Rc::new(Self { id, entrance, sockets: RefCell::default(), shared: Cell::new(false), term })
    }

    /// Takes connections from these sockets from now on.
    pub(super) fn open(self: &Rc<Self>, worker: &Rc<Worker>, open: Open) -> Vec<JoinHandle<()>> {
        self.shared.set(open.shared);
        let mut accepting = Vec::with_capacity(open.sockets.len());
        for socket in open.sockets {
            match TcpListener::from_std(socket) {
                Ok(socket) => {
                    let socket = Rc::new(socket);
                    self.sockets.borrow_mut().push(Rc::downgrade(&socket));
                    let (worker, gate, shared) = (worker.clone(), self.clone(), open.shared);
                    accepting.push(spawn_local(async move {
                        while survived("accept", accept(&worker, &gate, &socket, shared)).await.is_none() {}
                    }));
                }
                Err(error) => tracing::error!(target: "sluice", listener = self.id, %error, "cannot listen"),
            }
        }
        accepting
    }

    /// Its sockets once more.
    pub(super) fn lend(&self) -> Vec<io::Result<Lent>> {
        let (id, shared) = (self.id, self.shared.get());
        let sockets = self.sockets.borrow();
        let open = sockets.iter().filter_map(Weak::upgrade);
        open.map(|socket| Ok(Lent { id, shared, socket: socket.as_fd().try_clone_to_owned()? })).collect()
    }

    /// What connections and exchanges that begin now go by.
    pub(super) fn entrance(&self) -> Arc<Entrance> {
        self.entrance.borrow().clone()
    }

    /// Another entrance from now on. Connections stay, and their next exchanges go by the new one; if it might not have let
    /// them in, they are drained.
    pub(super) fn replace(&self, entrance: Arc<Entrance>) {
        let before = self.entrance.replace(entrance);
        if !self.entrance.borrow().admits_like(&before) {
            self.term.send_modify(|term| *term = term.saturating_add(1));
        }
    }

    /// Takes nothing new, and drains what there is.
    pub(super) fn close(&self) {
        self.term.send_replace(CLOSED);
    }

    /// For a connection that comes in now.
    pub(super) fn admit(&self) -> Admission {
        Admission { term: *self.term.borrow(), now: self.term.subscribe() }
    }
}

impl Admission {
    fn is_over_in(&self, now: u64) -> bool {
        now > self.term || now == CLOSED
    }

    /// True once the connection is to end.
    pub(super) fn is_over(&self) -> bool {
        self.is_over_in(*self.now.borrow())
    }

    /// Waits until the connection is to end.
    pub(super) async fn over(&self) {
        if self.now.clone().wait_for(|now| self.is_over_in(*now)).await.is_err() {
            pending::<()>().await;
        }
    }
}

/// Takes connections until the gate is closed; it cannot fail. Where other workers take them from the same socket, the one that
/// has many lets the others go first.
async fn accept(worker: &Rc<Worker>, gate: &Rc<Gate>, socket: &TcpListener, shared: bool) {
    let mut term = gate.term.subscribe();
    let mut said = None;
    loop {
        tokio::select! {
            biased;
            _ = term.wait_for(|term| *term == CLOSED) => break,
            accepted = next(worker, socket, shared) => match accepted {
                Ok((stream, peer)) => take(worker, gate, stream, peer),
                Err(error) => pause(worker, &error, &mut said).await,
            },
        }
    }
    // What the kernel has already accepted for us would be reset with the socket. More than fit its queue came afterwards.
    for _ in 0..BACKLOG {
        let Ok(Ok((stream, peer))) = timeout(Duration::ZERO, unconstrained(socket.accept())).await else { break };
        take(worker, gate, stream, peer);
    }
}

async fn next(worker: &Worker, socket: &TcpListener, shared: bool) -> io::Result<(TcpStream, SocketAddr)> {
    if shared && worker.has_more_than_its_part() {
        sleep(STEP_ASIDE).await;
    }
    socket.accept().await
}

fn take(worker: &Rc<Worker>, gate: &Rc<Gate>, stream: TcpStream, peer: SocketAddr) {
    let entrance = gate.entrance();
    // Behind a balancer stand many clients, and whose connection it is, it has still to say.
    let client = if entrance.settings.proxy_protocol.is_some() { None } else { counted(&entrance, peer) };
    let open = match worker.admit(client) {
        Ok(open) => open,
        Err(why) => {
            tracing::debug!(target: "sluice", %peer, reason = why.as_str(), "too many connections");
            if entrance.tls.is_none() {
                farewell::say(worker, stream);
            }
            return;
        }
    };
    let (worker, gate, admission) = (worker.clone(), gate.clone(), gate.admit());
    if entrance.settings.proxy_protocol.is_some() {
        spawn_local(announced(worker, gate, admission, open, stream, peer));
        return;
    }
    let serving = connection::serve(worker, gate, admission, open.activity.clone(), stream, peer);
    spawn_local(async move {
        serving.await;
        drop(open);
    });
}

/// Whom a connection counts for; nobody if it is from a trusted proxy, behind which there are many clients.
fn counted(entrance: &Entrance, peer: SocketAddr) -> Option<IpAddr> {
    let (trusted, address) = (&entrance.settings.trusted_proxies, peer.ip().to_canonical());
    (!trusted.iter().any(|network| network.contains(&address))).then_some(address)
}

/// Serves a connection that begins with whom it is for.
async fn announced(
    worker: Rc<Worker>,
    gate: Rc<Gate>,
    admission: Admission,
    mut open: Opened,
    mut stream: TcpStream,
    balancer: SocketAddr,
) {
    let entrance = gate.entrance();
    let limit = worker.plan().config.timeouts.handshake;
    let balancers = entrance.settings.proxy_protocol.as_deref().unwrap_or_default();
    let client = tokio::select! {
        client = Box::pin(proxy_protocol::client(&mut stream, balancer, balancers, limit)) => client,
        () = given_up(&worker, &admission, &open.activity) => None,
    };
    let Some(client) = client else { return };
    if let Some(address) = counted(&entrance, client)
        && let Err(why) = worker.counts_for(&mut open, address)
    {
        tracing::debug!(target: "sluice", peer = %client, reason = why.as_str(), "too many connections");
        return;
    }
    drop(entrance);
    connection::serve(worker, gate, admission, open.activity.clone(), stream, client).await;
}

/// A connection that was gone before it was taken is nothing. For a lack of descriptors or memory those who idle have to go; it is
/// over when one of them has gone, or after a moment.
async fn pause(worker: &Worker, error: &io::Error, said: &mut Option<Instant>) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    let now = Instant::now();
    if said.is_none_or(|said| now.duration_since(said) >= SILENCE) {
        *said = Some(now);
        tracing::warn!(target: "sluice", %error, "cannot accept");
    }
    worker.shed(SHED);
    // Somebody or nobody: it is tried again.
    let _ = timeout(ACCEPT_PAUSE, worker.closed.notified()).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{CertificateFiles, Listener, Tls, UnderscoreHeaders};
    use crate::tls;

    fn plain() -> Entrance {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let settings = Listener {
            address,
            tls: None,
            http1: true,
            h2: false,
            trusted_proxies: Vec::new(),
            underscore_headers: UnderscoreHeaders::Drop,
            proxy_protocol: None,
            redirect_to_https: None,
        };
        Entrance { settings, address, tls: None, arrivals: Arc::default(), reserved: Arc::default() }
    }

    fn secure() -> Entrance {
        let folder = tempfile::tempdir().expect("a folder");
        let files = CertificateFiles { certificate: folder.path().join("a.pem"), key: folder.path().join("a.key") };
        let (certificate, key) = tls::self_signed(&["a.example"]).expect("a certificate");
        std::fs::write(&files.certificate, certificate).expect("written");
        std::fs::write(&files.key, key).expect("written");
        let settings = Tls { certificates: vec![files], clients: None };
        Entrance { tls: Some(tls::Server::load(&settings, true, true, None).expect("a server")), ..plain() }
    }

    #[test]
    fn connections_stay_until_another_rule_lets_in() {
        let gate = Gate::new(0, Arc::new(plain()));
        let first = gate.admit();
        let mut redirecting = plain();
        redirecting.settings.redirect_to_https = Some(443);
        gate.replace(Arc::new(redirecting));
        assert_eq!(gate.entrance().settings.redirect_to_https, Some(443));
        assert!(!first.is_over());

        gate.replace(Arc::new(secure()));
        let second = gate.admit();
        assert!(first.is_over() && !second.is_over());
        gate.replace(Arc::new(secure()));
        assert!(!second.is_over());

        gate.close();
        assert!(second.is_over() && gate.admit().is_over());
        gate.replace(Arc::new(plain()));
        assert!(gate.admit().is_over(), "closed is closed");
    }
}
