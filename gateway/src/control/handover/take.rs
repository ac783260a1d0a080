//! The side of the gateway that begins: what it asks the one that runs, step by step. Whatever fails before the last step leaves
//! the other one as it was.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::{Ask, Manifest, PROTOCOL, Wire};
use crate::plugin::{Inheritance, Part, StateDir};
use crate::socket::{Handed, Sockets};

/// A gateway that runs with this one's configuration file and state folder.
#[derive(Debug)]
pub struct Predecessor {
    wire: Wire,
    process: u32,
    inheritance: Arc<Inheritance>,
    /// Uses that got something, and entries of their stores.
    brought: (usize, usize),
    admin: HashMap<SocketAddr, TcpListener>,
}

impl Predecessor {
    /// Asks for it; none if there is none.
    ///
    /// # Errors
    /// If it is there, and not this user's.
    pub fn find(state_dir: &StateDir, file: &Path) -> io::Result<Option<Self>> {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        let stream = match UnixStream::connect(super::place(state_dir, file)?) {
            Ok(stream) => stream,
            // Never there, or ended without a word.
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => return Ok(None),
            Err(error) => return Err(error),
        };
        let wire = Wire::new(stream)?;
        let (process, inheritance) = (wire.peer()?, Arc::default());
        Ok(Some(Self { wire, process, inheritance, brought: (0, 0), admin: HashMap::new() }))
    }

    /// Its sockets, in place of those that would be opened.
    ///
    /// # Errors
    /// If it does not give them.
    pub fn sockets(&mut self) -> io::Result<Sockets> {
        self.wire.send(&Ask::Sockets)?;
        let manifest: Manifest = self.wire.receive()?;
        if manifest.protocol != PROTOCOL {
            let Manifest { protocol, version, .. } = manifest;
            return Err(io::Error::other(format!(
                "version {version} hands over in another way ({protocol}, not {PROTOCOL})"
            )));
        }
        let mut handed = Vec::with_capacity(manifest.listeners.len());
        for listener in manifest.listeners {
            let sockets = self.listeners(listener.sockets)?;
            handed.push(Handed { address: listener.address, shared: listener.shared, sockets });
        }
        if let Some(address) = manifest.admin {
            let socket = self.listeners(1)?.pop();
            self.admin.extend(socket.map(|socket| (address, socket)));
        }
        Ok(Sockets::new(self.listeners(manifest.supervised)?, handed))
    }

    fn listeners(&mut self, count: usize) -> io::Result<Vec<TcpListener>> {
        (0..count).map(|_| Sockets::listener(self.wire.receive_descriptor()?)).collect()
    }

    /// Its admin listener, if it is configured like that.
    pub fn admin(&mut self, address: SocketAddr) -> Option<TcpListener> {
        self.admin.remove(&address)
    }

    /// What its uses keep.
    pub fn inheritance(&self) -> &Inheritance {
        &self.inheritance
    }

    /// Brings what its uses keep now. May be done again.
    ///
    /// # Errors
    /// If it does not tell.
    pub fn bring_state(&mut self) -> io::Result<()> {
        self.inheritance.begin_again();
        self.wire.send(&Ask::State)?;
        while let Some(part) = self.wire.receive::<Option<Part>>()? {
            self.inheritance.add(part);
        }
        self.brought = self.inheritance.is_complete();
        Ok(())
    }

    /// This gateway serves: the other one may let its clients finish. What they still change is heard until it ends.
    pub fn let_go(mut self) {
        let (process, (uses, entries)) = (self.process, self.brought);
        match self.wire.send(&Ask::Serving).and_then(|()| self.wire.receive::<u32>()) {
            Ok(_) => tracing::info!(target: "sluice", process, uses, entries, "taken over"),
            // It has ended by itself, or does not hear. Both take clients as long as it runs.
            Err(error) => return tracing::warn!(target: "sluice", process, %error, "the one before does not let go"),
        }
        let following = thread::Builder::new().name("sluice-heir".into()).spawn(move || self.follow());
        if let Err(error) = following {
            tracing::warn!(target: "sluice", process, %error, "what the one before still changes is lost");
        }
    }

    fn follow(mut self) {
        let ended = self.wire.wait(None).and_then(|()| {
            while let Some(part) = self.wire.receive_or_end::<Part>()? {
                self.inheritance.add(part);
            }
            Ok(())
        });
        let error = ended.err().map(tracing::field::display);
        tracing::info!(target: "sluice", process = self.process, error, "the one before has ended");
    }
}
