//! One call of a hook: what it is told, and what is noted of it, for steps, for spans, and of all of it where somebody watches.

use std::sync::Arc;
use std::time::Instant;

use super::exchange::Exchange;
use super::watch::Watched;
use crate::config::model::UseIndex;
use crate::observe::Said;
use crate::observe::trace::Deed;
use crate::plugin::{Hook, Moment, ResponseHead, Slot};

/// A call that is about to be made.
pub(super) struct Calling<'s> {
    place: UseIndex,
    slot: &'s Arc<Slot>,
    hook: Hook,
    random: u64,
    now_us: u64,
    since: Option<Instant>,
    watched: Option<Box<Watched>>,
}

impl<'s> Calling<'s> {
    /// Of that use; `answer` is at hand in the response hook.
    pub(super) fn begin(
        exchange: &mut Exchange,
        (place, slot): (UseIndex, &'s Arc<Slot>),
        hook: Hook,
        answer: Option<&ResponseHead>,
    ) -> Self {
        let now_us = exchange.state.plan.clock.us_at(exchange.now);
        let mut calling = Self { place, slot, hook, random: 0, now_us, since: exchange.record.since(), watched: None };
        match &mut exchange.watch {
            None => calling.random = fastrand::u64(..),
            Some(watch) => {
                let (random, now_us, watched) = watch.begin(slot, hook, &exchange.head, answer, now_us);
                (calling.random, calling.now_us, calling.watched) = (random, now_us, Some(watched));
            }
        }
        calling
    }

    /// What the hook is told of the moment.
    pub(super) fn moment(&self) -> Moment<'_> {
        let watching = self.watched.as_ref().map(|watched| &watched.watching);
        Moment { watching, ..Moment::new(self.random, self.now_us) }
    }

    /// It has said something; `what` names what it has chosen.
    pub(super) fn ended(
        self,
        exchange: &mut Exchange,
        said: impl Fn() -> Said,
        what: impl FnOnce() -> Option<String>,
        answer: Option<&ResponseHead>,
    ) {
        let Self { place, slot, hook, random, now_us, since, watched } = self;
        exchange.record.asked(place, hook.as_str(), &said);
        exchange.record.did(since, || {
            let owner = &slot.owner;
            Deed::Asked { name: owner.name.clone(), plugin: owner.plugin.clone(), hook: hook.as_str(), said: said() }
        });
        if let (Some(watched), Some(watch)) = (watched, &mut exchange.watch) {
            let (mut call, lacks) = watched.ended(slot, hook, said(), &exchange.head, answer);
            (call.random, call.now_us) = (format!("{random:016x}"), now_us);
            call.what = call.what.or_else(what);
            watch.called(hook, (call, lacks));
        }
    }
}
