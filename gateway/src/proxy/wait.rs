//! The choice of an endpoint before an upstream that may be full: where that is configured, a request takes a place, and waits
//! for one as long as it may.

use std::pin::pin;
use std::time::Instant;

use tokio::time::timeout;

use super::error::Cause;
use super::exchange::Exchange;
use super::select::select;
use crate::config::model::UpstreamIndex;
use crate::endpoint::InFlight;
use crate::upstream::Load;

/// Hook 2, if need be after a wait.
pub(super) async fn choose(exchange: &mut Exchange, upstream: UpstreamIndex) -> Result<InFlight, Cause> {
    let state = exchange.state.clone();
    let live = state.upstream(upstream).1;
    let Some(load) = &live.load else { return select(exchange, upstream) };
    // Whoever comes does not pass those who wait; whoever has a place has waited already.
    if exchange.place.is_some() || load.waiting() == 0 {
        match enter(exchange, upstream, load) {
            Err(Cause::Full(..)) => {}
            outcome => return outcome,
        }
    }
    let full = |reason| Cause::Full(live.name.clone(), reason);
    if load.queue.is_none() {
        return Err(full(""));
    }
    let (waiting, longest) = load.line_up().ok_or_else(|| full(", and so is its queue"))?;
    let began = Instant::now();
    let longest = longest.min(exchange.in_all().saturating_duration_since(began));
    // Boxed, as all that is rare and large: every exchange has room for what it awaits.
    let outcome = timeout(
        longest,
        Box::pin(async {
            let _turn = waiting.turn().await;
            loop {
                // Listens before it looks, so that nothing gets free in between unheard.
                let mut freed = pin!(waiting.freed());
                freed.as_mut().enable();
                exchange.now = Instant::now();
                match enter(exchange, upstream, load) {
                    Err(Cause::Full(..)) => freed.await,
                    outcome => return outcome,
                }
            }
        }),
    );
    let outcome = outcome.await;
    let waited = began.elapsed();
    waiting.ended(waited);
    exchange.record.queued += waited;
    outcome.unwrap_or_else(|_| Err(full(", and nothing got free in time")))
}

/// A place and an endpoint, if there is one of each.
fn enter(exchange: &mut Exchange, upstream: UpstreamIndex, load: &Load) -> Result<InFlight, Cause> {
    if exchange.place.is_none() {
        let name = || exchange.state.upstream(upstream).1.name.clone();
        exchange.place = Some(load.enter().ok_or_else(|| Cause::Full(name(), ""))?);
    }
    let chosen = select(exchange, upstream);
    if let Err(Cause::Full(..)) = chosen
        && let Some(place) = exchange.place.take()
    {
        place.leave();
    }
    chosen
}
