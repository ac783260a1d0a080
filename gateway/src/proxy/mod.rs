//! One exchange: from a request to the response head, by way of three hooks.
//!
//! [`handle`] never fails: it takes the state of the moment, lets `forward` do the work, and turns any cause into an answer;
//! it is the only place that does. `forward` is the main road and fits on one screen. `admit`, `routing`, `attempt` and
//! `respond` are the stations on it. What has no socket, no clock and no plugin in it stands in [`headers`].

mod admit;
mod attempt;
mod body;
mod calling;
mod error;
mod exchange;
mod explain;
mod forward;
pub mod headers;
mod rehearse;
mod reported;
mod respond;
mod retry;
mod routing;
mod select;
mod send;
mod trace;
mod tunnel;
mod wait;
mod watch;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use hyper::body::Incoming;

pub use body::AnswerBody;
pub use error::Cause;
pub use exchange::Answered;
use exchange::{Answer, Exchange};
use headers::{Arrival, Intake};
pub use rehearse::{Asked, Given, Rehearsed, rehearse};
pub use tunnel::{Tunnel, TunnelEnd};
use watch::Watch;

use crate::config::model::Keeps;
use crate::message::{Body, Interims};
use crate::observe::{Busy, Record};
use crate::state::State;

/// Answers one request. `state` is that of this moment, and the exchange stays with it until its response head; `busy`
/// lasts until the last byte of the answer.
pub async fn handle(request: Request<Incoming>, arrival: Arrival<'_>, state: Rc<State>, busy: Busy) -> Answered {
    let (mut exchange, body) = match take_in(request, &arrival, state, busy) {
        Ok(taken) => taken,
        Err(refused) => return *refused,
    };
    let answered = match arrival.entrance.settings.redirect_to_https {
        Some(port) => Err(headers::https_location(&exchange.head, port).map_or_else(Cause::from, Cause::Redirected)),
        None => forward::forward(&mut exchange, body).await,
    };
    finish(exchange, answered)
}

/// The exchange that a request begins, and its body; or the answer to one that is not taken in.
fn take_in(
    request: Request<Incoming>,
    arrival: &Arrival<'_>,
    state: Rc<State>,
    busy: Busy,
) -> Result<(Exchange, Body), Box<Answered>> {
    let config = &state.plan.config;
    let mut record = record(&state, busy);
    let (mut parts, incoming) = request.into_parts();
    let wanted = explain::wanted(&mut parts.headers, config, arrival.peer_address());
    if wanted.explains {
        record.notes_steps();
    }
    let trace = trace::begin(&mut record, &mut parts.headers, parts.version, arrival, &state.plan);
    match headers::request(&mut parts, arrival, &config.limits) {
        Ok(intake) => {
            let body = Body::streamed(incoming, parts.version, config.timeouts.stream_idle)
                .at_least(config.limits.minimum_rate)
                .without_trailers(&arrival.entrance.reserved)
                .counted();
            record.received = body.seen();
            let (interims, body) = withheld(&intake, arrival, body);
            let mut exchange = Exchange::new(state, intake, interims, body.is_empty(), arrival, record);
            exchange.explains = wanted.explains;
            exchange.watch = wanted.records.map(|records| {
                let masks = records != Keeps::Secrets;
                Watch::noting(watch::request(&exchange.head, arrival.peer_address(), masks), masks)
            });
            exchange.trace = trace;
            Ok((exchange, body))
        }
        Err(refusal) => {
            record.client = Some(arrival.peer_address());
            record.path = parts.uri.path().to_owned();
            record.note(refusal.to_string());
            let mut answer = Answer::from(Cause::Refused(refusal));
            answer.hide_body_from(&parts.method);
            record.method = parts.method;
            Err(Box::new(answer.into_response(record, &config.timeouts)))
        }
    }
}

/// The answer to what never was a request. It is counted and logged as all are; `peer` is the other end of the connection.
pub fn refuse(cause: Cause, peer: IpAddr, state: &State, busy: Busy) -> (StatusCode, HeaderMap, Bytes) {
    let mut record = record(state, busy);
    trace::begin_refused(&mut record, &state.plan);
    record.client = Some(peer);
    // A method that nobody has; there may have been none.
    record.method = Method::from_bytes(b"-").unwrap_or_default();
    record.note(cause.to_string());
    let (status, headers, body) = cause.answer();
    record.status = status.as_u16();
    record.bytes_out = body.len() as u64;
    (status, headers, body)
}

/// The record of an exchange that begins now; it has no route yet.
fn record(state: &State, busy: Busy) -> Box<Record> {
    let plan = &state.plan;
    Record::new(state.worker, plan.config.log.access, plan.unrouted.clone(), busy, state.recent.clone())
}

/// Where hints of the endpoint go, and the body: held back for a client that waits until it is asked for it.
fn withheld(intake: &Intake, arrival: &Arrival<'_>, body: Body) -> (Arc<Interims>, Body) {
    match arrival.interims.filter(|_| intake.head.version == Version::HTTP_11) {
        Some(interims) => {
            interims.begin();
            let body = if intake.expects_continue { body.withheld(interims) } else { body };
            (interims.clone(), body)
        }
        None => (Interims::new(false), body),
    }
}

/// What the client gets, whatever became of it.
fn finish(mut exchange: Exchange, answered: Result<Answer, Cause>) -> Answered {
    let mut answer = match answered {
        Ok(answer) => answer,
        Err(cause) => {
            exchange.now = Instant::now();
            exchange.record.note(cause.to_string());
            exchange.record.refused = cause.bound();
            // What is left of the body would be in the way of the next request.
            let closes = cause.is_of_body() && exchange.head.version < Version::HTTP_2;
            let mut answer = Answer::from(cause);
            respond::respond(&mut exchange, &mut answer);
            if closes {
                answer.head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    };
    answer.hide_body_from(&exchange.head.method);
    if exchange.interims.is_withheld() {
        // RFC 9110 §10.1.1: whether the body still comes, nobody can know.
        answer.head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if exchange.explains {
        explain::answer(&exchange.record, &exchange.state, &mut answer.head.headers);
    }
    exchange.record.recorded = exchange.watch.take().map(|watch| Box::new(watch.recorded));
    let (state, route) = (exchange.state, exchange.route);
    let timeouts = route.map_or(&state.plan.config.timeouts, |route| &state.route(route).timeouts);
    answer.into_response(exchange.record, timeouts)
}
