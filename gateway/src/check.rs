//! A look at a configuration without serving it: everything that is wrong with the file, its keys, its certificates and its
//! plugins, in one run. It listens nowhere, connects to nothing, and leaves a running gateway alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value as Json;

use crate::config::{self, Draft, KeyPath, Problem, Problems, model};
use crate::control;
use crate::plugin::{FileError, Host, LoadError, Plugin, SealingKeys, StateDir, builtin, read_key};
use crate::state;
use crate::tls;
use crate::upstream::Upstream;

/// What was found.
#[derive(Debug)]
pub struct Findings {
    /// What the gateway would not start with, by line.
    pub problems: Vec<Problem>,
    /// What it starts with, and should be looked at soon; by line.
    pub warnings: Vec<Problem>,
    /// Where endpoints would be looked for that the configuration does not name, a line for each upstream.
    pub asks: Vec<String>,
    /// What the configuration has, in a line.
    pub summary: String,
}

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The configuration is not good enough for what was asked; one line for each problem.
    #[error("{0}")]
    Config(#[from] Problems),
    /// The state folder is not to be had.
    #[error("{0}")]
    File(#[from] FileError),
    /// The plugin host does not start.
    #[error("plugins: {0}")]
    Host(#[from] LoadError),
}

/// Reads a configuration, looks at every file that it names, loads every plugin, configures it for each of its uses and lets it
/// answer synthetic questions. What only follows from another problem is not told.
///
/// # Errors
/// If the file cannot be read as TOML or JSON, or the plugin host does not start.
pub fn check(file: &Path, state_dir: Option<PathBuf>) -> Result<Findings, CheckError> {
    let draft = config::draft(file, &builtin::names())?;
    let mut problems: Vec<Problem> = draft.problems().collect();
    let mut warnings = Vec::new();
    sealing_keys(&draft, &mut problems);
    certificates(&draft, &mut problems, &mut warnings);
    endpoints(&draft, &mut problems, &mut warnings);
    operators(&draft, &mut problems, &mut warnings);
    collector(&draft, &mut problems, &mut warnings);
    let asks = discovery(&draft, &mut warnings);
    let (host, keys) = (StateDir::open(state_dir)?.host()?, SealingKeys::of_the_moment()?);
    let plugins = load(&draft, &host, &keys, &mut problems);
    try_uses(&draft, &plugins, &keys, &mut problems);
    // In a file with mistakes, what is unused may only be misspelled where it is used.
    if problems.is_empty() {
        warnings.extend(unused(&draft));
    }
    let summary = format!("{}: good: {}", file.display(), counts(&draft.config));
    Ok(Findings { problems: Problems::new(problems).0, warnings: Problems::new(warnings).0, asks, summary })
}

/// The JSON Schema of a configuration, with those of the plugins' own configurations: of the built-in ones, and of those that a
/// file declares.
///
/// # Errors
/// If the file or one of its plugins cannot be read, or the plugin host does not start.
pub fn schema(file: Option<&Path>, state_dir: Option<PathBuf>) -> Result<Json, CheckError> {
    let (host, keys) = (StateDir::open(state_dir)?.host()?, SealingKeys::of_the_moment()?);
    let names = builtin::names();
    let mut schemas = Vec::new();
    let built_in: Vec<_> = names.iter().copied().map(config::built_in).collect();
    for plugin in state::load_all(&built_in, &host, &keys, |_| None) {
        let plugin = plugin?;
        schemas.push((plugin.name.clone(), schema_of(&plugin)?));
    }
    if let Some(file) = file {
        let draft = config::draft(file, &names)?;
        let mut problems = Vec::new();
        let declared = draft.config.plugins.iter().chain(&draft.unused.plugins).filter(|plugin| plugin.place.is_some());
        let declared: Vec<_> = declared.cloned().collect();
        for (settings, loaded) in declared.iter().zip(state::load_all(&declared, &host, &keys, |_| None)) {
            match loaded.and_then(|plugin| schema_of(&plugin)) {
                Ok(schema) => schemas.push((settings.name.clone(), schema)),
                Err(error) => problems.push(state::problem_of_plugin(&draft.config, settings, &error)),
            }
        }
        if !problems.is_empty() {
            return Err(Problems::new(problems).into());
        }
    }
    Ok(config::schema_with(&schemas))
}

/// Null if the plugin takes no configuration.
fn schema_of(plugin: &Plugin) -> Result<Json, LoadError> {
    match plugin.description.config_schema.as_str() {
        "" => Ok(Json::Null),
        text => serde_json::from_str(text).map_err(|error| LoadError::Shape(format!("its `config-schema`: {error}"))),
    }
}

fn counts(config: &model::Config) -> String {
    let model::Config { listeners, routes, upstreams, uses, .. } = config;
    let counts =
        [(listeners.len(), "listener"), (routes.len(), "route"), (upstreams.len(), "upstream"), (uses.len(), "use")];
    counts.map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" })).join(", ")
}

/// What nothing refers to.
fn unused(draft: &Draft) -> impl Iterator<Item = Problem> {
    let places = &draft.config.places;
    let plugins = draft.unused.plugins.iter().filter_map(|plugin| plugin.place.as_ref());
    let plugins = plugins.map(|at| places.problem(&at.key("name"), "no use is of this plugin"));
    let uses = draft.unused.uses.iter();
    plugins.chain(uses.map(|at| places.problem(&at.key("name"), "stands in no chain, so that it was not tried")))
}

fn sealing_keys(draft: &Draft, problems: &mut Vec<Problem>) {
    let Some(files) = &draft.config.sealing else { return };
    let at = KeyPath::root().key("secrets").key("sealing");
    let previous = files.previous.iter().map(|file| (at.key("previous-file"), file));
    for (at, file) in [(at.key("current-file"), &files.current)].into_iter().chain(previous) {
        if draft.is_sound(&at)
            && let Err(error) = read_key(file)
        {
            problems.push(draft.config.places.problem(&at, error.to_string()));
        }
    }
}

fn certificates(draft: &Draft, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    let Draft { config, .. } = draft;
    for (index, listener) in config.listeners.iter().enumerate() {
        let Some(settings) = &listener.tls else { continue };
        let at = state::place_of_tls(index);
        let load = |certificates, clients| {
            tls::Server::load(&model::Tls { certificates, clients }, listener.h2, listener.http1, None)
        };
        let mut good = Vec::with_capacity(settings.certificates.len());
        for (number, files) in settings.certificates.iter().enumerate() {
            if !draft.is_sound(&at.key("certificates").index(number)) {
                continue;
            }
            match load(vec![files.clone()], None) {
                Ok(_) => good.push(files.clone()),
                Err(error) => problems.push(state::problem_of_tls(config, index, &error)),
            }
        }
        if draft.is_sound(&at.key("client-headers")) {
            problems.extend(state::problems_of_headers(config, index));
        }
        if good.is_empty() {
            continue;
        }
        let clients = settings.clients.clone().filter(|_| draft.is_sound(&at.key("client-ca")));
        match load(good, clients) {
            Ok(server) => warnings.extend(server.expiries().iter().filter_map(|expiry| {
                let message = expiry.warning(SystemTime::now())?;
                Some(config.places.problem(&state::place_of_file(config, index, &expiry.file), message))
            })),
            Err(error) => problems.push(state::problem_of_tls(config, index, &error)),
        }
    }
}

/// TLS to endpoints.
fn endpoints(draft: &Draft, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    let Draft { config, .. } = draft;
    for (index, upstream) in config.upstreams.iter().enumerate() {
        let at = KeyPath::root().key("upstream").index(index);
        let sound = ["tls", "endpoints"].iter().all(|key| draft.is_sound(&at.key(key)));
        let Some(settings) = upstream.tls.as_ref().filter(|_| sound) else { continue };
        match tls::ToEndpoints::load(upstream, settings, None) {
            Ok(loaded) => warnings.extend(loaded.expiries().iter().filter_map(|expiry| {
                let message = expiry.warning(SystemTime::now())?;
                Some(config.places.problem(&state::place_of_endpoint_file(config, index, &expiry.file), message))
            })),
            Err(error) => problems.push(state::problem_of_endpoint_tls(config, index, &error)),
        }
    }
}

/// Who would be asked for endpoints. What stands in a file is read; nobody is asked over a network.
fn discovery(draft: &Draft, warnings: &mut Vec<Problem>) -> Vec<String> {
    let mut asks = Vec::new();
    for (index, upstream) in draft.config.upstreams.iter().enumerate() {
        let Some(settings) = &upstream.discover else { continue };
        let looked = control::look(&settings.source);
        let found = match &looked {
            Some(Ok(1)) => ", which names 1 endpoint".to_owned(),
            Some(Ok(count)) => format!(", which names {count} endpoints"),
            Some(Err(_)) | None => String::new(),
        };
        asks.push(format!("upstream {}: its endpoints come from {}{found}", upstream.name, settings.source));
        if let Some(Err(reason)) = looked {
            let at = KeyPath::root().key("upstream").index(index).key("discover");
            warnings.push(draft.config.places.problem(&at, reason));
        }
    }
    asks
}

/// What is asked of operators.
fn operators(draft: &Draft, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    let at = KeyPath::root().key("admin");
    if !["token-file", "tls"].iter().all(|key| draft.is_sound(&at.key(key))) {
        return;
    }
    match state::Operators::build(&draft.config, None) {
        Ok(operators) => {
            let tls = operators.iter().filter_map(|operators| operators.tls.as_ref());
            let ending = tls.flat_map(|tls| tls.expiries()).filter_map(|expiry| expiry.warning(SystemTime::now()));
            warnings.extend(ending.map(|message| draft.config.places.problem(&at.key("tls"), message)));
        }
        Err(found) => problems.extend(found),
    }
}

/// Where traces go.
fn collector(draft: &Draft, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    let at = KeyPath::root().key("traces");
    if !draft.is_sound(&at) {
        return;
    }
    match state::Collector::build(&draft.config, None) {
        Ok(collector) => {
            let tls = collector.iter().filter_map(|collector| collector.tls.as_ref());
            let ending = tls.flat_map(|tls| tls.expiries()).filter_map(|expiry| expiry.warning(SystemTime::now()));
            warnings.extend(ending.map(|message| draft.config.places.problem(&at.key("ca"), message)));
        }
        Err(found) => problems.extend(found),
    }
}

/// The plugins that uses need, by index; none for those that are wrong.
fn load(draft: &Draft, host: &Host, keys: &SealingKeys, problems: &mut Vec<Problem>) -> Vec<Option<Arc<Plugin>>> {
    let mut load = |plugins: &[model::Plugin]| {
        let mut loaded = Vec::with_capacity(plugins.len());
        for (settings, outcome) in plugins.iter().zip(state::load_all(plugins, host, keys, |_| None)) {
            let sound = settings
                .place
                .as_ref()
                .is_none_or(|place| ["path", "sha256", "limits"].iter().all(|key| draft.is_sound(&place.key(key))));
            if sound && let Err(error) = &outcome {
                problems.push(state::problem_of_plugin(&draft.config, settings, error));
            }
            loaded.push(outcome.ok().filter(|_| sound));
        }
        loaded
    };
    load(&draft.unused.plugins);
    load(&draft.config.plugins)
}

/// Every use of a plugin that is there, at a place that is sound.
fn try_uses(draft: &Draft, plugins: &[Option<Arc<Plugin>>], keys: &SealingKeys, problems: &mut Vec<Problem>) {
    let config = &draft.config;
    let upstreams: Vec<_> = config.upstreams.iter().map(|settings| Upstream::new(settings, None, None)).collect();
    let mut uses = Vec::with_capacity(config.uses.len());
    for settings in &config.uses {
        let Some(Some(plugin)) = plugins.get(settings.plugin) else { continue };
        let sees_all = settings.upstreams.iter().all(|upstream| *upstream < upstreams.len());
        // The use itself where it is not configured.
        let (configured, _) = config.places.below(&settings.place, "/config");
        if !sees_all || !draft.is_sound(&configured) {
            continue;
        }
        let mut hooks = state::chains(config).filter(|(_, stands)| std::ptr::eq(*stands, settings));
        let tried = hooks.try_for_each(|(hook, _)| state::check_hook(hook, plugin)).and_then(|()| {
            let owner = state::make_use(config, settings, &upstreams, &uses, &[], keys)?;
            uses.push(owner.clone());
            plugin.trial(&owner)
        });
        if let Err(error) = tried {
            problems.extend(state::problems_of_use(config, settings, &error));
        }
    }
}
