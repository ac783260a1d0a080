//! What stands before the first measurement: the peers that are here, a certificate, the origin, and the cookie that
//! every request carries.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use tempfile::TempDir;

use crate::arguments::Arguments;
use crate::case::Case;
use crate::load::{Target, Wire, wait_until_it_answers};
use crate::machine::{self, Placement, Running, wait_for_quiet};
use crate::origin::Origin;
use crate::peers::{PEERS, Peer, Program, Site};

/// What a client of Sluice sends if Sluice takes no part: nobody reads it, but it is as long.
const STAND_IN: &str = "sluice=................................................................................";

/// All that stays as it is from case to case.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    pub(crate) force: bool,
    pub(crate) placement: Placement,
    pub(crate) contenders: Vec<Contender>,
    /// Peers that are asked for and not here, each with how to get it.
    pub(crate) left_out: Vec<String>,
    pub(crate) cookie: String,
    // Before its folder goes, it ends.
    pub(crate) origin: Origin,
    certificate: PathBuf,
    key: PathBuf,
    folder: TempDir,
}

/// A peer that is here.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) peer: &'static Peer,
    pub(crate) program: Program,
    pub(crate) version: String,
    /// The cases that it takes part in.
    cases: Vec<&'static str>,
}

/// A contender that serves.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) running: Running,
    pub(crate) plain: SocketAddr,
    pub(crate) secure: SocketAddr,
}

impl Contender {
    pub(crate) fn is_in(&self, case: &Case) -> bool {
        self.cases.contains(&case.name)
    }
}

impl Stage {
    /// Looks at the machine, finds the peers, and starts the origin.
    pub(crate) fn set(arguments: &Arguments) -> Result<Self> {
        let placement = machine::look()?;
        let (contenders, left_out) = contenders(arguments)?;
        wait_for_quiet(arguments.force)?;
        placement.step_aside()?;
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        let (certificate, key) = certify(folder.path())?;
        let origin = Origin::start(&folder.path().join("origin"), &placement, free_addresses()?)?;
        let mut stage = Self {
            rounds: arguments.rounds,
            seconds: arguments.seconds,
            force: arguments.force,
            placement,
            contenders,
            left_out,
            cookie: STAND_IN.to_owned(),
            origin,
            certificate,
            key,
            folder,
        };
        stage.begin_session()?;
        Ok(stage)
    }

    /// A folder of that name for this case's files.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Starts a contender, and waits until it answers on both listeners.
    pub(crate) fn start(&self, contender: &Contender) -> Result<Serving> {
        let Contender { peer, program, .. } = contender;
        let [plain, secure] = free_addresses()?;
        let state = self.folder("state")?;
        let site = Site {
            folder: self.folder(peer.name)?,
            plain,
            secure,
            certificate: &self.certificate,
            key: &self.key,
            endpoints: self.origin.endpoints,
            state: &state,
        };
        let command = (peer.command)(&site, program)?;
        let mut running = Running::start(&command, &self.placement.workers(peer.workers()), &site.folder)?;
        for target in [Target::small(plain), Target::small(secure).over_tls()] {
            wait_until_it_answers(&target, &mut running).with_context(|| format!("{} does not start", peer.name))?;
        }
        Ok(Serving { running, plain, secure })
    }

    /// Asks Sluice once as a client without a session does, and keeps the cookie.
    fn begin_session(&mut self) -> Result<()> {
        let sticky = self.contenders.iter().find(|contender| contender.peer.sets_cookie());
        let Some(contender) = sticky else { return Ok(()) };
        let serving = self.start(contender)?;
        let answer = Wire::plain(serving.plain)?.ask(&Target::small(serving.plain).request())?;
        self.cookie = answer.cookie.context("Sluice gives no session: no Set-Cookie came")?;
        Ok(())
    }
}

/// Those of the peers that are asked for and here; and what to say of the others. nginx and Sluice are a must.
fn contenders(arguments: &Arguments) -> Result<(Vec<Contender>, Vec<String>)> {
    let (mut contenders, mut left_out) = (Vec::new(), Vec::new());
    let mut sluice = arguments.sluice.clone();
    for peer in PEERS {
        let cases = arguments.cases().filter(|case| arguments.wants(peer, case)).map(|case| case.name);
        let cases: Vec<&str> = cases.collect();
        if cases.is_empty() {
            continue;
        }
        match (peer.find)(sluice.as_deref()) {
            Ok(program) => {
                if peer.is_sluice() {
                    // One build is enough for all its ways.
                    sluice = Some(program.path.clone());
                }
                let version = peer.version(&program);
                contenders.push(Contender { peer, program, version, cases });
            }
            Err(reason) if peer.is_yardstick() || peer.is_sluice() => return Err(reason.context(peer.name)),
            Err(reason) => {
                left_out.push(format!("{} is left out: {reason:#} ({})", peer.name, peer.install));
            }
        }
    }
    Ok((contenders, left_out))
}

/// A certificate with its key, ECDSA P-256, as files.
fn certify(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?.self_signed(&key)?;
    let files = (folder.join("site.pem"), folder.join("site.key"));
    fs::write(&files.0, certificate.pem()).context("cannot write the certificate")?;
    fs::write(&files.1, key.serialize_pem()).context("cannot write its key")?;
    Ok(files)
}

/// Addresses on which nobody listens: the kernel names them, and they are given back for others to take.
fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut listeners = Vec::new();
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for address in &mut addresses {
        let listener = TcpListener::bind(*address).context("no free port")?;
        *address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(addresses)
}
