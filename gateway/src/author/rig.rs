//! One use of a plugin outside of a gateway: a slot for each of its workers, which share cells and store as they do in production.
//! Chance comes from one seed and time from the stage, so the same calls in the same order get the same answers.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::stage::Stage;
use super::workshop::usual_limits;
use crate::config::model::PluginLimits;
use crate::endpoint::Endpoint;
use crate::message::RequestHead;
use crate::plugin::{
    Ended, Failure, Hook, Inherited, LoadError, Meters, Moment, Named, Notice, Outcome, Plugin, ResponseHead, Routed,
    SealingKeys, Selected, Slot, Surroundings, Use, UseSettings,
};
use crate::upstream::{Refused, admit, fallback};

/// What slots have reported and the rig has not heard yet.
const NOTICES: usize = 64;
/// A share of a worker's second that nothing takes: the machine's seconds have nothing to do with the stage's.
const NO_SHARE: u32 = u32::MAX;

/// What a use is put on a stage with.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its configuration, JSON text.
    pub config: String,
    /// How many workers there are. Default 1.
    pub workers: usize,
    /// What `input.random` comes from. Default 1.
    pub seed: u64,
    /// The gateway's `hash-seed`. Default 0.
    pub hash_seed: u64,
    /// What the random numbers of WASI come from, which no policy should need. Default 0.
    pub entropy: u64,
    /// Where the gateway stands. Default: not said.
    pub zone: String,
    /// What an instance may use up; its share of a worker is not looked at. Default: as in a configuration file.
    pub limits: PluginLimits,
    /// What it may choose as a routing plugin. Default: the stage's.
    pub upstreams: Vec<Named>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            config: "{}".to_owned(),
            workers: 1,
            seed: 1,
            hash_seed: 0,
            entropy: 0,
            zone: String::new(),
            limits: usual_limits(),
            upstreams: Vec::new(),
        }
    }
}

/// What became of one choice.
#[derive(Debug)]
pub struct Choice {
    /// What the plugin said, or how it failed.
    pub said: Result<Selected, Failure>,
    /// Why the host did not take what it said.
    pub refused: Option<Refused>,
    /// Where the request goes: where the plugin said, else where the gateway draws it to; none: nowhere.
    pub endpoint: Option<usize>,
    /// What the plugin attached.
    pub tag: u64,
}

/// A use on a stage.
#[derive(Debug)]
pub struct Rig {
    stage: Arc<Stage>,
    owner: Arc<Use>,
    slots: Vec<Arc<Slot>>,
    random: fastrand::Rng,
    notices: mpsc::Sender<Notice>,
    noticed: mpsc::Receiver<Notice>,
}

impl Rig {
    pub(super) fn new(
        plugin: &Arc<Plugin>,
        stage: &Arc<Stage>,
        setting: Setting,
        keys: &SealingKeys,
    ) -> Result<Self, LoadError> {
        let selects = plugin.has(Hook::Selection);
        let upstreams = if setting.upstreams.is_empty() { vec![stage.upstream().clone()] } else { setting.upstreams };
        let settings = UseSettings {
            name: format!("{}/selection/{}", stage.upstream().name, plugin.name).into(),
            plugin: plugin.name.clone(),
            config: setting.config,
            on_error: None,
            limits: PluginLimits { worker_share_per_mille: NO_SHARE, ..setting.limits },
            upstream: selects.then(|| stage.upstream().clone()),
            upstreams: if plugin.has(Hook::Routing) { upstreams } else { Vec::new() },
            zone: setting.zone.into(),
            seed: setting.hash_seed,
            slots: setting.workers,
        };
        let surroundings = Surroundings { clock: stage.clock.clone(), entropy: setting.entropy };
        let owner = Use::within(settings, keys, surroundings)?;
        let (notices, noticed) = mpsc::channel(NOTICES);
        let slot = |number| Slot::new(owner.clone(), plugin.clone(), number, notices.clone());
        let slots: Vec<_> = (0..setting.workers).map(slot).collect();
        slots.iter().try_for_each(|slot| slot.wake())?;
        let random = fastrand::Rng::with_seed(setting.seed);
        Ok(Self { stage: stage.clone(), owner, slots, random, notices, noticed })
    }

    /// What it stands on.
    pub fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    /// The slot of that worker. Who calls it past the rig calls [`Rig::keep`] afterwards.
    ///
    /// # Panics
    /// If there is no such worker.
    #[expect(clippy::expect_used, reason = "whoever made the rig knows how many workers it has")]
    pub fn slot(&self, worker: usize) -> &Arc<Slot> {
        self.slots.get(worker).expect("a worker of the rig")
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.slots.len()
    }

    /// What a hook is told next.
    pub fn moment(&mut self) -> Moment<'static> {
        Moment::new(self.random.u64(..), self.stage.clock.now_us())
    }

    /// The selection hook on that worker, then the gateway's veto, and its own choice where the plugin has made none. Nothing is
    /// counted as in flight by that.
    pub fn choose(&mut self, worker: usize, head: &Arc<RequestHead>, tried: &[Arc<Endpoint>]) -> Choice {
        let mut choice = self.ask(worker, head, tried);
        if choice.endpoint.is_none() && !matches!(choice.said, Ok(Selected::Reject(_))) {
            choice.endpoint = self.draw(tried);
        }
        choice
    }

    /// The gateway's own choice.
    pub fn draw(&mut self, tried: &[Arc<Endpoint>]) -> Option<usize> {
        fallback(&self.stage.members(), tried, self.random.u64(..))
    }

    /// The selection hook on that worker, then the gateway's veto; where the plugin has made no choice that stands, there is none.
    pub fn ask(&mut self, worker: usize, head: &Arc<RequestHead>, tried: &[Arc<Endpoint>]) -> Choice {
        let moment = self.moment();
        let members = self.stage.members();
        let slot = self.slot(worker);
        let said = slot.select(head, &members, tried, moment);
        let (mut endpoint, mut refused, mut tag) = (None, None, 0);
        match said {
            Ok(Selected::Pass(attached)) => tag = attached,
            Ok(Selected::Endpoint(index, attached)) => {
                tag = attached;
                match admit(&members, index, tried, slot.keeps_draining()) {
                    Ok(()) => endpoint = Some(index),
                    Err(reason) => refused = Some(reason),
                }
            }
            Ok(Selected::Reject(_)) | Err(_) => {}
        }
        self.keep();
        Choice { said, refused, endpoint, tag }
    }

    /// The routing hook.
    ///
    /// # Errors
    /// How it failed.
    pub fn route(&mut self, worker: usize, head: &mut Arc<RequestHead>) -> Result<Routed, Failure> {
        let moment = self.moment();
        let routed = self.slot(worker).route(head, moment);
        self.keep();
        routed
    }

    /// The response hook. True if it asks for a retry.
    ///
    /// # Errors
    /// How it failed.
    pub fn respond(
        &mut self,
        worker: usize,
        request: &Arc<RequestHead>,
        head: &mut ResponseHead,
        ended: &Ended,
    ) -> Result<bool, Failure> {
        let moment = self.moment();
        let retry = self.slot(worker).respond(request, head, ended, moment);
        self.keep();
        retry
    }

    /// Keeps an outcome for the next [`Rig::observe`] of that worker.
    pub fn note(&self, worker: usize, outcome: &Outcome) {
        self.slot(worker).note(outcome);
    }

    /// Hands over what was noted, on all workers.
    ///
    /// # Errors
    /// How one of them failed.
    pub fn observe(&mut self) -> Result<(), Failure> {
        let handed = self.slots.iter().try_for_each(|slot| slot.observe());
        self.keep();
        handed
    }

    /// The timer hook, on all workers.
    ///
    /// # Errors
    /// How one of them failed.
    pub fn tick(&mut self) -> Result<(), Failure> {
        let now = self.stage.clock.now_us();
        let ticked = self.slots.iter().try_for_each(|slot| slot.tick(now));
        self.keep();
        ticked
    }

    /// Replaces the instance of each worker by a fresh one of that version, as a swap does: cells and store stay, and the state goes
    /// over where both take part in that.
    ///
    /// # Errors
    /// If a fresh instance is not to be had; the old ones stay then.
    pub fn swap(&mut self, plugin: &Arc<Plugin>) -> Result<Vec<Result<Inherited, Failure>>, LoadError> {
        let fresh = |old: &Arc<Slot>| Slot::new(self.owner.clone(), plugin.clone(), old.number, self.notices.clone());
        let fresh: Vec<_> = self.slots.iter().map(fresh).collect();
        fresh.iter().try_for_each(|slot| slot.wake())?;
        let inherited = fresh.iter().zip(&self.slots).map(|(new, old)| {
            old.retire();
            new.inherit(old)
        });
        let inherited = inherited.collect();
        self.slots = fresh;
        self.keep();
        Ok(inherited)
    }

    /// Bytes of memory of that worker's instance.
    pub fn memory(&self, worker: usize) -> usize {
        self.slot(worker).look().0
    }

    /// What that worker's instance has executed since it was made; nothing without [`super::Workshop::metered`].
    pub fn meters(&self, worker: usize) -> Meters {
        self.slot(worker).look().1
    }

    /// The use: its counters and the metrics that it keeps.
    pub fn owner(&self) -> &Arc<Use> {
        &self.owner
    }

    /// Makes what slots lack after a call, which in a gateway somebody else does.
    pub fn keep(&mut self) {
        while let Ok(notice) = self.noticed.try_recv() {
            if let Notice::Wants(slot) = notice
                && let Some(slot) = slot.upgrade()
            {
                // It says why it has none when it is next asked.
                let _ = slot.fill();
            }
        }
    }
}
