//! Hook 2: the selection chain of an upstream, the host's veto, and the host's own choice at its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::calling::Calling;
use super::error::Cause;
use super::exchange::Exchange;
use super::explain;
use crate::config::model::{OnError, UpstreamIndex};
use crate::endpoint::{InFlight, Members};
use crate::plugin::{Hook, Selected};
use crate::upstream::{Refused, admit, any_full, fallback};

/// Chooses an endpoint and counts the request as in flight there.
pub(super) fn select(exchange: &mut Exchange, upstream: UpstreamIndex) -> Result<InFlight, Cause> {
    let Some(watch) = &mut exchange.watch else { return ask(exchange, upstream) };
    let live = exchange.state.upstream(upstream).1;
    watch.begin_round(&live.name, &live.set.load(), &exchange.tried);
    let chosen = ask(exchange, upstream);
    if let Some(watch) = &mut exchange.watch {
        let endpoint = chosen.as_ref().ok().map(|chosen| &*chosen.endpoint().settings.id);
        watch.end_round(endpoint, if endpoint.is_some() { &exchange.record.chosen_by } else { "" });
    }
    chosen
}

/// The chain, and the host's choice behind it.
fn ask(exchange: &mut Exchange, upstream: UpstreamIndex) -> Result<InFlight, Cause> {
    let state = exchange.state.clone();
    let (settings, live) = state.upstream(upstream);
    let members = live.set.load();
    for &place in &settings.selection {
        let slot = state.slot(place);
        let calling = Calling::begin(exchange, (place, slot), Hook::Selection, None);
        let answer = slot.select(&exchange.head, &members, &exchange.tried, calling.moment());
        calling.ended(exchange, || explain::selected(&answer), || explain::selected_of(&answer, &members), None);
        match answer {
            Ok(Selected::Pass(tag)) => exchange.tags.set(place, tag),
            Ok(Selected::Endpoint(index, tag)) => {
                exchange.tags.set(place, tag);
                match accept(exchange, &members, index, slot.keeps_draining()) {
                    Ok(chosen) => {
                        exchange.record.chosen_by = slot.owner.name.clone();
                        return Ok(chosen);
                    }
                    Err(refused) => {
                        slot.owner.counters().overridden.fetch_add(1, Ordering::Relaxed);
                        exchange.record.note(format!("{} overridden: {}", slot.owner.name, refused.as_str()));
                    }
                }
            }
            Ok(Selected::Reject(status)) => return Err(Cause::Rejected(slot.owner.name.clone(), status)),
            Err(failure) => {
                exchange.record.note(format!("{} selection: {failure}", slot.owner.name));
                match state.plan.on_error(slot, Hook::Selection, &failure) {
                    OnError::Pass => {}
                    OnError::Fallback => break,
                    OnError::Fail => {
                        let use_name = slot.owner.name.clone();
                        return Err(Cause::Plugin { use_name, hook: Hook::Selection, failure });
                    }
                }
            }
        }
    }
    choose(exchange, &members).ok_or_else(|| match any_full(&members, &exchange.tried) {
        true => Cause::Full(live.name.clone(), ""),
        false => Cause::NoEndpoint(live.name.clone()),
    })
}

/// The host's own choice. Another worker may fill an endpoint up in between, hence the loop.
fn choose(exchange: &mut Exchange, members: &Members) -> Option<InFlight> {
    for _ in 0..members.endpoints.len() {
        let draw = exchange.watch.as_mut().map_or_else(|| fastrand::u64(..), |watch| watch.draw());
        let index = fallback(members, &exchange.tried, draw)?;
        if let Ok(chosen) = accept(exchange, members, index, false) {
            exchange.record.chosen_by = "fallback".into();
            return Some(chosen);
        }
    }
    None
}

fn accept(exchange: &mut Exchange, members: &Members, index: usize, keeps_draining: bool) -> Result<InFlight, Refused> {
    admit(members, index, &exchange.tried, keeps_draining)?;
    let endpoint = members.endpoints.get(index).ok_or(Refused::Unhealthy)?;
    let chosen = endpoint.enter().ok_or(Refused::Full)?;
    exchange.record.endpoint = Arc::clone(&endpoint.settings.id);
    Ok(chosen)
}
