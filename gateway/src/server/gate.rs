//! A gate: one worker's part of one listener. Takes connections in, and knows by which entrance they come and when those
//! that have come are to end.

use std::cell::RefCell;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::unconstrained;
use tokio::time::{sleep, timeout};

use super::connection;
use super::listener::BACKLOG;
use super::worker::Worker;
use crate::state::Entrance;

/// Pause of the accept loop when the system is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The term of a gate that takes nothing any more.
const CLOSED: u64 = u64::MAX;

/// One worker's part of one listener.
#[derive(Debug)]
pub(super) struct Gate {
    /// Which listener; the same on all workers and after a reload.
    pub(super) id: usize,
    entrance: RefCell<Arc<Entrance>>,
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
        Rc::new(Self { id, entrance: RefCell::new(entrance), term: watch::Sender::new(0) })
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

/// Takes connections until the gate is closed; it cannot fail.
pub(super) async fn accept(worker: Rc<Worker>, gate: Rc<Gate>, socket: std::net::TcpListener) {
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(target: "sluice", listener = gate.id, %error, "cannot listen");
            return;
        }
    };
    let mut term = gate.term.subscribe();
    loop {
        tokio::select! {
            biased;
            _ = term.wait_for(|term| *term == CLOSED) => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => take(&worker, &gate, stream, peer),
                Err(error) => pause(&error).await,
            },
        }
    }
    // What the kernel has already accepted for us would be reset with the socket. More than fit its queue came afterwards.
    for _ in 0..BACKLOG {
        let Ok(Ok((stream, peer))) = timeout(Duration::ZERO, unconstrained(socket.accept())).await else { break };
        take(&worker, &gate, stream, peer);
    }
}

fn take(worker: &Rc<Worker>, gate: &Rc<Gate>, stream: TcpStream, peer: SocketAddr) {
    let Some(open) = worker.admit() else {
        tracing::debug!(target: "sluice", %peer, "too many connections");
        return;
    };
    let serving = connection::serve(worker.clone(), gate.clone(), gate.admit(), stream, peer);
    tokio::task::spawn_local(async move {
        serving.await;
        drop(open);
    });
}

/// A connection that was gone before it was taken is nothing; a lack of descriptors or memory takes time to pass.
async fn pause(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::warn!(target: "sluice", %error, "cannot accept");
        sleep(ACCEPT_PAUSE).await;
    }
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
            redirect_to_https: None,
        };
        Entrance { settings, address, tls: None, reserved: Arc::default() }
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
