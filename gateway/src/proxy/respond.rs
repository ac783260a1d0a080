//! Hook 3: the response plugins of an exchange, in the reverse of the order in which they stand.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::calling::Calling;
use super::error::Cause;
use super::exchange::{Answer, Exchange};
use super::{explain, retry};
use crate::config::model::{OnError, UseIndex};
use crate::observe::Again;
use crate::plugin::{Ended, Hook};
use crate::state::State;

/// Retries that plugins may ask for in one exchange; none where its route has none.
const MOST_RETRIES: u32 = 2;

/// What comes after the response hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The answer goes out.
    Send,
    /// It is thrown away, and another endpoint is asked.
    Retry,
}

/// Asks the selection chain reversed, the routing chain reversed, then the route's `response` list from last to first.
pub(super) fn respond(exchange: &mut Exchange, answer: &mut Answer) -> Next {
    let state = exchange.state.clone();
    let Some(route) = exchange.route.map(|route| state.route(route)) else { return Next::Send };
    if let Some(watch) = &mut exchange.watch {
        let upstream_us = answer.upstream_time.as_micros() as u64;
        watch.begin_answer(&answer.head, exchange.record.attempts, upstream_us);
    }
    let selection = exchange.upstream.map_or(&[][..], |upstream| &state.upstream(upstream).0.selection);
    let chained = selection.iter().rev().chain(route.routing.iter().rev()).map(|&place| (place, false));
    let listed = route.response.iter().rev().map(|&place| (place, true));
    for (place, always) in chained.chain(listed) {
        let tag = exchange.tags.get(place);
        if (always || state.slot(place).responds(tag)) && ask(exchange, answer, &state, place, tag) == Next::Retry {
            return Next::Retry;
        }
    }
    Next::Send
}

fn ask(exchange: &mut Exchange, answer: &mut Answer, state: &Rc<State>, place: UseIndex, tag: u64) -> Next {
    let slot = state.slot(place);
    let ended = Ended { tag, attempts: exchange.record.attempts, upstream: answer.upstream_time };
    let calling = Calling::begin(exchange, (place, slot), Hook::Response, Some(&answer.head));
    let said = slot.respond(&exchange.head, &mut answer.head, &ended, calling.moment());
    calling.ended(exchange, || explain::responded(&said), || None, Some(&answer.head));
    match said {
        Ok(false) => Next::Send,
        Ok(true) if may_retry(exchange, answer) => {
            exchange.record.note(format!("{} asked for a retry", slot.owner.name));
            Next::Retry
        }
        Ok(true) => {
            slot.owner.counters().retries_ignored.fetch_add(1, Ordering::Relaxed);
            Next::Send
        }
        Err(failure) => {
            exchange.record.note(format!("{} response: {failure}", slot.owner.name));
            if state.plan.on_error(slot, Hook::Response, &failure) == OnError::Fail {
                let use_name = slot.owner.name.clone();
                *answer = Answer::from(Cause::Plugin { use_name, hook: Hook::Response, failure });
            }
            Next::Send
        }
    }
}

/// Sending again must be harmless, and there must be somebody else to send to, who is asked then.
fn may_retry(exchange: &mut Exchange, answer: &mut Answer) -> bool {
    let (Some(upstream), Some(attempt)) = (exchange.upstream, &mut answer.attempt) else { return false };
    let Some(settings) = exchange.retry() else { return false };
    let (most, per_mille) = (settings.extra_attempts.min(1) * MOST_RETRIES, settings.budget_per_mille);
    if !exchange.is_replayable() || exchange.plugin_retries >= most {
        return false;
    }
    exchange.gave_nothing(attempt.endpoint().clone());
    let may = exchange.now < exchange.in_all()
        && retry::is_anyone_left(exchange, upstream)
        && retry::take(exchange, upstream, per_mille, Again::Plugin);
    match may {
        true => exchange.place = attempt.place.take(),
        false => drop(exchange.tried.pop()),
    }
    may
}
