//! The main road. A newcomer reads this first.

use super::error::Cause;
use super::exchange::{Answer, Exchange};
use super::respond::{Next, respond};
use super::{admit, attempt, routing};
use crate::message::Body;

/// From a request that was taken in to an answer that may go out.
pub(super) async fn forward(exchange: &mut Exchange, mut body: Body) -> Result<Answer, Cause> {
    // Which rule: none fits, and the answer is 404.
    let route = exchange.find_route()?;

    // Whether it may: as many of its client, and as long a body, as the route takes.
    admit::admit(exchange, route, &mut body)?;

    // Hook 1, which upstream: the route's own, unless a plugin says otherwise, edits the request, or answers itself.
    let upstream = routing::routing(exchange, route, &mut body).await?;

    loop {
        // Hook 2, which endpoint: chosen, sent to, and once more elsewhere while that is safe and in the budget.
        let mut answer = attempt::attempt(exchange, upstream, &mut body).await?;

        // Hook 3, what the client gets: the body streams past behind the head.
        match respond(exchange, &mut answer) {
            Next::Send => return Ok(answer),
            Next::Retry => exchange.plugin_retries += 1,
        }
    }
}
