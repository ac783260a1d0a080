//! What a route takes: how many requests of a client, and how long their bodies may be.

use super::error::Cause;
use super::exchange::Exchange;
use crate::config::model::RouteIndex;
use crate::message::Body;

/// Lets the request in, or says which bound it would pass. A body whose length is not known breaks off where it gets too long.
pub(super) fn admit(exchange: &Exchange, route: RouteIndex, body: &mut Body) -> Result<(), Cause> {
    let state = &exchange.state;
    if let Some(limiter) = state.limiter(route) {
        limiter.admit(&exchange.head, exchange.now).map_err(Cause::TooMany)?;
    }
    match state.route(route).limits.body {
        Some(most) => body.limit(most).map_err(Cause::Body),
        None => Ok(()),
    }
}
