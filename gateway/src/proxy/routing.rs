//! Hook 1: the routing chain of a route.

use std::time::Instant;

use super::calling::Calling;
use super::error::Cause;
use super::exchange::Exchange;
use super::explain;
use crate::config::model::{OnError, RouteIndex, UpstreamIndex};
use crate::message::Body;
use crate::plugin::{Hook, Routed};

/// The upstream for this exchange; plugins may edit the request on the way, or answer it.
pub(super) async fn routing(
    exchange: &mut Exchange,
    route: RouteIndex,
    body: &mut Body,
) -> Result<UpstreamIndex, Cause> {
    hold(exchange, route, body).await?;
    let state = exchange.state.clone();
    let settings = state.route(route);
    let mut chosen = settings.upstream;
    for &place in &settings.routing {
        let slot = state.slot(place);
        let calling = Calling::begin(exchange, (place, slot), Hook::Routing, None);
        let answer = slot.route(&mut exchange.head, calling.moment());
        let chosen_here = || explain::routed_to(&answer, &state, place);
        calling.ended(exchange, || explain::routed(&answer), chosen_here, None);
        match answer {
            Ok(Routed::Pass(tag)) => exchange.tags.set(place, tag),
            Ok(Routed::Upstream(index, tag)) => {
                exchange.tags.set(place, tag);
                // `slot.route` has checked the index.
                let choices = &state.settings(place).upstreams;
                chosen = choices.get(index).copied().unwrap_or(chosen);
                break;
            }
            Ok(Routed::Reply(status, reply)) => {
                return Err(Cause::Replied(slot.owner.name.clone(), status, Box::new(reply)));
            }
            Err(failure) => {
                exchange.record.note(format!("{} routing: {failure}", slot.owner.name));
                match state.plan.on_error(slot, Hook::Routing, &failure) {
                    OnError::Pass => {}
                    OnError::Fallback => break,
                    OnError::Fail => {
                        let use_name = slot.owner.name.clone();
                        return Err(Cause::Plugin { use_name, hook: Hook::Routing, failure });
                    }
                }
            }
        }
    }
    exchange.upstream = Some(chosen);
    exchange.record.upstream = state.upstream(chosen).1.name.clone();
    Ok(chosen)
}

/// Reads the beginning of the body ahead, if a plugin of the chain asked to see it.
async fn hold(exchange: &mut Exchange, route: RouteIndex, body: &mut Body) -> Result<(), Cause> {
    let chain = exchange.state.route(route).routing.iter();
    let most = chain.map(|&place| exchange.state.slot(place).hold_body()).max().unwrap_or(0);
    if most == 0 {
        return Ok(());
    }
    let limit = exchange.timeouts().request_header;
    let held = tokio::time::timeout(limit, body.hold(most)).await;
    exchange.now = Instant::now();
    let prefix = held.map_err(|_| Cause::BodyStalled(limit))?;
    if let Some(head) = std::sync::Arc::get_mut(&mut exchange.head) {
        head.prefix = prefix;
    }
    if let Some(watch) = &mut exchange.watch {
        watch.recorded.request = super::watch::request(&exchange.head, exchange.peer.ip(), watch.recorded.masked);
    }
    Ok(())
}
