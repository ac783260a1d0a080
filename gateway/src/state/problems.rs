//! What is wrong with plugins, their uses and the gateway's keys, at its place in the configuration.

use crate::config::model::{self, Config};
use crate::config::{KeyPath, Problem, Problems};
use crate::plugin::{Issue, LoadError, SealingKeys, StateDir};

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
