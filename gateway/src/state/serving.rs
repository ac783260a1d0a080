//! All that serves at one time, and what each worker has to know to serve it after something else.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::mpsc;

use super::build::make_slots;
use super::listeners::{Listening, Opened};
use super::{Collector, Entrance, Listener, Operators, Plan, Share};
use crate::config::model::{self, PluginIndex, UseIndex};
use crate::plugin::{LoadError, Notice, Plugin, SealingKeys, Slot, Use};
use crate::upstream::Way;

/// All that serves: the plan with what only those need who change it.
#[derive(Debug, Clone)]
pub struct Serving {
    /// What all workers share.
    pub plan: Arc<Plan>,
    /// The version of each plugin that is live, by [`PluginIndex`].
    pub plugins: Vec<Arc<Plugin>>,
    /// The slots of each use, by [`UseIndex`].
    pub slots: Vec<Vec<Arc<Slot>>>,
    /// Where clients come in, in the order of the configuration.
    pub listeners: Vec<Listening>,
    /// What is asked of operators; none where they do not come in.
    pub operators: Option<Arc<Operators>>,
    /// Where traces go; none: nowhere.
    pub collector: Option<Arc<Collector>>,
    /// The gateway's keys.
    pub keys: SealingKeys,
}

/// What was built, and nobody has yet.
#[derive(Debug)]
pub struct Built {
    /// What is to serve.
    pub serving: Serving,
    /// The sockets of listeners that are new.
    pub opened: Vec<Opened>,
}

#[expect(clippy::indexing_slicing, reason = "positions come from the configuration that all of this was made from")]
impl Serving {
    /// The version that serves for a plugin of these settings.
    pub(super) fn live(&self, settings: &model::Plugin) -> Option<&Arc<Plugin>> {
        let known = self.plan.config.plugins.iter().zip(&self.plugins);
        let is_it = |(known, live): &(&model::Plugin, &Arc<Plugin>)| {
            known.name == settings.name && live.digest.may_come_from(&known.source, &settings.source)
        };
        known.into_iter().find(is_it).map(|(_, live)| live)
    }

    /// The slots of that very use.
    pub(super) fn slots_of(&self, owner: &Arc<Use>) -> Option<&Vec<Arc<Slot>>> {
        let place = self.plan.uses.iter().position(|known| Arc::ptr_eq(known, owner))?;
        self.slots.get(place)
    }

    /// The slots of uses that stand where `owner` stands, whatever their settings.
    pub(super) fn alike(&self, owner: &Use) -> impl Iterator<Item = &Arc<Slot>> {
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
    ) -> Result<Built, LoadError> {
        let mut next = self.clone();
        for place in self.uses_of(index) {
            let was_awake = self.slots[place].iter().any(|slot| slot.is_awake());
            next.slots[place] = make_slots(self.owner(place), &plugin, notices, was_awake)?;
        }
        next.plugins[index] = plugin;
        Ok(Built { serving: next, opened: Vec::new() })
    }

    /// What is configured for a plugin.
    pub fn settings(&self, index: PluginIndex) -> &model::Plugin {
        &self.plan.config.plugins[index]
    }

    /// The version of a plugin that is live.
    pub fn plugin(&self, index: PluginIndex) -> &Arc<Plugin> {
        &self.plugins[index]
    }

    /// The version that a use has.
    pub fn plugin_of(&self, place: UseIndex) -> &Arc<Plugin> {
        self.plugin(self.plan.config.uses[place].plugin)
    }

    /// A use.
    pub fn owner(&self, place: UseIndex) -> &Arc<Use> {
        &self.plan.uses[place]
    }

    /// The uses of a plugin.
    pub fn uses_of(&self, index: PluginIndex) -> impl Iterator<Item = UseIndex> {
        let uses = self.plan.config.uses.iter().enumerate();
        uses.filter(move |(_, settings)| settings.plugin == index).map(|(place, _)| place)
    }

    /// True if nothing was different in the files from which both were made.
    pub fn reads_as(&self, other: &Self) -> bool {
        let listeners = self.listeners.iter().zip(&other.listeners);
        let upstreams = self.plan.upstreams.iter().zip(&other.plan.upstreams);
        self.keys == other.keys
            && self.operators.as_ref().map(Arc::as_ptr) == other.operators.as_ref().map(Arc::as_ptr)
            && self.collector.as_ref().map(Arc::as_ptr) == other.collector.as_ref().map(Arc::as_ptr)
            && self.listeners.len() == other.listeners.len()
            && listeners.into_iter().all(|(one, other)| Arc::ptr_eq(&one.entrance, &other.entrance))
            && upstreams.into_iter().all(|(one, other)| Arc::ptr_eq(&one.way, &other.way))
    }

    /// The slot that takes the place of `old`: of the very same use after a swap; after a reload of the one that stands where it
    /// stood, if there are several of one name.
    fn successor(&self, old: &Slot) -> Option<&Arc<Slot>> {
        let names = |owner: &Use| owner.upstreams.iter().map(|upstream| upstream.name.clone()).collect::<Vec<_>>();
        let takes_its_number = |new: &&Arc<Slot>| new.number == old.number;
        let own = self.slots_of(&old.owner).into_iter().flatten().find(takes_its_number);
        let alike = || self.alike(&old.owner).filter(takes_its_number);
        own.or_else(|| alike().min_by_key(|new| names(&new.owner) != names(&old.owner)))
    }

    /// What came in the place of slots of `before`.
    fn retired<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (Arc<Slot>, Option<Arc<Slot>>)> {
        let stays = |old: &&Arc<Slot>| {
            self.slots_of(&old.owner).is_some_and(|slots| slots.iter().any(|slot| Arc::ptr_eq(slot, old)))
        };
        before
            .slots
            .iter()
            .flatten()
            .filter(move |old| !stays(old))
            .map(|old| (old.clone(), self.successor(old).cloned()))
    }
}

impl Built {
    /// What each worker is to serve, after `before`.
    pub fn shares(mut self, before: Option<&Serving>) -> (Serving, Vec<Share>) {
        let now = &self.serving;
        let retired: Vec<_> = before.into_iter().flat_map(|before| now.retired(before)).collect();
        let share = |worker: usize| {
            let slots = now.slots.iter().filter_map(|slots| slots.iter().cycle().nth(worker).cloned()).collect();
            let listener = |Listening { id, entrance }: &Listening| {
                let opened = self.opened.iter_mut().find(|opened| opened.id == *id);
                let open = opened.map(|opened| opened.open.part(now.plan.config.workers - worker));
                Listener { id: *id, entrance: entrance.clone(), open }
            };
            let listeners = now.listeners.iter().map(listener).collect();
            // Where workers share a slot, the one with its number sees to it.
            let retired = retired.iter().filter(|(old, _)| old.number == worker).cloned().collect();
            Share { plan: now.plan.clone(), slots, listeners, retired }
        };
        let shares = (0..now.plan.config.workers).map(share).collect();
        (self.serving, shares)
    }

    /// Says where it listens from now on, and which certificates that `before` did not have will not last.
    pub fn announce(&self, before: Option<&Serving>) {
        let had = |entrance: &Arc<Entrance>| {
            before.is_some_and(|before| before.listeners.iter().any(|old| Arc::ptr_eq(&old.entrance, entrance)))
        };
        let fresh = self.serving.listeners.iter().filter(|listening| !had(&listening.entrance));
        let had_way = |way: &Arc<Way>| {
            before.is_some_and(|before| before.plan.upstreams.iter().any(|old| Arc::ptr_eq(&old.way, way)))
        };
        let fresh_ways = self.serving.plan.upstreams.iter().map(|upstream| &upstream.way).filter(|way| !had_way(way));
        let to_clients = fresh.filter_map(|listening| listening.entrance.tls.as_ref()).flat_map(|tls| tls.expiries());
        let to_endpoints = fresh_ways.filter_map(|way| way.tls()).flat_map(|tls| tls.expiries());
        let fresh_collector = self.serving.collector.as_ref().filter(|collector| {
            let old = before.and_then(|before| before.collector.as_ref());
            !old.is_some_and(|old| Arc::ptr_eq(old, collector))
        });
        let to_collector = fresh_collector.and_then(|collector| collector.tls.as_ref()).into_iter();
        let to_collector = to_collector.flat_map(|tls| tls.expiries());
        for expiry in to_clients.chain(to_endpoints).chain(to_collector) {
            if let Some(reason) = expiry.warning(SystemTime::now()) {
                tracing::warn!(target: "sluice", file = %expiry.file.display(), %reason, "a certificate ends");
            }
        }
        let is_new = |listening: &&Listening| self.opened.iter().any(|opened| opened.id == listening.id);
        for Listening { id, entrance } in self.serving.listeners.iter().filter(is_new) {
            let (address, tls) = (entrance.address, entrance.tls.is_some());
            tracing::info!(target: "sluice", listener = id, %address, tls, "listening");
        }
    }
}
