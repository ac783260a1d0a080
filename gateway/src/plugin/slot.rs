//! A slot: the instance of a use on one worker, with a spare behind it. It turns the proxy's questions into calls, checks
//! every answer, and when a call fails drops the instance, says why, and lets the spare take its place.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;

use super::answers::{Ended, Moment, Outcome, Routed, Selected};
use super::bindings::exports::sluice::plugin::{response, routing, selection};
use super::bypass::Bypass;
use super::context::{Phase, RespondWhen, ResponseHead, request_handle, response_handle};
use super::guest_log::escape;
use super::instance::Instance;
use super::uses::Use;
use super::{Failure, Hook, Plugin, key};
use crate::config::model::UseIndex;
use crate::endpoint::{Endpoint, Members};
use crate::message::RequestHead;

/// Outcomes that wait for `observe`; what comes beyond is left out.
const MOST_OUTCOMES: usize = 4096;
/// Outcomes of one call.
const BATCH: usize = 128;
/// Calls in one go: a worker has other things to do.
const BATCHES: usize = 4;

/// A slot that has lost its instance or its spare and wants a new one.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whose.
    pub place: UseIndex,
    /// On which worker.
    pub worker: usize,
    /// Of which version.
    pub plugin: Arc<Plugin>,
}

/// The instance of a use on one worker.
#[derive(Debug)]
pub struct Slot {
    /// Whose instance it is.
    pub owner: Arc<Use>,
    /// Which version it is of.
    pub plugin: Arc<Plugin>,
    place: UseIndex,
    worker: usize,
    current: RefCell<Option<Instance>>,
    spare: RefCell<Option<Instance>>,
    wanted: mpsc::Sender<Wanted>,
    asked: Cell<bool>,
    bypass: RefCell<Bypass>,
    /// The clock of the last exchange: good enough for what happens between two.
    now_us: Cell<u64>,
    retired: Cell<bool>,
    outcomes: RefCell<Vec<Outcome>>,
}

impl Slot {
    /// A slot with an instance and a spare. `wanted` is told when a spare is needed.
    pub fn new(
        owner: Arc<Use>,
        plugin: Arc<Plugin>,
        place: UseIndex,
        worker: usize,
        instances: [Instance; 2],
        wanted: mpsc::Sender<Wanted>,
    ) -> Self {
        let [current, spare] = instances;
        Self {
            owner,
            plugin,
            place,
            worker,
            current: RefCell::new(Some(current)),
            spare: RefCell::new(Some(spare)),
            wanted,
            asked: Cell::new(false),
            bypass: RefCell::default(),
            now_us: Cell::new(0),
            retired: Cell::new(false),
            outcomes: RefCell::default(),
        }
    }

    /// Takes in what [`Wanted`] asked for; one of another version is dropped.
    pub fn refill(&self, plugin: &Arc<Plugin>, instance: Instance) {
        if !Arc::ptr_eq(plugin, &self.plugin) {
            return;
        }
        self.asked.set(false);
        let mut current = self.current.borrow_mut();
        if current.is_none() {
            *current = Some(instance);
            drop(current);
            self.want();
        } else {
            *self.spare.borrow_mut() = Some(instance);
        }
    }

    /// True if the routing hook wants to see that many bytes of the body first.
    pub fn hold_body(&self) -> usize {
        self.current.borrow().as_ref().map_or(0, |instance| instance.wishes().hold_body)
    }

    /// True if this use is to be asked for the response of an exchange to which it attached `tag`.
    pub fn responds(&self, tag: u64) -> bool {
        let when = self.current.borrow().as_ref().map(|instance| instance.wishes().respond);
        self.plugin.hooks.response.is_some()
            && match when {
                Some(RespondWhen::Always) => true,
                Some(RespondWhen::Tagged) => tag != 0,
                Some(RespondWhen::Never) | None => false,
            }
    }

    /// True if this use may choose draining endpoints.
    pub fn keeps_draining(&self) -> bool {
        self.current.borrow().as_ref().is_some_and(|instance| instance.wishes().keep_draining)
    }

    /// How often it wants to be ticked.
    pub fn tick_period(&self) -> Option<Duration> {
        let current = self.current.borrow();
        let wishes = current.as_ref()?.wishes();
        let ticks = self.plugin.hooks.timer.is_some() && wishes.tick_ms > 0;
        ticks.then(|| Duration::from_millis(wishes.tick_ms.into()))
    }

    /// Hook 1. Edits of the request are applied if the answer is valid.
    pub fn route(&self, head: &mut Arc<RequestHead>, moment: Moment) -> Result<Routed, Failure> {
        self.now_us.set(moment.now_us);
        self.enter(Hook::Routing, |instance| {
            let key = key::hash(head, &instance.wishes().keys, self.owner.seed);
            let input = routing::Input { key, random: moment.random, now: moment.now_us };
            instance.store.data_mut().request = Some(head.clone());
            let decision = instance.call(Phase::Routing, self.owner.limits.deadline, |guests, store| {
                let hook = guests.routing.as_ref();
                hook.map(|hook| hook.call_route(store, input, request_handle())).transpose()
            });
            let context = instance.store.data_mut();
            context.request = None;
            let routed = match decision? {
                Some(decision) => Routed::check(decision, self.owner.upstreams.len())?,
                None => Routed::Pass(0),
            };
            if let Some(head) = Arc::get_mut(head) {
                context.edits.apply_to_request(head);
            }
            Ok(match routed {
                Routed::Reply(status, _) => Routed::Reply(status, context.edits.take_reply()),
                other => other,
            })
        })
    }

    /// Hook 2, over `members`; `tried` are the endpoints that this exchange has tried.
    pub fn select(
        &self,
        head: &Arc<RequestHead>,
        members: &Arc<Members>,
        tried: &[Arc<Endpoint>],
        moment: Moment,
    ) -> Result<Selected, Failure> {
        self.now_us.set(moment.now_us);
        self.enter(Hook::Selection, |instance| {
            instance.know(members)?;
            let attempt = tried.len() as u32;
            let key = key::hash(head, &instance.wishes().keys, self.owner.seed);
            let input = selection::Input { key, random: moment.random, now: moment.now_us, attempt };
            let handle = instance.wishes().see_request.then(request_handle);
            let context = instance.store.data_mut();
            if handle.is_some() {
                context.request = Some(head.clone());
            }
            context.tried.extend_from_slice(tried);
            let decision = instance.call(Phase::Running, self.owner.limits.deadline, |guests, store| {
                let hook = guests.selection.as_ref();
                hook.map(|hook| hook.call_select(store, input, handle)).transpose()
            });
            let context = instance.store.data_mut();
            context.request = None;
            context.tried.clear();
            match decision? {
                Some(decision) => Selected::check(decision, members.endpoints.len()),
                None => Ok(Selected::Pass(0)),
            }
        })
    }

    /// Hook 3. Edits of the response are applied. True if the use asks for a retry.
    pub fn respond(
        &self,
        request: &Arc<RequestHead>,
        head: &mut ResponseHead,
        ended: &Ended,
        moment: Moment,
    ) -> Result<bool, Failure> {
        self.now_us.set(moment.now_us);
        self.enter(Hook::Response, |instance| {
            let context = instance.store.data_mut();
            let endpoint = head.endpoint.as_ref().and_then(|endpoint| context.members.position(endpoint));
            context.request = Some(request.clone());
            context.response = Some(std::mem::take(head));
            let exchange = response::Exchange {
                endpoint,
                tag: ended.tag,
                attempts: ended.attempts,
                upstream_us: u32::try_from(ended.upstream.as_micros()).unwrap_or(u32::MAX),
                random: moment.random,
                now: moment.now_us,
            };
            let action = instance.call(Phase::Running, self.owner.limits.deadline, |guests, store| {
                let hook = guests.response.as_ref();
                hook.map(|hook| hook.call_respond(store, request_handle(), response_handle(), exchange)).transpose()
            });
            let context = instance.store.data_mut();
            context.request = None;
            *head = context.response.take().unwrap_or_default();
            let action = action?;
            context.edits.apply_to_response(head);
            Ok(action == Some(response::Action::Retry))
        })
    }

    /// Keeps an outcome for the next [`Slot::observe`], if the plugin wants them.
    pub fn note(&self, outcome: &Outcome) {
        let mut outcomes = self.outcomes.borrow_mut();
        if self.plugin.hooks.feedback.is_some() && outcomes.len() < MOST_OUTCOMES {
            outcomes.push(outcome.clone());
        }
    }

    /// Another version takes its place: what was noted is handed over, and no more work comes but that of exchanges which
    /// have begun.
    pub fn retire(&self) {
        self.observe();
        self.retired.set(true);
    }

    /// True once another version has taken its place.
    pub fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// Hands over what was noted, off the request's way; as much as may be done in one go.
    pub fn observe(&self) {
        let most = self.outcomes.borrow().len().min(BATCH * BATCHES);
        let outcomes: Vec<Outcome> = self.outcomes.borrow_mut().drain(..most).collect();
        for batch in outcomes.chunks(BATCH) {
            // A failure is logged where it happens; there is no exchange to answer for.
            let _ = self.enter(Hook::Feedback, |instance| {
                let members = instance.store.data().members.clone();
                let known = batch.iter().filter_map(|outcome| Some((members.position(&outcome.endpoint)?, outcome)));
                let batch: Vec<_> = known.map(|(endpoint, outcome)| outcome.for_guest(endpoint)).collect();
                instance.call(Phase::Running, self.owner.limits.deadline, |guests, store| match &guests.feedback {
                    Some(hook) if !batch.is_empty() => hook.call_observe(store, &batch),
                    _ => Ok(()),
                })
            });
        }
    }

    /// Periodic work.
    pub fn tick(&self, now_us: u64) {
        self.now_us.set(now_us);
        // As in `observe`.
        let _ = self.enter(Hook::Timer, |instance| {
            instance.call(Phase::Running, self.owner.limits.deadline, |guests, store| match &guests.timer {
                Some(hook) => hook.call_tick(store, now_us),
                None => Ok(()),
            })
        });
    }

    /// Hands the state of the version before over to this one, if both take part in that.
    pub fn inherit(&self, before: &Slot) {
        if before.plugin.hooks.state.is_none() || self.plugin.hooks.state.is_none() {
            return;
        }
        let saved = before.enter(Hook::State, |instance| {
            instance.call(Phase::Running, before.owner.limits.deadline, |guests, store| {
                guests.state.as_ref().map(|hook| hook.call_save(store)).transpose()
            })
        });
        let Ok(Some(saved)) = saved else { return };
        let restored = self.enter(Hook::State, |instance| {
            if let Some(upstream) = &self.owner.upstream {
                instance.know(&upstream.set.snapshot())?;
            }
            let version = &before.plugin.description.version;
            instance.call(Phase::Running, self.owner.limits.deadline, |guests, store| {
                guests.state.as_ref().map(|hook| hook.call_restore(store, version, &saved)).transpose()
            })
        });
        if let Ok(Some(Err(reason))) = restored {
            tracing::info!(target: "plugin", r#use = %self.owner.name, reason = %escape(&reason), "starts cold");
        }
    }

    /// Runs a call on the current instance; after a failure the spare takes its place.
    fn enter<R>(&self, hook: Hook, call: impl FnOnce(&mut Instance) -> Result<R, Failure>) -> Result<R, Failure> {
        if self.bypass.borrow_mut().leaves_out(self.now_us.get()) {
            return Err(Failure::Bypassed);
        }
        let mut current = self.current.borrow_mut();
        let outcome = match current.as_mut() {
            Some(instance) => call(instance),
            None => Err(Failure::NoInstance),
        };
        if let Err(failure) = &outcome {
            *current = self.spare.take();
            drop(current);
            self.failed(hook, failure);
            self.want();
        }
        outcome
    }

    /// Counts and reports. A slot that waits for its instance has said why it lost it.
    fn failed(&self, hook: Hook, failure: &Failure) {
        self.owner.counters.failures.fetch_add(1, Ordering::Relaxed);
        if *failure != Failure::NoInstance {
            self.report(hook, failure);
        }
        if failure.is_its_own()
            && let Some(pause) = self.bypass.borrow_mut().failed(self.now_us.get())
        {
            tracing::warn!(
                target: "plugin",
                r#use = %self.owner.name,
                plugin = %self.plugin.name,
                digest = %self.plugin.digest,
                worker = self.worker,
                seconds = pause.as_secs_f64(),
                "bypassed"
            );
        }
    }

    fn report(&self, hook: Hook, failure: &Failure) {
        tracing::warn!(
            target: "plugin",
            r#use = %self.owner.name,
            plugin = %self.plugin.name,
            version = %self.plugin.description.version,
            digest = %self.plugin.digest,
            hook = hook.as_str(),
            reason = %failure,
            "plugin failed"
        );
    }

    fn want(&self) {
        if !self.asked.get() {
            let wanted = Wanted { place: self.place, worker: self.worker, plugin: self.plugin.clone() };
            // Full: the next failure asks again.
            self.asked.set(self.wanted.try_send(wanted).is_ok());
        }
    }
}
