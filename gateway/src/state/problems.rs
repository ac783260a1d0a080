//! What is wrong with plugins, their uses, certificates and the gateway's keys, at its place in the configuration.

use std::path::Path;

use crate::config::model::{self, Config};
use crate::config::{KeyPath, Problem, Problems};
use crate::plugin::{Issue, LoadError, SealingKeys, StateDir};
use crate::tls::TlsError;

/// The keys of sealed cookies: from the files that the configuration names, or the one that is kept in the state folder.
///
/// # Errors
/// A file that cannot be read or made, or is too short.
pub fn sealing_keys(config: &Config, state_dir: &StateDir) -> Result<SealingKeys, Problems> {
    let read = config.sealing.as_ref().map_or_else(|| state_dir.sealing_keys(), SealingKeys::read);
    read.map_err(|error| {
        let at = KeyPath::root().key("secrets").key("sealing");
        let at = match &config.sealing {
            Some(files) if files.current == error.file => at.key("current-file"),
            Some(_) => at.key("previous-file"),
            None => KeyPath::root(),
        };
        Problems(vec![config.places.problem(&at, error.to_string())])
    })
}

/// What is wrong with the files of a listener's TLS, at the key that names the one to mend.
pub fn problem_of_tls(config: &Config, listener: usize, error: &TlsError) -> Problem {
    let at = match error {
        // The same file may be a certificate of its own.
        TlsError::NoAuthority { .. } => place_of_tls(listener).key("client-ca"),
        _ => error.file().map_or_else(|| place_of_tls(listener), |file| place_of_file(config, listener, file)),
    };
    config.places.problem(&at, error.to_string())
}

/// The key that names a file of a listener's TLS.
pub fn place_of_file(config: &Config, listener: usize, file: &Path) -> KeyPath {
    let at = place_of_tls(listener);
    let Some(settings) = config.listeners.get(listener).and_then(|listener| listener.tls.as_ref()) else { return at };
    for (index, files) in settings.certificates.iter().enumerate() {
        for (key, named) in [("certificate", &files.certificate), ("key", &files.key)] {
            if named == file {
                return at.key("certificates").index(index).key(key);
            }
        }
    }
    at.key("client-ca")
}

/// The `tls` of a listener.
pub fn place_of_tls(listener: usize) -> KeyPath {
    KeyPath::root().key("listener").index(listener).key("tls")
}

/// What is wrong with the TLS to an upstream's endpoints, at the key that names the file to mend.
pub fn problem_of_endpoint_tls(config: &Config, upstream: usize, error: &TlsError) -> Problem {
    let at = match error {
        TlsError::ServerName(_) => place_of_endpoint_tls(upstream).key("server-name"),
        TlsError::NoSystemAuthorities(_) => place_of_endpoint_tls(upstream).key("ca"),
        error => error
            .file()
            .map_or_else(|| place_of_endpoint_tls(upstream), |file| place_of_endpoint_file(config, upstream, file)),
    };
    config.places.problem(&at, error.to_string())
}

/// The key that names a file of the TLS to an upstream's endpoints.
pub fn place_of_endpoint_file(config: &Config, upstream: usize, file: &Path) -> KeyPath {
    let at = place_of_endpoint_tls(upstream);
    let own = config.upstreams.get(upstream).and_then(|upstream| upstream.tls.as_ref()?.own.as_ref());
    match own {
        Some(own) if own.certificate == file => at.key("certificate"),
        Some(own) if own.key == file => at.key("key"),
        _ => at.key("ca"),
    }
}

/// The `tls` of an upstream.
fn place_of_endpoint_tls(upstream: usize) -> KeyPath {
    KeyPath::root().key("upstream").index(upstream).key("tls")
}

/// What is wrong with a plugin, at its place in the configuration.
pub fn problem_of_plugin(config: &Config, settings: &model::Plugin, error: &LoadError) -> Problem {
    let key = if matches!(error, LoadError::Pinned { .. }) { "sha256" } else { "path" };
    let at = settings.place.as_ref().map_or_else(KeyPath::root, |place| place.key(key));
    config.places.problem(&at, format!("plugin {}: {}: {error}", settings.name, settings.source))
}

/// What is wrong with a use: each mistake in its configuration where it stands, as far as the file has what the plugin speaks of.
pub fn problems_of_use(config: &Config, settings: &model::Use, error: &LoadError) -> Vec<Problem> {
    let issues = match error {
        LoadError::Configure(issues) if !issues.is_empty() => issues,
        _ => return vec![config.places.problem(&settings.place, format!("{}: {error}", settings.name))],
    };
    let problem = |issue: &Issue| {
        let pointer = format!("/config{}", issue.at);
        let (at, rest) = config.places.below(&settings.place, &pointer);
        let rest = rest.strip_prefix("/config").unwrap_or(rest);
        let rest = if rest.is_empty() { String::new() } else { format!("{rest}: ") };
        config.places.problem(&at, format!("{}: {rest}{}", settings.name, issue.message))
    };
    issues.iter().map(problem).collect()
}
