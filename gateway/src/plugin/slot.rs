//! A slot: where an instance of a use sits, with a spare behind it. Each worker has one of its own, or shares one with others
//! where the configuration says so. It lets calls in one at a time, and when one fails it drops the instance, says why, and
//! puts the spare in its place. What is asked of the instance stands in `calls`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc;

use super::answers::Outcome;
use super::bypass::Bypass;
use super::context::{RespondWhen, Wishes};
use super::deadline::{TICK, thread_time};
use super::instance::{Instance, Meters};
use super::reports::Reports;
use super::share::Share;
use super::tally::Tally;
use super::uses::Use;
use super::{Failure, Hook, LoadError, Plugin};

/// What a slot tells those who look after it.
#[derive(Debug, Clone)]
pub enum Notice {
    /// It lacks an instance, or a spare: [`Slot::fill`] makes it.
    Wants(Weak<Slot>),
    /// Its version fails more often than a version should that has just taken another one's place.
    Fails(Weak<Slot>),
}

/// Where an instance of a use sits.
#[derive(Debug)]
pub struct Slot {
    /// Whose instance it is.
    pub owner: Arc<Use>,
    /// Which version it is of.
    pub plugin: Arc<Plugin>,
    /// Which of its use's slots it is, from 0: that of the worker with this number, unless workers share slots.
    pub number: usize,
    /// On throw-away copies of what its use keeps.
    trial: bool,
    inside: Mutex<Inside>,
    asked_for: OnceLock<AskedFor>,
    pub(super) outcomes: Mutex<Vec<Outcome>>,
    retired: AtomicBool,
    tally: Arc<Tally>,
    notices: mpsc::Sender<Notice>,
    me: Weak<Slot>,
}

/// What an instance asked for that is needed before it is called. All instances of a version ask for the same.
#[derive(Debug, Clone, Copy)]
struct AskedFor {
    hold_body: usize,
    respond: RespondWhen,
    keep_draining: bool,
    tick_ms: u32,
}

impl From<&Wishes> for AskedFor {
    fn from(wishes: &Wishes) -> Self {
        let Wishes { hold_body, respond, keep_draining, tick_ms, .. } = *wishes;
        Self { hold_body, respond, keep_draining, tick_ms }
    }
}

/// What only one call at a time may touch.
#[derive(Debug, Default)]
struct Inside {
    current: Option<Instance>,
    spare: Option<Instance>,
    /// Somebody has been told that an instance is missing.
    has_asked: bool,
    /// Somebody has been told that it fails.
    has_complained: bool,
    /// The last attempt to make an instance failed; not here and now again.
    is_stuck: bool,
    bypass: Bypass,
    share: Share,
    /// CPU time of instances that a worker made, and that its use's share does not know yet.
    owed: Duration,
    reports: Reports,
    /// The clock of the last call, microseconds: good enough for what happens between two.
    now_us: u64,
}

impl Inside {
    /// What is owed, in whole ticks.
    fn take_owed(&mut self) -> u32 {
        let ticks = (self.owed.as_micros() / TICK.as_micros()) as u32;
        self.owed -= TICK * ticks;
        ticks
    }
}

impl Slot {
    /// An empty slot; its instance is made when it is first needed, or by [`Slot::fill`].
    pub fn new(owner: Arc<Use>, plugin: Arc<Plugin>, number: usize, notices: mpsc::Sender<Notice>) -> Arc<Self> {
        Self::with(owner, plugin, number, notices, false)
    }

    /// A slot on throw-away copies of what the use keeps.
    pub(super) fn on_trial(owner: Arc<Use>, plugin: Arc<Plugin>) -> Arc<Self> {
        // Nobody listens, so its wishes are not granted and its complaints not heard.
        let (notices, _) = mpsc::channel(1);
        Self::with(owner, plugin, 0, notices, true)
    }

    fn with(
        owner: Arc<Use>,
        plugin: Arc<Plugin>,
        number: usize,
        notices: mpsc::Sender<Notice>,
        trial: bool,
    ) -> Arc<Self> {
        let tally = Arc::<Tally>::default();
        if !trial {
            owner.counters().tallies.join(&tally);
        }
        Arc::new_cyclic(|me| Self {
            owner,
            plugin,
            number,
            trial,
            inside: Mutex::default(),
            asked_for: OnceLock::new(),
            outcomes: Mutex::default(),
            retired: AtomicBool::new(false),
            tally,
            notices,
            me: me.clone(),
        })
    }

    /// Makes the instance if there is none yet. Blocks for as long as that takes.
    ///
    /// # Errors
    /// Why there is no instance.
    pub fn wake(&self) -> Result<(), LoadError> {
        if !self.is_awake() {
            let made = self.make()?;
            self.lock().current.get_or_insert(made);
        }
        Ok(())
    }

    /// Makes what is missing: the instance, its spare. Blocks for as long as that takes.
    ///
    /// # Errors
    /// Why there is no instance; what was made before stays.
    pub fn fill(&self) -> Result<(), LoadError> {
        loop {
            {
                let mut inside = self.lock();
                if inside.current.is_some() && inside.spare.is_some() {
                    // Until here nobody else need try.
                    inside.has_asked = false;
                    return Ok(());
                }
            }
            let made = self.make()?;
            let mut inside = self.lock();
            inside.is_stuck = false;
            match &inside.current {
                Some(_) => inside.spare = Some(made),
                None => inside.current = Some(made),
            }
        }
    }

    /// Bytes of its instance's memories, 0 without an instance; and what that has done, if its code counts that.
    pub fn look(&self) -> (usize, Meters) {
        self.lock().current.as_ref().map_or_else(Default::default, |instance| (instance.memory(), instance.meters()))
    }

    /// True if it has an instance: it is in use, or was made to be.
    pub fn is_awake(&self) -> bool {
        self.lock().current.is_some()
    }

    /// True if the routing hook wants to see that many bytes of the body first.
    pub fn hold_body(&self) -> usize {
        self.asked_for().map_or(0, |asked_for| asked_for.hold_body)
    }

    /// True if this use is to be asked for the response of an exchange to which it attached `tag`.
    pub fn responds(&self, tag: u64) -> bool {
        self.plugin.has(Hook::Response)
            && match self.asked_for().map(|asked_for| asked_for.respond) {
                Some(RespondWhen::Always) => true,
                Some(RespondWhen::Tagged) => tag != 0,
                Some(RespondWhen::Never) | None => false,
            }
    }

    /// True if this use may choose draining endpoints.
    pub fn keeps_draining(&self) -> bool {
        self.asked_for().is_some_and(|asked_for| asked_for.keep_draining)
    }

    /// How often it wants to be ticked.
    pub fn tick_period(&self) -> Option<Duration> {
        if !self.plugin.has(Hook::Timer) {
            return None;
        }
        let period = self.asked_for()?.tick_ms;
        (period > 0).then(|| Duration::from_millis(period.into()))
    }

    /// Another version takes its place: what was noted is handed over, as much as may be in one go, and no more work comes but
    /// that of exchanges which have begun.
    pub fn retire(&self) {
        // A failure is logged where it happens; there is no exchange to answer for.
        let _ = self.observe();
        self.retired.store(true, Ordering::Relaxed);
    }

    /// True once another version has taken its place.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    fn asked_for(&self) -> Option<AskedFor> {
        if self.asked_for.get().is_none() {
            self.instance(&mut self.lock());
        }
        self.asked_for.get().copied()
    }

    /// Lets one call in, at the exchange's time; none: at the time of the call before. After a failure the spare takes over.
    pub(super) fn enter<R>(
        &self,
        hook: Hook,
        now_us: Option<u64>,
        call: impl FnOnce(&mut Instance) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let inside = &mut *self.lock();
        let now = now_us.unwrap_or(inside.now_us);
        inside.now_us = now;
        let outcome = match self.admit(inside, now) {
            Ok(instance) => self.tally.call(hook, || call(instance)),
            Err(failure) => Err(failure),
        };
        let met = inside.current.as_mut().map_or(0, Instance::take_looks);
        self.tally.met(hook, met);
        let looks = met + inside.take_owed();
        // A trial has a clock of its own, and takes nobody's time.
        if looks > 0 && !self.trial && inside.share.take(looks, now, self.owner.limits.worker_share_per_mille) {
            self.say_shed();
        }
        match &outcome {
            Ok(_) => {
                inside.bypass.succeeded(now, hook);
                self.tally.holds(inside.current.as_ref().map_or(0, Instance::memory));
                self.look_after(inside);
            }
            Err(failure) => self.failed(inside, hook, failure),
        }
        outcome
    }

    fn admit<'a>(&self, inside: &'a mut Inside, now: u64) -> Result<&'a mut Instance, Failure> {
        // A new version may be tried all the same.
        if self.owner.is_disabled() && !self.trial {
            return Err(Failure::Disabled);
        }
        if inside.share.is_used_up(now) {
            return Err(Failure::Shed);
        }
        if inside.bypass.leaves_out(now) {
            return Err(Failure::Bypassed);
        }
        self.instance(inside).ok_or(Failure::NoInstance)
    }

    /// The instance; made on the spot if there is none and that is quick.
    fn instance<'a>(&self, inside: &'a mut Inside) -> Option<&'a mut Instance> {
        if inside.current.is_none() {
            inside.current = inside.spare.take();
            // Whoever left it empty found that quick, whatever it was later.
            let may_start = self.owner.starts_quickly() || self.asked_for.get().is_none();
            if inside.current.is_none() && !inside.is_stuck && may_start {
                let began = thread_time();
                let made = self.make();
                inside.owed += thread_time().saturating_sub(began);
                match made {
                    Ok(made) => inside.current = Some(made),
                    Err(error) => {
                        inside.is_stuck = true;
                        self.say_no_instance(&error);
                    }
                }
            }
        }
        self.want(inside);
        inside.current.as_mut()
    }

    fn make(&self) -> Result<Instance, LoadError> {
        let began = thread_time();
        let made = Instance::start(&self.plugin, &self.owner, self.number, self.trial)?;
        self.owner.started_in(thread_time().saturating_sub(began));
        self.tally.made();
        // Whoever was first has set it.
        let _ = self.asked_for.set(made.wishes().into());
        Ok(made)
    }

    /// After a call: there has to be a spare, and an instance whose memory only grows is replaced before it fails in a call.
    fn look_after(&self, inside: &mut Inside) {
        if let Some(worn) = inside.current.as_mut().filter(|instance| instance.is_worn())
            && let Some(mut fresh) = inside.spare.take()
        {
            match self.hand_over(worn, &mut fresh) {
                Ok(()) => {
                    tracing::debug!(target: "plugin", r#use = %self.owner.name, slot = self.number, bytes = worn.memory(), "recycled");
                    // Also with what it was given it is new.
                    fresh.begin_to_wear();
                    inside.current = Some(fresh);
                }
                // The next one is unfit, and so would be the one after: this one serves on, as long as it can.
                Err(failure) => {
                    worn.never_wears();
                    self.report(Hook::State, &failure, 0);
                }
            }
        }
        self.want(inside);
    }

    /// After a failure: the store is not fit for another call.
    fn failed(&self, inside: &mut Inside, hook: Hook, failure: &Failure) {
        if !self.trial {
            self.owner.counters().failed(hook, failure.kind());
        }
        if matches!(failure, Failure::Bypassed | Failure::Disabled | Failure::Shed | Failure::NoInstance) {
            return;
        }
        let slow = inside.current.take().is_some_and(|instance| instance.was_slow());
        if let Some(left_out) = inside.reports.admit(inside.now_us) {
            self.report(hook, failure, left_out);
        }
        if failure.is_its_own() {
            if let Some(pause) = inside.bypass.failed(inside.now_us, hook, slow) {
                self.say_bypassed(pause);
            }
            if inside.bypass.is_worse_than_nothing() && !inside.has_complained {
                inside.has_complained = self.notices.try_send(Notice::Fails(self.me.clone())).is_ok();
            }
        }
        inside.current = inside.spare.take();
        self.want(inside);
    }

    fn want(&self, inside: &mut Inside) {
        if !inside.has_asked && inside.spare.is_none() {
            // Full: whoever comes next asks again.
            inside.has_asked = self.notices.try_send(Notice::Wants(self.me.clone())).is_ok();
        }
    }

    /// What is inside is whole between calls; a panic in one of them has been caught.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.owner.counters().tallies.leave(&self.tally);
    }
}
