//! Sluice, in three ways: with three hooks in Wasm, with one, and with none. All else is as it is by default, but for the
//! access log, which nobody has here.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::{Program, Site};
use crate::workshop;

/// The program that was named, or one that is built here.
pub(super) fn find(given: Option<&Path>) -> Result<Program> {
    let path = match given {
        Some(path) if path.is_file() => path.canonicalize()?,
        Some(path) => bail!("{} is no program", path.display()),
        None => workshop::sluice()?,
    };
    Ok(Program { path, filter: None })
}

/// A canary split in routing, sticky sessions before the fewest connections in selection, security headers in response.
pub(super) fn three_hooks(site: &Site<'_>, program: &Program, workers: usize) -> Result<Command> {
    let route = r#"upstreams = ["next"]
routing = [{ plugin = "traffic-split", config = { shares = { app = 95, next = 5 } } }]
response = [{ plugin = "headers", config = { preset = "secure" } }]"#;
    command(site, program, workers, route, r#"["sticky-session", "least-connections"]"#)
}

/// What an upstream has that names nothing.
pub(super) fn round_robin(site: &Site<'_>, program: &Program) -> Result<Command> {
    command(site, program, 1, "", r#"["round-robin"]"#)
}

/// No plugin: the gateway's own weighted draw.
pub(super) fn plain(site: &Site<'_>, program: &Program) -> Result<Command> {
    command(site, program, 1, "", "[]")
}

fn command(site: &Site<'_>, program: &Program, workers: usize, route: &str, selection: &str) -> Result<Command> {
    let Site { plain, secure, certificate, key, endpoints: [one, two], state, .. } = site;
    let upstream = |name: &str| {
        format!(
            r#"
[[upstream]]
name = "{name}"
selection = {selection}
endpoints = [{{ id = "one", address = "{one}" }}, {{ id = "two", address = "{two}" }}]
# As many as the others keep; sessions of one client all go to one endpoint.
pool = {{ idle-per-endpoint = 128 }}
"#
        )
    };
    let next = if route.is_empty() { String::new() } else { upstream("next") };
    let configuration = format!(
        r#"workers = {workers}

[log]
access = false

[[listener]]
address = "{plain}"

[[listener]]
address = "{secure}"
tls.certificates = [{{ certificate = "{}", key = "{}" }}]

[[route]]
name = "bench"
upstream = "app"
{route}
{}{next}"#,
        certificate.display(),
        key.display(),
        upstream("app"),
    );
    let file = site.write("sluice.toml", &configuration)?;
    let mut command = Command::new(&program.path);
    command.arg("run").arg("--config").arg(file).arg("--state-dir").arg(state);
    // A level that somebody has set for another gateway is not meant for this one.
    command.env("SLUICE_LOG", "warn");
    Ok(command)
}
