//! All that an exchange needs. The [`Plan`] is what a configuration became: routes, upstreams and uses as live objects,
//! shared by all workers. The [`State`] is one worker's share of it: its slots and its pool. Both are immutable and swapped
//! whole, so an exchange that keeps its `State` sees one version of everything.

mod entrance;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use crate::config::model::{self, Config, OnError, PluginIndex, PluginSource, RouteIndex, UpstreamIndex, UseIndex};
use crate::config::{Problem, Problems};
use crate::observe::Clock;
use crate::plugin::{self, Hook, Host, Instance, LoadError, Named, Plugin, SealingKeys, Slot, Use, UseSettings};
use crate::route::Table;
use crate::upstream::{Pool, Upstream};

pub use entrance::Entrance;

/// What a configuration became.
#[derive(Debug)]
pub struct Plan {
    /// As resolved.
    pub config: Config,
    /// Finds the route of a request.
    pub table: Table,
    /// By [`UpstreamIndex`].
    pub upstreams: Vec<Arc<Upstream>>,
    /// By [`model::UseIndex`].
    pub uses: Vec<Arc<Use>>,
    /// The time that plugins see.
    pub clock: Clock,
}

/// One worker's share.
#[derive(Debug)]
pub struct State {
    /// What all workers share.
    pub plan: Arc<Plan>,
    /// Which worker.
    pub worker: usize,
    /// By [`model::UseIndex`].
    pub slots: Vec<Rc<Slot>>,
    /// Idle connections.
    pub pool: Rc<Pool>,
}

impl State {
    /// What is configured for a route.
    pub fn route(&self, route: RouteIndex) -> &model::Route {
        &self.plan.config.routes[route]
    }

    /// An upstream as configured, and as it is.
    pub fn upstream(&self, upstream: UpstreamIndex) -> (&model::Upstream, &Arc<Upstream>) {
        (&self.plan.config.upstreams[upstream], &self.plan.upstreams[upstream])
    }

    /// The same with other slots.
    pub fn with_slots(&self, slots: Vec<Rc<Slot>>) -> Self {
        Self { plan: self.plan.clone(), worker: self.worker, slots, pool: self.pool.clone() }
    }
}

impl Plan {
    /// Makes the live objects of a configuration and loads its plugins; these come back by [`model::PluginIndex`]. `file` is
    /// what problems call the configuration.
    pub fn build(
        config: Config,
        file: &Path,
        host: &Host,
        keys: &SealingKeys,
    ) -> Result<(Arc<Self>, Vec<Arc<Plugin>>), Problems> {
        let mut problems = Vec::new();
        let plugins = load_all(&config, file, host, keys, &mut problems);
        let upstreams: Vec<Arc<Upstream>> = config.upstreams.iter().map(Upstream::new).collect();
        let mut uses: Vec<Arc<Use>> = Vec::new();
        for settings in &config.uses {
            match make_use(&config, settings, &upstreams, &uses, keys) {
                Ok(made) => uses.push(made),
                Err(error) => problems.push(problem(file, settings, &error)),
            }
        }
        if problems.is_empty() {
            check_hooks(&config, file, &plugins, &mut problems);
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let table = Table::new(&config.routes);
        let plan = Self { table, upstreams, uses, clock: Clock::start(), config };
        Ok((Arc::new(plan), plugins))
    }

    /// A version that takes the place of another must have the hooks that the configuration needs.
    pub fn check_hooks_of(&self, index: PluginIndex, plugin: &Plugin) -> Result<(), LoadError> {
        let mut needed = chains(&self.config).filter(|(_, settings)| settings.plugin == index);
        match needed.find(|(hook, _)| !plugin.has(*hook)) {
            Some((hook, _)) => Err(LoadError::MissingHook(hook.as_str())),
            None => Ok(()),
        }
    }

    /// What an exchange does when that use fails in that hook.
    pub fn on_error(&self, slot: &Slot, hook: Hook) -> OnError {
        let default = if hook == Hook::Selection { OnError::Fallback } else { OnError::Pass };
        slot.owner.on_error.unwrap_or(default)
    }
}

/// Reads the bytes of a plugin, and holds them against the pinned digest.
pub fn read(source: &PluginSource) -> Result<Vec<u8>, LoadError> {
    match source {
        PluginSource::BuiltIn(name) => match plugin::builtin::bytes(name) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(LoadError::Unreadable(format!("no built-in plugin is called {name}"))),
        },
        PluginSource::File { path, sha256 } => {
            let unreadable = |error| LoadError::Unreadable(format!("{}: {error}", path.display()));
            let bytes = std::fs::read(path).map_err(unreadable)?;
            let found = plugin::Digest::of(&bytes);
            match sha256 {
                Some(wanted) if *wanted != found.0 => {
                    Err(LoadError::Pinned { found: found.hex(), wanted: plugin::Digest(*wanted).hex() })
                }
                _ => Ok(bytes),
            }
        }
    }
}

/// All at once, since most of the time is the compiler's and each has a process of its own.
fn load_all(
    config: &Config,
    file: &Path,
    host: &Host,
    keys: &SealingKeys,
    problems: &mut Vec<Problem>,
) -> Vec<Arc<Plugin>> {
    let load = |plugin: &model::Plugin| {
        read(&plugin.source).and_then(|bytes| host.load(&plugin.name, &bytes, &plugin.limits, keys))
    };
    let loaded: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = config.plugins.iter().map(|plugin| scope.spawn(move || load(plugin))).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut plugins = Vec::new();
    for (settings, loaded) in config.plugins.iter().zip(loaded) {
        match loaded.unwrap_or_else(|_| Err(LoadError::Host("the loader panicked".into()))) {
            Ok(plugin) => plugins.push(plugin),
            Err(error) => problems.push(Problem {
                file: file.display().to_string(),
                line: 0,
                key: String::new(),
                message: format!("plugin {}: {}: {error}", settings.name, settings.source),
            }),
        }
    }
    plugins
}

fn make_use(
    config: &Config,
    settings: &model::Use,
    upstreams: &[Arc<Upstream>],
    before: &[Arc<Use>],
    keys: &SealingKeys,
) -> Result<Arc<Use>, LoadError> {
    let named = |&index: &UpstreamIndex| {
        let upstream = upstreams.get(index)?;
        Some(Named { name: upstream.name.clone(), set: upstream.set.clone() })
    };
    let limits = config.plugins.get(settings.plugin).map(|plugin| &plugin.limits);
    let limits = limits.ok_or_else(|| LoadError::Host("a use of no plugin".into()))?;
    let made = UseSettings {
        name: settings.name.clone(),
        config: settings.config.clone(),
        on_error: settings.on_error,
        limits: limits.clone(),
        upstream: settings.upstream.as_ref().and_then(named),
        upstreams: settings.upstreams.iter().filter_map(named).collect(),
        zone: config.zone.as_str().into(),
        seed: config.hash_seed,
        workers: config.workers,
    };
    match before.iter().find(|sibling| sibling.name == settings.name) {
        Some(sibling) => Use::beside(made, keys, sibling),
        None => Use::new(made, keys),
    }
}

/// A use must have the hook of the chain that it stands in.
fn check_hooks(config: &Config, file: &Path, plugins: &[Arc<Plugin>], problems: &mut Vec<Problem>) {
    for (hook, settings) in chains(config) {
        if !plugins.get(settings.plugin).is_some_and(|plugin| plugin.has(hook)) {
            problems.push(problem(file, settings, &LoadError::MissingHook(hook.as_str())));
        }
    }
}

/// Every appearance of a use in a chain, with the hook of that chain.
fn chains(config: &Config) -> impl Iterator<Item = (Hook, &model::Use)> {
    let routes = config.routes.iter();
    let chains = routes.flat_map(|route| [(Hook::Routing, &route.routing), (Hook::Response, &route.response)]);
    let chains = chains.chain(config.upstreams.iter().map(|upstream| (Hook::Selection, &upstream.selection)));
    chains.flat_map(move |(hook, chain)| chain.iter().filter_map(move |&place| Some((hook, config.uses.get(place)?))))
}

/// What is wrong with a use, and where in the configuration it stands.
pub fn problem(file: &Path, settings: &model::Use, error: &LoadError) -> Problem {
    let mut key = String::new();
    for step in settings.place.pointer.split('/').skip(1) {
        let (open, close) = match step.bytes().all(|byte| byte.is_ascii_digit()) {
            true => ("[", "]"),
            false if key.is_empty() => ("", ""),
            false => (".", ""),
        };
        key.extend([open, step, close]);
    }
    let message = format!("{}: {error}", settings.name);
    Problem { file: file.display().to_string(), line: settings.place.line, key, message }
}

/// What a worker is told while it serves.
#[derive(Debug)]
pub enum Change {
    /// Another version of a plugin, for all its uses at once. `done` is answered when this worker has switched.
    Swap(Vec<Filling>, oneshot::Sender<()>),
    /// An instance for a slot that has lost one.
    Refill(UseIndex, Arc<Plugin>, Box<Instance>),
    /// Take nothing new, finish what there is. Answered when this worker has begun.
    Drain(oneshot::Sender<()>),
}

/// What a slot is made of.
#[derive(Debug)]
pub struct Filling {
    /// Which use.
    pub place: UseIndex,
    /// Which version.
    pub plugin: Arc<Plugin>,
    /// An instance and a spare.
    pub instances: [Instance; 2],
}

impl Plan {
    /// Instance and spare of one use for one worker.
    pub fn fill(&self, place: UseIndex, plugin: &Arc<Plugin>, worker: usize) -> Result<Filling, LoadError> {
        let owner = &self.uses[place];
        let instances = [plugin.start(owner, worker)?, plugin.start(owner, worker)?];
        Ok(Filling { place, plugin: plugin.clone(), instances })
    }
}
