//! From a configuration to what serves it: everything is made aside, and what has not changed since before is taken over. It
//! serves nobody until the workers get their [`Share`]; if anything is wrong, all of it is dropped and nothing has happened.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Plan, Share, chains};
use crate::config::model::{self, Config, PluginIndex, UpstreamIndex, UseIndex};
use crate::config::{Problem, Problems};
use crate::observe::Clock;
use crate::plugin::{Hook, Host, LoadError, Named, Notice, Plugin, SealingKeys, Slot, Use, UseSettings};
use crate::route::Table;
use crate::upstream::Upstream;

/// All that serves: the plan with what only those need who change it.
#[derive(Debug, Clone)]
pub struct Serving {
    /// What all workers share.
    pub plan: Arc<Plan>,
    /// The version of each plugin that is live, by [`PluginIndex`].
    pub plugins: Vec<Arc<Plugin>>,
    /// The slots of each use, by [`UseIndex`].
    pub slots: Vec<Vec<Arc<Slot>>>,
    /// The gateway's keys.
    pub keys: SealingKeys,
}

/// Makes what serves.
#[derive(Debug)]
pub struct Builder<'a> {
    /// Loads plugins.
    pub host: &'a Host,
    /// What problems call the configuration.
    pub file: &'a Path,
    /// Where slots report.
    pub notices: &'a mpsc::Sender<Notice>,
    /// What serves now; none at the start.
    pub before: Option<&'a Serving>,
}

impl Builder<'_> {
    /// Makes the live objects of a configuration. Blocks: it compiles, and runs plugins.
    ///
    /// # Errors
    /// Everything that is wrong with the plugins and their uses.
    pub fn build(&self, config: Config, keys: SealingKeys) -> Result<Serving, Problems> {
        let mut problems = Vec::new();
        let plugins = self.load_all(&config.plugins, &keys, &mut problems);
        let upstreams: Vec<Arc<Upstream>> = config.upstreams.iter().map(|settings| self.upstream(settings)).collect();
        let mut uses: Vec<Arc<Use>> = Vec::with_capacity(config.uses.len());
        for settings in &config.uses {
            match self.make_use(&config, settings, &upstreams, &uses, &keys) {
                Ok(made) => uses.push(made),
                Err(error) => problems.push(problem(self.file, settings, &error)),
            }
        }
        if problems.is_empty() {
            check_hooks(&config, self.file, &plugins, &mut problems);
        }
        let mut slots = Vec::with_capacity(uses.len());
        if problems.is_empty() {
            for (place, settings) in config.uses.iter().enumerate() {
                match self.slots(&uses[place], &plugins[settings.plugin]) {
                    Ok(made) => slots.push(made),
                    Err(error) => problems.push(problem(self.file, settings, &error)),
                }
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let table = Table::new(&config.routes);
        let clock = self.before.map_or_else(Clock::start, |before| before.plan.clock);
        let plan = Arc::new(Plan { table, upstreams, uses, clock, config });
        Ok(Serving { plan, plugins, slots, keys })
    }

    fn upstream(&self, settings: &model::Upstream) -> Arc<Upstream> {
        let mut before = self.before.iter().flat_map(|before| &before.plan.upstreams);
        Upstream::new(settings, before.find(|upstream| upstream.name == settings.name))
    }

    /// The use of before if it would be the same; else one that shares what its name has kept.
    fn make_use(
        &self,
        config: &Config,
        settings: &model::Use,
        upstreams: &[Arc<Upstream>],
        made: &[Arc<Use>],
        keys: &SealingKeys,
    ) -> Result<Arc<Use>, LoadError> {
        let settings = use_settings(config, settings, upstreams)?;
        let before = || self.before.iter().flat_map(|before| &before.plan.uses);
        if let Some(same) = before().find(|other| other.is_as(&settings, keys)) {
            return Ok(same.clone());
        }
        // Another plugin under the same name understands nothing of what is kept.
        let is_sibling = |other: &&Arc<Use>| other.name == settings.name && other.plugin == settings.plugin;
        match made.iter().chain(before()).find(is_sibling) {
            Some(sibling) => Use::beside(settings, keys, sibling),
            None => Use::new(settings, keys),
        }
    }

    /// Those of before if use and version are the same. New ones are empty, but for what has to be seen: that an instance can be
    /// made, and, while others serve, that it answers.
    fn slots(&self, owner: &Arc<Use>, plugin: &Arc<Plugin>) -> Result<Vec<Arc<Slot>>, LoadError> {
        let before = self.before.and_then(|before| before.slots_of(owner));
        if let Some(same) = before.filter(|slots| slots.iter().all(|slot| Arc::ptr_eq(&slot.plugin, plugin))) {
            return Ok(same.clone());
        }
        if self.before.is_some() {
            plugin.trial(owner)?;
        }
        let was_awake = self.before.is_some_and(|before| before.alike(owner).any(|slot| slot.is_awake()));
        make_slots(owner, plugin, self.notices, was_awake)
    }
}

impl Serving {
    /// The version that serves for a plugin of these settings.
    pub(super) fn live(&self, settings: &model::Plugin) -> Option<&Arc<Plugin>> {
        let index = self.plan.config.plugins.iter().position(|known| known == settings)?;
        self.plugins.get(index)
    }

    /// The slots of that very use.
    fn slots_of(&self, owner: &Arc<Use>) -> Option<&Vec<Arc<Slot>>> {
        let place = self.plan.uses.iter().position(|known| Arc::ptr_eq(known, owner))?;
        self.slots.get(place)
    }

    /// The slots of uses that stand where `owner` stands, whatever their settings.
    fn alike(&self, owner: &Use) -> impl Iterator<Item = &Arc<Slot>> {
        let is_it = |slot: &&Arc<Slot>| {
            let name = |owner: &Use| owner.upstream.as_ref().map(|upstream| upstream.name.clone());
            slot.owner.name == owner.name && slot.owner.plugin == owner.plugin && name(&slot.owner) == name(owner)
        };
        self.slots.iter().flatten().filter(is_it)
    }

    /// The same with another version of a plugin, whose slots are made aside: filled where those of before are in use.
    ///
    /// # Errors
    /// Why no instance of it can be made.
    pub fn with_version(
        &self,
        index: PluginIndex,
        plugin: Arc<Plugin>,
        notices: &mpsc::Sender<Notice>,
    ) -> Result<Self, LoadError> {
        let mut next = self.clone();
        for place in self.uses_of(index) {
            let was_awake = self.slots[place].iter().any(|slot| slot.is_awake());
            next.slots[place] = make_slots(&self.plan.uses[place], &plugin, notices, was_awake)?;
        }
        next.plugins[index] = plugin;
        Ok(next)
    }

    /// The uses of a plugin.
    pub fn uses_of(&self, index: PluginIndex) -> impl Iterator<Item = UseIndex> {
        let uses = self.plan.config.uses.iter().enumerate();
        uses.filter(move |(_, settings)| settings.plugin == index).map(|(place, _)| place)
    }

    /// What a worker is to serve, after `before`.
    pub fn share(&self, worker: usize, before: Option<&Serving>) -> Share {
        let of_worker = |slots: &Vec<Arc<Slot>>| slots[worker % slots.len()].clone();
        let slots: Vec<Arc<Slot>> = self.slots.iter().map(of_worker).collect();
        let stays =
            |old: &&Arc<Slot>| self.slots_of(&old.owner).is_some_and(|slots| slots.iter().any(|s| Arc::ptr_eq(s, old)));
        // Where workers share a slot, the one with its number sees to it.
        let old = before.iter().flat_map(|before| &before.slots).flatten().filter(|old| old.number == worker);
        let retired = old.filter(|old| !stays(old)).map(|old| {
            let successor = self.alike(&old.owner).find(|new| new.number == old.number);
            (old.clone(), successor.cloned())
        });
        Share { plan: self.plan.clone(), slots, retired: retired.collect() }
    }
}

/// A use's slots: one instance is made in any case, so that it is known to be possible and how long it takes; the others when
/// they are first needed, unless `all` are wanted, or that would hold requests up.
fn make_slots(
    owner: &Arc<Use>,
    plugin: &Arc<Plugin>,
    notices: &mpsc::Sender<Notice>,
    all: bool,
) -> Result<Vec<Arc<Slot>>, LoadError> {
    let slot = |number| Slot::new(owner.clone(), plugin.clone(), number, notices.clone());
    let slots: Vec<Arc<Slot>> = (0..owner.slots).map(slot).collect();
    slots.iter().take(1).try_for_each(|slot| slot.wake())?;
    if all || !owner.starts_quickly() {
        slots.iter().try_for_each(|slot| slot.fill())?;
    } else if plugin.has(Hook::Timer) {
        // What works by the clock is needed from the beginning.
        slots.iter().try_for_each(|slot| slot.wake())?;
    }
    Ok(slots)
}

fn use_settings(config: &Config, settings: &model::Use, upstreams: &[Arc<Upstream>]) -> Result<UseSettings, LoadError> {
    let named = |&index: &UpstreamIndex| {
        let upstream = upstreams.get(index)?;
        Some(Named { name: upstream.name.clone(), set: upstream.set.clone() })
    };
    let plugin = config.plugins.get(settings.plugin);
    let plugin = plugin.ok_or_else(|| LoadError::Host("a use of no plugin".into()))?;
    Ok(UseSettings {
        name: settings.name.clone(),
        plugin: plugin.name.clone(),
        config: settings.config.clone(),
        on_error: settings.on_error,
        limits: plugin.limits.clone(),
        upstream: settings.upstream.as_ref().and_then(named),
        upstreams: settings.upstreams.iter().filter_map(named).collect(),
        zone: config.zone.as_str().into(),
        seed: config.hash_seed,
        slots: plugin.slots.unwrap_or(config.workers).min(config.workers),
    })
}

/// A use must have the hook of the chain that it stands in.
fn check_hooks(config: &Config, file: &Path, plugins: &[Arc<Plugin>], problems: &mut Vec<Problem>) {
    for (hook, settings) in chains(config) {
        if !plugins.get(settings.plugin).is_some_and(|plugin| plugin.has(hook)) {
            problems.push(problem(file, settings, &LoadError::MissingHook(hook.as_str())));
        }
    }
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
