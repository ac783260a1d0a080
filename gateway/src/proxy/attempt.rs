//! Choose, send, and once more elsewhere while that is safe. An [`Attempt`] lives from the choice until the last byte of the
//! answer, so that what is in flight is exact, whatever becomes of the client.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Version};
use hyper::body::Incoming;

use super::error::Cause;
use super::exchange::{Answer, Exchange};
use super::headers::{self, Asked, Content, Onward};
use super::select::select;
use crate::config::model::UpstreamIndex;
use crate::endpoint::{Endpoint, InFlight};
use crate::message::{Body, Scheme};
use crate::plugin::{Hook, Outcome, OutcomeKind, ResponseHead, Slot};
use crate::upstream::{ConnectError, Lease, SendError, Stream, Wanted};

/// Attempts of one exchange that the gateway makes by itself.
const MOST_ATTEMPTS: u32 = 2;

/// One request at one endpoint.
#[derive(Debug)]
pub(super) struct Attempt {
    in_flight: InFlight,
    /// The connection, to be given back when the answer has been read to its end.
    lease: Option<Lease>,
    started: Instant,
    kind: OutcomeKind,
    status: u16,
    latency: Duration,
    /// Who wants to know how it ended, with what each attached. They are not kept alive for that.
    listeners: Vec<(Weak<Slot>, u64)>,
}

impl Attempt {
    fn new(in_flight: InFlight, exchange: &Exchange, upstream: UpstreamIndex) -> Box<Self> {
        let state = &exchange.state;
        let chain = state.upstream(upstream).0.selection.iter();
        let listening = chain.filter(|&&place| state.slot(place).plugin.has(Hook::Feedback));
        let listeners = listening.map(|&place| (Arc::downgrade(state.slot(place)), exchange.tags.get(place)));
        Box::new(Self {
            in_flight,
            lease: None,
            started: exchange.now,
            kind: OutcomeKind::Cancelled,
            status: 0,
            latency: Duration::ZERO,
            listeners: listeners.collect(),
        })
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        self.in_flight.endpoint()
    }

    /// No answer. `counts_as` is what the wait counts as among the latencies.
    fn failed(&mut self, kind: OutcomeKind, counts_as: Duration) {
        let now = Instant::now();
        self.kind = kind;
        self.latency = now.duration_since(self.started);
        self.endpoint().sample_latency(counts_as.max(self.latency), now);
    }

    fn answered(&mut self, status: u16, lease: Option<Lease>, now: Instant) {
        self.latency = now.duration_since(self.started);
        self.status = status;
        if status < 500 {
            self.kind = OutcomeKind::Success;
            self.endpoint().sample_latency(self.latency, now);
        } else {
            self.kind = OutcomeKind::ServerError;
            self.endpoint().sample_error(self.latency, now);
        }
        self.lease = lease;
    }

    /// Polls for what comes over the connection to the endpoint.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match &mut self.lease {
            Some(lease) => lease.poll(context, wanted),
            None => wanted(context),
        }
    }

    /// The answer was read to its end.
    pub(super) fn ended(&mut self, now: Instant) {
        if let Some(lease) = self.lease.take() {
            lease.give_back(now);
        }
    }

    /// The answer broke off.
    pub(super) fn broke(&mut self) {
        self.kind = OutcomeKind::Reset;
    }

    /// The client went away before the end of the answer.
    pub(super) fn cancelled(&mut self) {
        self.kind = OutcomeKind::Cancelled;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        for (listener, tag) in std::mem::take(&mut self.listeners) {
            let Some(listener) = listener.upgrade() else { continue };
            listener.note(&Outcome {
                endpoint: self.endpoint().clone(),
                tag,
                kind: self.kind,
                status: self.status,
                latency: self.latency,
            });
        }
    }
}

/// Sends the request to an endpoint of `upstream` that hook 2 chooses; to another one if that was no use and sending again
/// is safe.
pub(super) async fn attempt(
    exchange: &mut Exchange,
    upstream: UpstreamIndex,
    body: &mut Body,
) -> Result<Answer, Cause> {
    let mut failed: Option<Cause> = None;
    loop {
        let chosen = match (select(exchange, upstream), failed) {
            (Ok(chosen), _) => chosen,
            // Nobody else is left: what went wrong first says more.
            (Err(Cause::NoEndpoint(_)), Some(cause)) => return Err(cause),
            (Err(cause), _) => return Err(cause),
        };
        let endpoint = chosen.endpoint().clone();
        exchange.record.attempts += 1;
        endpoint.attempted();
        let attempt = Attempt::new(chosen, exchange, upstream);
        match send(exchange, upstream, attempt, body).await {
            Ok(answer) => return Ok(answer),
            Err(Failed { cause, may_retry }) => {
                if !may_retry || exchange.record.attempts >= MOST_ATTEMPTS {
                    return Err(cause);
                }
                exchange.gave_nothing(endpoint);
                exchange.record.note(cause.to_string());
                failed = Some(cause);
            }
        }
    }
}

/// Why an attempt gave no answer, and whether another endpoint may be asked.
struct Failed {
    cause: Cause,
    may_retry: bool,
}

async fn send(
    exchange: &mut Exchange,
    upstream: UpstreamIndex,
    mut attempt: Box<Attempt>,
    body: &mut Body,
) -> Result<Answer, Failed> {
    let id = attempt.endpoint().settings.id.clone();
    let limit = exchange.timeouts().response_header;
    let mut lease = connect(exchange, upstream, &mut attempt, true).await?;
    let seen = exchange.record.received.clone();
    let response = loop {
        let request = onward(exchange, upstream, &lease, std::mem::take(body));
        let error = match lease.send(request, limit, seen.as_deref()).await {
            Ok(response) => break response,
            Err(SendError::Unsent(unsent)) => {
                // Nothing of it was sent, so whoever comes next gets the body whole.
                *body = unsent.into_body();
                None
            }
            Err(SendError::Body(error)) => {
                return Err(Failed { cause: Cause::Body(error), may_retry: false });
            }
            Err(SendError::TimedOut(limit)) => {
                attempt.failed(OutcomeKind::TimedOut, limit);
                exchange.state.upstream(upstream).1.failed(attempt.endpoint());
                return Err(Failed { cause: Cause::TimedOut(id, limit), may_retry: false });
            }
            Err(error) => Some(error),
        };
        let may_retry = error.as_ref().is_none_or(|error| exchange.may_repeat(error));
        if !may_retry || !lease.reused {
            attempt.failed(OutcomeKind::Reset, limit);
            exchange.state.upstream(upstream).1.failed(attempt.endpoint());
            let cause = match error {
                Some(SendError::Alert(alert)) => Cause::Connect(id, ConnectError::Alert(alert)),
                Some(error) => Cause::Broken(id, error.to_string()),
                None => Cause::Broken(id, "closed before the request was sent".to_owned()),
            };
            return Err(Failed { cause, may_retry });
        }
        // The race between the endpoint's idle timer and this request: a fresh connection decides.
        lease = connect(exchange, upstream, &mut attempt, false).await?;
    };
    take_in(exchange, upstream, attempt, lease, response).await
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
    let limit = exchange.timeouts().connect;
    let ends = live.way.tells_client.then(|| exchange.ends());
    match pool.open(Wanted { endpoint: &endpoint, way: &live.way, ends, most: limit }).await {
        Ok(lease) => Ok(lease),
        Err(error) => {
            attempt.failed(OutcomeKind::ConnectFailed, limit);
            if !error.is_our_own() {
                live.failed(&endpoint);
            }
            let cause = Cause::Connect(endpoint.settings.id.clone(), error);
            Err(Failed { cause, may_retry: true })
        }
    }
}

/// What the endpoint gets over that connection.
fn onward(exchange: &Exchange, upstream: UpstreamIndex, lease: &Lease, body: Body) -> Request<Body> {
    let strip_prefix = exchange.route().and_then(|route| route.strip_prefix.as_deref());
    let scheme = || if exchange.state.upstream(upstream).1.way.tls().is_some() { Scheme::Https } else { Scheme::Http };
    let with = Onward {
        peer: exchange.peer.ip(),
        strip_prefix,
        upgrade: exchange.upgrade.as_ref().map(|upgrade| &upgrade.protocol),
        trailers: exchange.trailers,
        h2: (lease.version() == Version::HTTP_2).then(scheme),
    };
    headers::onward(&exchange.head, with, body)
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
    let content = match headers::response(&mut parts, asked, false) {
        Ok(content) => content,
        Err(fault) => {
            attempt.failed(OutcomeKind::Reset, exchange.timeouts().response_header);
            exchange.state.upstream(upstream).1.failed(attempt.endpoint());
            let cause = Cause::Fault(attempt.endpoint().settings.id.clone(), fault);
            return Err(Failed { cause, may_retry: false });
        }
    };
    let (lease, stream) = match content {
        Content::Tunnel => (None, Some(upgraded(exchange, &mut attempt, lease).await?)),
        _ => (Some(lease), None),
    };
    exchange.now = Instant::now();
    exchange.state.upstream(upstream).1.answered(attempt.endpoint(), parts.status.as_u16());
    attempt.answered(parts.status.as_u16(), lease, exchange.now);
    exchange.record.upstream_time = attempt.latency;
    let body = match content {
        Content::Streams => Body::streamed(incoming, received, exchange.timeouts().stream_idle),
        Content::None | Content::Tunnel => Body::default(),
    };
    let head =
        ResponseHead { status: parts.status, headers: parts.headers, endpoint: Some(attempt.endpoint().clone()) };
    Ok(Answer { head, body, upstream_time: attempt.latency, stream, attempt: Some(attempt) })
}

/// The endpoint's side of a changed protocol. It has to wait for the whole of the request (RFC 9110 §7.8).
async fn upgraded(exchange: &Exchange, attempt: &mut Attempt, lease: Lease) -> Result<(Stream, Bytes), Failed> {
    let limit = exchange.timeouts().response_header;
    if let Ok(Some(stream)) = tokio::time::timeout(limit, lease.upgraded()).await {
        return Ok(stream);
    }
    attempt.failed(OutcomeKind::Reset, limit);
    let cause = Cause::Broken(attempt.endpoint().settings.id.clone(), "no more after its answer of 101".into());
    Err(Failed { cause, may_retry: false })
}
