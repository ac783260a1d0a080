//! One attempt: a connection, the request over it, and the answer's head or why there is none.

use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, Version};
use hyper::body::Incoming;

use super::attempt::Attempt;
use super::error::Cause;
use super::exchange::{Answer, Exchange};
use super::headers::{self, Asked, Content, Onward, ResponseFault};
use super::reported;
use super::retry::Mishap;
use crate::config::model::{ReportedLoad, UpstreamIndex};
use crate::message::{Body, Scheme};
use crate::plugin::{OutcomeKind, ResponseHead};
use crate::upstream::{ConnectError, Lease, SendError, Stream, Wanted};

/// Why an attempt gave no answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) cause: Cause,
    pub(super) mishap: Mishap,
}

/// Sends the request with its body. What is given back unsent is in `body` again.
pub(super) async fn send(
    exchange: &mut Exchange,
    upstream: UpstreamIndex,
    mut attempt: Box<Attempt>,
    body: &mut Body,
) -> Result<Answer, Failed> {
    let id = attempt.endpoint().settings.id.clone();
    let until = exchange.until(attempt.started);
    let longest = exchange.timeouts().response_header;
    let mut lease = connect(exchange, upstream, &mut attempt, true).await?;
    let seen = exchange.record.received.clone();
    let response = loop {
        let request = onward(exchange, upstream, &lease, exchange.next_body(body));
        let limit = longest.min(until.saturating_duration_since(lease.since));
        let sending = attempt.counting(lease.send(request, limit, seen.as_deref()));
        let Some(answered) = exchange.interims.unless_too_many(sending).await else {
            attempt.failed(OutcomeKind::Reset, longest);
            exchange.state.upstream(upstream).1.failed(attempt.endpoint(), Instant::now);
            return Err(Failed { cause: Cause::Fault(id, ResponseFault::Interims), mishap: Mishap::Final });
        };
        let error = match answered {
            Ok(response) => break response,
            Err(SendError::Unsent(unsent)) => {
                // Nothing of it was sent, so whoever comes next gets the body whole.
                *body = unsent.into_body();
                None
            }
            Err(SendError::Body(error)) => {
                return Err(Failed { cause: Cause::Body(error), mishap: Mishap::Final });
            }
            Err(SendError::TimedOut(limit)) => {
                attempt.failed(OutcomeKind::TimedOut, longest);
                exchange.state.upstream(upstream).1.failed(attempt.endpoint(), Instant::now);
                return Err(Failed { cause: Cause::TimedOut(id, limit), mishap: Mishap::TimedOut });
            }
            Err(error) => Some(error),
        };
        let mishap = error.as_ref().map_or(Mishap::Unsent, |error| mishap(exchange, error));
        let is_harmless = mishap == Mishap::Unsent || mishap == Mishap::Reset && exchange.is_replayable();
        if !is_harmless || !lease.reused {
            attempt.failed(OutcomeKind::Reset, longest);
            exchange.state.upstream(upstream).1.failed(attempt.endpoint(), Instant::now);
            let cause = match error {
                Some(SendError::Alert(alert)) => Cause::Connect(id, ConnectError::Alert(alert)),
                Some(error) => Cause::Broken(id, error.to_string()),
                None => Cause::Broken(id, "closed before the request was sent".to_owned()),
            };
            return Err(Failed { cause, mishap });
        }
        // The race between the endpoint's idle timer and this request: a fresh connection decides.
        lease = connect(exchange, upstream, &mut attempt, false).await?;
    };
    take_in(exchange, upstream, attempt, lease, response).await
}

/// What came of a request of which something was sent.
fn mishap(exchange: &Exchange, error: &SendError) -> Mishap {
    match error {
        SendError::NotProcessed(_) if exchange.is_whole() => Mishap::Unsent,
        SendError::NotProcessed(_) => Mishap::Final,
        error if error.is_closed() => Mishap::Reset,
        _ => Mishap::Final,
    }
}

/// A connection: one that idles, if `may_reuse`, or a new one.
async fn connect(
    exchange: &Exchange,
    upstream: UpstreamIndex,
    attempt: &mut Attempt,
    may_reuse: bool,
) -> Result<Lease, Failed> {
    let endpoint = attempt.endpoint().clone();
    let pool = &exchange.state.pool;
    if may_reuse && let Some(lease) = pool.reuse(&endpoint, attempt.started) {
        return Ok(lease);
    }
    let live = exchange.state.upstream(upstream).1;
    let longest = exchange.timeouts().connect;
    let left = exchange.until(attempt.started).saturating_duration_since(attempt.started);
    let ends = live.way.tells_client.then(|| exchange.ends());
    let wanted = Wanted { endpoint: &endpoint, way: &live.way, ends, most: longest.min(left) };
    // Boxed, as all that is rare and large: every exchange has room for what it awaits.
    match Box::pin(pool.open(wanted)).await {
        Ok(lease) => Ok(lease),
        Err(error) => {
            attempt.failed(OutcomeKind::ConnectFailed, longest);
            if !error.is_our_own() {
                live.failed(&endpoint, Instant::now);
            }
            let cause = Cause::Connect(endpoint.settings.id.clone(), error);
            Err(Failed { cause, mishap: Mishap::Unsent })
        }
    }
}

/// What the endpoint gets over that connection.
fn onward(exchange: &Exchange, upstream: UpstreamIndex, lease: &Lease, body: Body) -> Request<Body> {
    let strip_prefix = exchange.route().and_then(|route| route.strip_prefix.as_deref());
    let scheme = || if exchange.state.upstream(upstream).1.way.tls().is_some() { Scheme::Https } else { Scheme::Http };
    let h2 = (lease.version() == Version::HTTP_2).then(scheme);
    if h2.is_some() {
        // hyper does not tell what comes before an answer of HTTP/2.
        exchange.interims.release();
    }
    let with = Onward {
        peer: exchange.peer.ip(),
        strip_prefix,
        upgrade: exchange.upgrade.as_ref().map(|upgrade| &upgrade.protocol),
        trailers: exchange.trailers,
        expects: exchange.interims.is_withheld(),
        trace: exchange.trace.as_ref(),
        h2,
    };
    let mut request = headers::onward(&exchange.head, with, body);
    if h2.is_none() {
        exchange.interims.again();
        let interims = exchange.interims.clone();
        hyper::ext::on_informational(&mut request, move |hint| interims.hear(hint.status(), hint.headers()));
    }
    request
}

/// From the endpoint's response to an answer.
async fn take_in(
    exchange: &mut Exchange,
    upstream: UpstreamIndex,
    mut attempt: Box<Attempt>,
    lease: Lease,
    response: Response<Incoming>,
) -> Result<Answer, Failed> {
    let (mut parts, incoming) = response.into_parts();
    let received = parts.version;
    let asked = Asked { method: &exchange.head.method, upgrade: exchange.upgrade.as_ref() };
    let content = match headers::response(&mut parts, asked, exchange.route().is_some_and(|route| route.via)) {
        Ok(content) => content,
        Err(fault) => {
            attempt.failed(OutcomeKind::Reset, exchange.timeouts().response_header);
            exchange.state.upstream(upstream).1.failed(attempt.endpoint(), Instant::now);
            let cause = Cause::Fault(attempt.endpoint().settings.id.clone(), fault);
            return Err(Failed { cause, mishap: Mishap::Final });
        }
    };
    let (lease, stream) = match content {
        Content::Tunnel => (None, Some(Box::pin(upgraded(exchange, &mut attempt, lease)).await?)),
        _ => (Some(lease), None),
    };
    if exchange.interims.is_withheld() {
        attempt.spends();
    }
    exchange.now = Instant::now();
    if let Some(ReportedLoad::Header(how)) = &exchange.state.upstream(upstream).0.reported_load {
        reported::take(&mut parts.headers, attempt.endpoint(), how, exchange.now);
        attempt.reports = Some(how.clone());
    }
    exchange.state.upstream(upstream).1.answered(attempt.endpoint(), parts.status.as_u16(), || exchange.now);
    attempt.answered(parts.status.as_u16(), lease, exchange.now);
    exchange.record.upstream_time = attempt.latency();
    let body = match content {
        Content::Streams => Body::streamed(incoming, received, exchange.timeouts().stream_idle),
        Content::None | Content::Tunnel => Body::default(),
    };
    let head =
        ResponseHead { status: parts.status, headers: parts.headers, endpoint: Some(attempt.endpoint().clone()) };
    Ok(Answer { head, body, upstream_time: attempt.latency(), stream, attempt: Some(attempt) })
}

/// The endpoint's side of a changed protocol. It has to wait for the whole of the request (RFC 9110 §7.8).
async fn upgraded(exchange: &Exchange, attempt: &mut Attempt, lease: Lease) -> Result<(Stream, Bytes), Failed> {
    let limit = exchange.timeouts().response_header;
    if let Ok(Some(stream)) = tokio::time::timeout(limit, lease.upgraded()).await {
        return Ok(stream);
    }
    attempt.failed(OutcomeKind::Reset, limit);
    let cause = Cause::Broken(attempt.endpoint().settings.id.clone(), "no more after its answer of 101".into());
    Err(Failed { cause, mishap: Mishap::Final })
}
