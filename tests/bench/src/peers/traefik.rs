//! Traefik, with its settings in files.

use std::process::Command;

use anyhow::Result;
use serde_json::json;

use super::{Program, Site};

pub(super) fn command(site: &Site<'_>, program: &Program) -> Result<Command> {
    // What it reads as YAML; JSON is a part of that.
    let routes = json!({
        "http": {
            "routers": {
                "plain": { "entryPoints": ["plain"], "rule": "PathPrefix(`/`)", "service": "origin" },
                "secure": { "entryPoints": ["secure"], "rule": "PathPrefix(`/`)", "service": "origin", "tls": {} },
            },
            "services": {
                "origin": {
                    "loadBalancer": {
                        "servers": site.endpoints.map(|address| json!({ "url": format!("http://{address}") })),
                    },
                },
            },
        },
        "tls": {
            "options": { "default": { "minVersion": "VersionTLS13", "alpnProtocols": ["h2", "http/1.1"] } },
            "stores": {
                "default": { "defaultCertificate": { "certFile": site.certificate, "keyFile": site.key } },
            },
        },
    });
    let routes = site.write("routes.yaml", &routes.to_string())?;
    let settings = json!({
        "global": { "checkNewVersion": false, "sendAnonymousUsage": false },
        "log": { "level": "ERROR" },
        "entryPoints": {
            "plain": { "address": site.plain, "http2": { "maxConcurrentStreams": 100 } },
            "secure": { "address": site.secure, "http2": { "maxConcurrentStreams": 100 } },
        },
        "providers": { "file": { "filename": routes, "watch": false } },
    });
    let settings = site.write("traefik.yaml", &settings.to_string())?;
    let mut command = Command::new(&program.path);
    command.arg(format!("--configfile={}", settings.display())).env("GOMAXPROCS", "1");
    Ok(command)
}
