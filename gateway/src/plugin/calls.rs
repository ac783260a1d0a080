//! What a slot's instance is asked: the three questions of an exchange, and what happens between exchanges. Every answer is
//! checked before anyone acts on it.

use std::sync::{Arc, PoisonError};

use super::answers::{Ended, Inherited, Moment, Outcome, Routed, Selected};
use super::bindings::exports::sluice::plugin::{response, routing, selection};
use super::context::{Phase, ResponseHead, request_handle, response_handle};
use super::guest_log::short;
use super::instance::Instance;
use super::slot::Slot;
use super::{Failure, Hook, key};
use crate::endpoint::{Endpoint, Members};
use crate::message::RequestHead;

/// Outcomes that wait for `observe`; what comes beyond is left out.
const MOST_OUTCOMES: usize = 4096;
/// Outcomes of one call.
const BATCH: usize = 128;
/// Calls in one go: a worker has other things to do.
const BATCHES: usize = 4;

impl Slot {
    /// Hook 1. Edits of the request are applied if the answer is valid.
    pub fn route(&self, head: &mut Arc<RequestHead>, moment: Moment<'_>) -> Result<Routed, Failure> {
        self.enter(Hook::Routing, Some(moment.now_us), |instance| {
            let key = self.key(instance, head, moment);
            let input = routing::Input { key, random: moment.random, now: moment.now_us };
            instance.store.data_mut().request = Some(head.clone());
            let decision = instance.call(Phase::Routing, self.owner.limits.deadline, |guests, store| {
                let hook = guests.routing.as_ref();
                hook.map(|hook| hook.call_route(store, input, request_handle())).transpose()
            });
            let context = instance.store.data_mut();
            context.watched(moment);
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
        moment: Moment<'_>,
    ) -> Result<Selected, Failure> {
        self.enter(Hook::Selection, Some(moment.now_us), |instance| {
            instance.know(members)?;
            let attempt = tried.len() as u32;
            let key = self.key(instance, head, moment);
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
            context.watched(moment);
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
        moment: Moment<'_>,
    ) -> Result<bool, Failure> {
        self.enter(Hook::Response, Some(moment.now_us), |instance| {
            let context = instance.store.data_mut();
            let endpoint = head.endpoint.as_ref().and_then(|endpoint| context.members.position(endpoint));
            context.watch(moment);
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
            context.watched(moment);
            context.request = None;
            *head = context.response.take().unwrap_or_default();
            let action = action?;
            context.edits.apply_to_response(head);
            Ok(action == Some(response::Action::Retry))
        })
    }

    /// The request's key, as its sources give it, or as a record has it. From here on the call is watched.
    fn key(&self, instance: &mut Instance, head: &RequestHead, moment: Moment<'_>) -> Option<u64> {
        let context = instance.store.data_mut();
        context.watch(moment);
        let key = key::hash(head, &context.wishes.keys, self.owner.seed);
        match &mut context.witness {
            None => key,
            Some(witness) => witness.take_key(key, key::is_masked(head, &context.wishes.keys)),
        }
    }

    /// Keeps an outcome for the next [`Slot::observe`], if the plugin wants them.
    pub fn note(&self, outcome: &Outcome) {
        if self.plugin.hooks.feedback.is_some() {
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            if outcomes.len() < MOST_OUTCOMES {
                outcomes.push(outcome.clone());
            }
        }
    }

    /// Hands over what was noted, off the request's way; as much as may be done in one go.
    ///
    /// # Errors
    /// The last failure; it is logged already, and what it concerned is lost.
    pub fn observe(&self) -> Result<(), Failure> {
        let outcomes: Vec<Outcome> = {
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            let most = outcomes.len().min(BATCH * BATCHES);
            outcomes.drain(..most).collect()
        };
        let mut handed = Ok(());
        for batch in outcomes.chunks(BATCH) {
            let outcome = self.enter(Hook::Feedback, None, |instance| {
                let members = instance.store.data().members.clone();
                let known = batch.iter().filter_map(|outcome| Some((members.position(&outcome.endpoint)?, outcome)));
                let batch: Vec<_> = known.map(|(endpoint, outcome)| outcome.for_guest(endpoint)).collect();
                instance.call(Phase::Running, self.owner.limits.deadline, |guests, store| match &guests.feedback {
                    Some(hook) if !batch.is_empty() => hook.call_observe(store, &batch),
                    _ => Ok(()),
                })
            });
            handed = outcome.or_else(|failure| Err(failure).or(handed));
        }
        handed
    }

    /// Periodic work.
    ///
    /// # Errors
    /// As in `observe`.
    pub fn tick(&self, now_us: u64) -> Result<(), Failure> {
        self.enter(Hook::Timer, Some(now_us), |instance| {
            instance.call(Phase::Running, self.owner.limits.deadline, |guests, store| match &guests.timer {
                Some(hook) => hook.call_tick(store, now_us),
                None => Ok(()),
            })
        })
    }

    /// Hands the state of the version before over to this one, if both take part in that.
    ///
    /// # Errors
    /// As in `observe`: one of the two failed, and this one starts cold.
    pub fn inherit(&self, before: &Slot) -> Result<Inherited, Failure> {
        if !before.plugin.has(Hook::State) || !self.plugin.has(Hook::State) || !before.is_awake() {
            return Ok(Inherited::Nothing);
        }
        let saved = before.enter(Hook::State, None, |instance| before.save(instance))?;
        let Some(saved) = saved else { return Ok(Inherited::Nothing) };
        let version = &before.plugin.description.version;
        self.enter(Hook::State, None, |instance| self.restore(instance, version, &saved))
    }

    /// From one instance of a version to the next one.
    ///
    /// # Errors
    /// The next one is not fit for use any more.
    pub(super) fn hand_over(&self, before: &mut Instance, after: &mut Instance) -> Result<(), Failure> {
        match self.save(before) {
            Ok(Some(saved)) => self.restore(after, &self.plugin.description.version, &saved).map(drop),
            // Without anything from the one before, the next one is as good as new.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    fn save(&self, instance: &mut Instance) -> Result<Option<Vec<u8>>, Failure> {
        instance.call(Phase::Running, self.owner.limits.deadline, |guests, store| {
            guests.state.as_ref().map(|hook| hook.call_save(store)).transpose()
        })
    }

    fn restore(&self, instance: &mut Instance, version: &str, saved: &[u8]) -> Result<Inherited, Failure> {
        let restored = instance.call(Phase::Running, self.owner.limits.deadline, |guests, store| {
            guests.state.as_ref().map(|hook| hook.call_restore(store, version, saved)).transpose()
        })?;
        let Some(Err(reason)) = restored else { return Ok(Inherited::State(saved.len())) };
        let reason = short(&reason);
        tracing::info!(target: "plugin", r#use = %self.owner.name, %reason, "starts cold");
        Ok(Inherited::Refused(reason))
    }
}
