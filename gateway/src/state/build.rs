//! From a configuration to what serves it: everything is made aside, and what has not changed since before is taken over. It
//! serves nobody until the workers get their [`Share`]; if anything is wrong, all of it is dropped and nothing has happened.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    Built, Collector, Limiter, Operators, Plan, Serving, chains, check_hook, load_all, problem_of_endpoint_tls,
    problem_of_plugin, problems_of_use,
};
use crate::config::model::{self, Config, PluginSource, UpstreamIndex};
use crate::config::{Problem, Problems};
use crate::observe::{Clock, Traffic};
use crate::plugin::{
    Digest, Hook, Host, Inheritance, LoadError, Named, Notice, Plugin, SealingKeys, Slot, Use, UseSettings,
};
use crate::route::Table;
use crate::socket::Sockets;
use crate::tls::ToEndpoints;
use crate::upstream::Upstream;

/// Makes what serves.
#[derive(Debug)]
pub struct Builder<'a> {
    /// Loads plugins.
    pub host: &'a Host,
    /// Where slots report.
    pub notices: &'a mpsc::Sender<Notice>,
    /// Where listening sockets come from.
    pub sockets: &'a Sockets,
    /// What the uses of a gateway that this one takes over from have kept; nothing on a reload.
    pub inheritance: Option<&'a Inheritance>,
    /// What serves now; none at the start.
    pub before: Option<&'a Serving>,
    /// Takes what the files of plugins have now, also where what they had before serves.
    pub fresh: bool,
    /// Versions that failed and are not to come back by themselves.
    pub taken_back: &'a [Digest],
}

#[expect(clippy::indexing_slicing, reason = "positions come from the configuration that all of this was made from")]
impl Builder<'_> {
    /// Makes the live objects of a configuration. Blocks: it compiles, and runs plugins.
    ///
    /// # Errors
    /// Everything that is wrong with the plugins and their uses, with certificates, and with the addresses of listeners.
    pub fn build(&self, config: Config, keys: SealingKeys) -> Result<Built, Problems> {
        let mut problems = Vec::new();
        let live = |settings: &model::Plugin| {
            let is_fixed = !self.fresh || matches!(settings.source, PluginSource::BuiltIn(_));
            self.before.filter(|_| is_fixed).and_then(|before| before.live(settings).cloned())
        };
        let mut plugins = Vec::with_capacity(config.plugins.len());
        for (settings, loaded) in config.plugins.iter().zip(load_all(&config.plugins, self.host, &keys, live)) {
            match loaded {
                Ok(plugin) if self.taken_back.contains(&plugin.digest) => {
                    problems.push(problem_of_plugin(&config, settings, &LoadError::TakenBack));
                }
                Ok(plugin) => plugins.push(plugin),
                Err(error) => problems.push(problem_of_plugin(&config, settings, &error)),
            }
        }
        let upstreams = self.upstreams(&config, &mut problems);
        let before = self.before.map_or(&[][..], |before| &before.plan.uses);
        let mut uses: Vec<Arc<Use>> = Vec::with_capacity(config.uses.len());
        for settings in &config.uses {
            match make_use(&config, settings, &upstreams, &uses, before, &keys) {
                Ok(made) => uses.push(made),
                Err(error) => problems.extend(problems_of_use(&config, settings, &error)),
            }
        }
        if let Some(inheritance) = self.inheritance {
            inheritance.give(&uses);
        }
        if problems.is_empty() {
            for (hook, settings) in chains(&config) {
                if let Err(error) = check_hook(hook, &plugins[settings.plugin]) {
                    problems.extend(problems_of_use(&config, settings, &error));
                }
            }
        }
        let mut slots = Vec::with_capacity(uses.len());
        if problems.is_empty() {
            for (place, settings) in config.uses.iter().enumerate() {
                match self.slots(&uses[place], &plugins[settings.plugin]) {
                    Ok(made) => slots.push(made),
                    Err(error) => problems.extend(problems_of_use(&config, settings, &error)),
                }
            }
        }
        let (listeners, opened) = self.listeners(&config, &mut problems);
        let (operators, collector) = self.onlookers(&config, &mut problems);
        if !problems.is_empty() {
            return Err(Problems::new(problems));
        }
        let table = Table::new(&config.routes);
        let clock = self.before.map_or_else(Clock::start, |before| before.plan.clock);
        let limiters = config.routes.iter().map(|route| self.limiter(route)).collect();
        let (traffic, unrouted) = self.traffic(&config);
        let tracer = collector.as_ref().map(|collector| collector.tracer.clone());
        let plan = Arc::new(Plan { table, upstreams, uses, traffic, unrouted, limiters, clock, tracer, config });
        Ok(Built { serving: Serving { plan, plugins, slots, listeners, operators, collector, keys }, opened })
    }

    /// Who is told of what goes by.
    fn onlookers(
        &self,
        config: &Config,
        problems: &mut Vec<Problem>,
    ) -> (Option<Arc<Operators>>, Option<Arc<Collector>>) {
        let operators = self.before.and_then(|before| before.operators.as_ref());
        let operators = Operators::build(config, operators).unwrap_or_else(|found| {
            problems.extend(found);
            None
        });
        let collector = self.before.and_then(|before| before.collector.as_ref());
        let collector = Collector::build(config, collector).unwrap_or_else(|found| {
            problems.extend(found);
            None
        });
        (operators, collector)
    }

    /// With their TLS, where they have any; a problem leaves it out, since nothing is served then.
    fn upstreams(&self, config: &Config, problems: &mut Vec<Problem>) -> Vec<Arc<Upstream>> {
        let before = self.before.map_or(&[][..], |before| &before.plan.upstreams);
        let mut upstreams = Vec::with_capacity(config.upstreams.len());
        for (index, settings) in config.upstreams.iter().enumerate() {
            let before = before.iter().find(|upstream| upstream.name == settings.name);
            let loaded = settings.tls.as_ref().map(|tls| {
                let before = before.and_then(|before| before.way.tls());
                ToEndpoints::load(settings, tls, before)
            });
            let tls = loaded.transpose().unwrap_or_else(|error| {
                problems.push(problem_of_endpoint_tls(config, index, &error));
                None
            });
            upstreams.push(Upstream::new(settings, tls, before));
        }
        upstreams
    }

    /// The figures of the routes, and those of none. Where there was a route of that name they go on; the number of workers never
    /// changes.
    fn traffic(&self, config: &Config) -> (Vec<Arc<Traffic>>, Arc<Traffic>) {
        let before = self.before.iter().flat_map(|before| before.plan.traffic.iter().chain([&before.plan.unrouted]));
        let before: HashMap<&str, &Arc<Traffic>> = before.map(|traffic| (&*traffic.route, traffic)).collect();
        let of = |route: &Arc<str>| match before.get(&**route) {
            Some(known) => Arc::clone(known),
            None => Traffic::new(route.clone(), config.workers),
        };
        (config.routes.iter().map(|route| of(&route.name)).collect(), of(&Arc::default()))
    }

    /// What the route of that name has seen of its clients stays as long as the bound is the same.
    fn limiter(&self, route: &model::Route) -> Option<Arc<Limiter>> {
        let rate = route.limits.rate.as_ref()?;
        let before = self.before.and_then(|before| {
            let place = before.plan.config.routes.iter().position(|known| known.name == route.name)?;
            before.plan.limiters.get(place)?.clone()
        });
        before.filter(|before| before.is_as(rate)).or_else(|| Some(Arc::new(Limiter::new(rate))))
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

/// A use's slots: one instance is made in any case, so that it is known to be possible and how long it takes; the others when
/// they are first needed, unless `all` are wanted, or that would hold requests up.
pub(super) fn make_slots(
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

/// The live object of a use: that of `before` if it would be the same, else one that shares what its name has kept. `made` are
/// those of the uses before it.
///
/// # Errors
/// If its keys cannot be derived.
pub fn make_use(
    config: &Config,
    settings: &model::Use,
    upstreams: &[Arc<Upstream>],
    made: &[Arc<Use>],
    before: &[Arc<Use>],
    keys: &SealingKeys,
) -> Result<Arc<Use>, LoadError> {
    let settings = use_settings(config, settings, upstreams)?;
    if let Some(same) = before.iter().find(|other| other.is_as(&settings, keys)) {
        return Ok(same.clone());
    }
    // Another plugin under the same name understands nothing of what is kept.
    let is_sibling = |other: &&Arc<Use>| other.name == settings.name && other.plugin == settings.plugin;
    match made.iter().chain(before).find(is_sibling) {
        Some(sibling) => Use::beside(settings, keys, sibling),
        None => Use::new(settings, keys),
    }
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
