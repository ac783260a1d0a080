//! From the file's shape to the model: names become indices, what is not given gets its default, and what contradicts itself
//! is reported. The shape is right when this begins; here is what concerns the whole gateway, the other parts
//! have files of their own.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use super::Unused;
use super::key_path::KeyPath;
use super::limits::limits;
use super::listeners::listeners;
use super::model::{
    Admin, CertificateFiles, ClientCertificates, Config, Keeps, Log, Plugin, SealingFiles, Timeouts, Tls, Use,
};
use super::plugins::Plugins;
use super::problem::Report;
use super::raw;
use super::routes::{Surroundings, routes};
use super::traces::traces;
use super::upstreams::upstreams;
use super::uses::Uses;

/// Instances of plugins in one gateway: each reserves some GiB of address space.
const MOST_INSTANCES: usize = 8_000;

/// The configuration, and what it declares and does not need. It means something only as far as nothing is reported.
pub(super) fn resolve(
    file: raw::File,
    base_dir: &Path,
    built_in: &[&'static str],
    report: &mut Report<'_>,
) -> (Config, Unused) {
    let root = KeyPath::root();
    if file.listener.is_empty() {
        report.add(&root.key("listener"), "at least one [[listener]] is needed");
    }
    let timeouts = timeouts(&file.timeouts);
    let plugins = Plugins::new(file.plugin, built_in, base_dir, report);
    let mut uses = Uses::new(file.uses, plugins, report);
    let names: Vec<String> = file.upstream.iter().map(|upstream| upstream.name.0.clone()).collect();
    let around = Surroundings { upstreams: &names, timeouts: &timeouts };
    let routes = routes(file.route, &around, &mut uses, report);
    let upstreams = upstreams(file.upstream, base_dir, &mut uses, report);
    let (plugins, uses, unused) = uses.finish();
    let workers = file.workers.unwrap_or_else(|| available_parallelism().map_or(1, |cores| cores.get().min(256)));
    let instances = instances(&plugins, &uses, workers);
    if instances > MOST_INSTANCES {
        let message = format!(
            "{} uses on {workers} workers are {instances} instances of plugins, {MOST_INSTANCES} at most: \
             fewer workers, or `slots` in [[plugin]]",
            uses.len()
        );
        report.add(&root.key("workers"), message);
    }
    let config = Config {
        places: report.places.clone(),
        workers,
        zone: file.zone,
        hash_seed: file.hash_seed,
        sealing: file.secrets.sealing.map(|files| sealing(&files, base_dir, report)),
        log: Log { access: file.log.access, level: level(file.log.level).to_owned() },
        listeners: listeners(file.listener, base_dir, report),
        admin: file.admin.map(|admin| operators(&admin, base_dir, report)),
        traces: file.traces.map(|raw| traces(raw, base_dir, report)),
        timeouts,
        limits: limits(&file.limits, report),
        plugins,
        uses,
        routes,
        upstreams,
    };
    (config, unused)
}

/// The path from the folder of the configuration file; a problem if no file is there.
pub(super) fn existing_file(path: &Path, base_dir: &Path, at: &KeyPath, report: &mut Report<'_>) -> PathBuf {
    let full = base_dir.join(path);
    match std::fs::metadata(&full) {
        Ok(found) if found.is_dir() => report.add(at, format!("{} is a folder", full.display())),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            report.add(at, format!("there is no file {}", full.display()));
        }
        Err(error) => report.add(at, format!("{} cannot be read: {error}", full.display())),
    }
    full
}

fn sealing(files: &raw::Sealing, base_dir: &Path, report: &mut Report<'_>) -> SealingFiles {
    let at = KeyPath::root().key("secrets").key("sealing");
    let previous = files.previous_file.as_ref();
    SealingFiles {
        current: existing_file(&files.current_file, base_dir, &at.key("current-file"), report),
        previous: previous.map(|path| existing_file(path, base_dir, &at.key("previous-file"), report)),
    }
}

fn level(level: raw::Level) -> &'static str {
    match level {
        raw::Level::Error => "error",
        raw::Level::Warn => "warn",
        raw::Level::Info => "info",
        raw::Level::Debug => "debug",
        raw::Level::Trace => "trace",
    }
}

fn operators(admin: &raw::Admin, base_dir: &Path, report: &mut Report<'_>) -> Admin {
    let at = KeyPath::root().key("admin");
    let token_file = admin.token_file.as_ref();
    let token_file = token_file.map(|file| existing_file(file, base_dir, &at.key("token-file"), report));
    let tls = admin.tls.as_ref().map(|tls| operators_tls(tls, base_dir, &at.key("tls"), report));
    let explain_to = admin.explain_to.iter().map(|network| network.0).collect();
    let record = match admin.record {
        raw::Keeps::Steps => Keeps::Steps,
        raw::Keeps::Masked => Keeps::Masked,
        raw::Keeps::Secrets => Keeps::Secrets,
    };
    let operators = Admin { address: admin.address.0, token_file, tls, exchanges: admin.exchanges, record, explain_to };
    if !operators.address.ip().is_loopback() && !operators.asks_who() {
        let message = format!(
            "expected a loopback address like \"127.0.0.1:9901\", found {}: others need `token-file` or `tls.client-ca`",
            operators.address
        );
        report.add(&at.key("address"), message);
    }
    operators
}

fn operators_tls(tls: &raw::AdminTls, base_dir: &Path, at: &KeyPath, report: &mut Report<'_>) -> Tls {
    let certificate = existing_file(&tls.certificate, base_dir, &at.key("certificate"), report);
    let key = existing_file(&tls.key, base_dir, &at.key("key"), report);
    let clients = tls.client_ca.as_ref().map(|ca| ClientCertificates {
        ca: existing_file(ca, base_dir, &at.key("client-ca"), report),
        required: true,
        headers: Vec::new(),
    });
    Tls { certificates: vec![CertificateFiles { certificate, key }], clients }
}

/// Each use has an instance and a spare on each worker, or on what its plugin's `slots` says.
fn instances(plugins: &[Plugin], uses: &[Use], workers: usize) -> usize {
    let slots = |used: &Use| plugins.get(used.plugin).and_then(|plugin| plugin.slots).unwrap_or(workers).min(workers);
    uses.iter().map(slots).sum::<usize>() * 2
}

fn timeouts(raw: &raw::Timeouts) -> Timeouts {
    Timeouts {
        handshake: raw.handshake.0,
        request_header: raw.request_header.0,
        client_idle: raw.client_idle.0,
        upstream_idle: raw.upstream_idle.0,
        connect: raw.connect.0,
        response_header: raw.response_header.0,
        total: raw.total.0,
        stream_idle: raw.stream_idle.0,
        send_stall: raw.send_stall.0,
        drain: raw.drain.0,
        drain_streams: raw.drain_streams.0.max(raw.drain.0),
    }
}
