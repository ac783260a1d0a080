//! HAProxy, with its most willing reuse of connections.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Program, Site};

pub(super) fn command(site: &Site<'_>, program: &Program) -> Result<Command> {
    let Site { plain, secure, certificate, key, endpoints: [one, two], .. } = site;
    // It wants both in one file.
    let read = |file| std::fs::read_to_string(file).context("cannot read the certificate");
    let pem = site.write("site.pem", &[read(certificate)?, read(key)?].concat())?;
    let configuration = format!(
        "global
    nbthread 1
    maxconn 4096
    tune.h2.max-concurrent-streams 100

defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 5m
    timeout server 5m

frontend bench
    bind {plain} backlog 4096
    bind {secure} backlog 4096 ssl crt {} alpn h2,http/1.1 ssl-min-ver TLSv1.3
    default_backend origin

backend origin
    balance roundrobin
    server one {one}
    server two {two}
",
        pem.display()
    );
    let file = site.write("haproxy.cfg", &configuration)?;
    let mut command = Command::new(&program.path);
    command.arg("-db").arg("-f").arg(file);
    Ok(command)
}
