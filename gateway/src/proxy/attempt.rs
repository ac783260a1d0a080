//! Choose, send, and once more elsewhere while `retry` says so. An [`Attempt`] lives from the choice until the last byte of the
//! answer, so that what is in flight is exact, whatever becomes of the client.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::error::Cause;
use super::exchange::{Answer, Exchange};
use super::reported;
use super::retry::{self, Mishap, Then};
use super::send::send;
use super::trace;
use super::wait::choose;
use crate::config::model::{ReportFields, UpstreamIndex};
use crate::endpoint::{Endpoint, Fate, InFlight, Went};
use crate::message::Body;
use crate::observe::Step;
use crate::plugin::{Hook, Outcome, OutcomeKind, Slot};
use crate::upstream::{Lease, Place};

/// One request at one endpoint.
#[derive(Debug)]
pub(super) struct Attempt {
    in_flight: InFlight,
    /// Its place at the upstream, once there is an answer; after `in_flight`, so that whoever gets it finds the endpoint free.
    pub(super) place: Option<Place>,
    /// The connection, to be given back when the answer has been read to its end.
    lease: Option<Lease>,
    pub(super) started: Instant,
    kind: OutcomeKind,
    status: u16,
    latency: Duration,
    /// Which of how many workers.
    worker: (usize, usize),
    /// Body bytes from the client.
    pub(super) sent: Option<Rc<Cell<u64>>>,
    /// Body bytes of the answer.
    pub(super) received: u64,
    /// Somebody wants to know what passes while it does.
    is_measured: bool,
    /// What was counted of both by then.
    counted: (u64, u64),
    /// How the endpoint reports its load behind the answer; none: it does not.
    pub(super) reports: Option<Arc<ReportFields>>,
    /// The endpoint waits for a body that does not come: its connection is of no further use.
    is_spent: bool,
    /// Who wants to know how it ended, with what each attached. They are not kept alive for that.
    listeners: Vec<(Weak<Slot>, u64)>,
}

impl Attempt {
    pub(super) fn new(in_flight: InFlight, exchange: &Exchange, upstream: UpstreamIndex) -> Box<Self> {
        let state = &exchange.state;
        let chain = state.upstream(upstream).0.selection.iter();
        let listening = chain.filter(|&&place| state.slot(place).plugin.has(Hook::Feedback));
        let listeners = listening.map(|&place| (Arc::downgrade(state.slot(place)), exchange.tags.get(place)));
        Box::new(Self {
            is_measured: in_flight.endpoint().is_measured(),
            in_flight,
            place: None,
            lease: None,
            started: exchange.now,
            kind: OutcomeKind::Cancelled,
            status: 0,
            latency: Duration::ZERO,
            worker: (state.worker, state.plan.config.workers),
            sent: exchange.record.received.clone(),
            received: 0,
            counted: (0, 0),
            reports: None,
            is_spent: false,
            listeners: listeners.collect(),
        })
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        self.in_flight.endpoint()
    }

    /// From the choice to the response head, or to what came instead.
    pub(super) fn latency(&self) -> Duration {
        self.latency
    }

    /// No answer. `counts_as` is what the wait counts as among the latencies.
    pub(super) fn failed(&mut self, kind: OutcomeKind, counts_as: Duration) {
        let now = Instant::now();
        self.kind = kind;
        self.latency = now.duration_since(self.started);
        self.endpoint().sample_latency(counts_as.max(self.latency), now);
    }

    pub(super) fn answered(&mut self, status: u16, lease: Option<Lease>, now: Instant) {
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

    /// Counts what has passed by now, where somebody wants to know.
    pub(super) fn flows(&mut self) {
        if self.is_measured {
            let (sent, received) = self.uncounted();
            self.endpoint().passed(self.worker, sent, received);
            self.counted = (self.counted.0 + sent, self.counted.1 + received);
        }
    }

    /// What that gives, while what it sends is counted as above.
    pub(super) async fn counting<T>(&mut self, sending: impl Future<Output = T>) -> T {
        let mut sending = pin!(sending);
        poll_fn(|context| {
            let polled = sending.as_mut().poll(context);
            self.flows();
            polled
        })
        .await
    }

    /// Bytes both ways that have passed since they were last counted.
    fn uncounted(&self) -> (u64, u64) {
        let sent = self.sent.as_ref().map_or(0, |sent| sent.get());
        (sent.saturating_sub(self.counted.0), self.received.saturating_sub(self.counted.1))
    }

    /// What comes behind the answer, with the endpoint's report among it, perhaps.
    pub(super) fn trailed(&self, trailers: &mut HeaderMap) {
        if let Some(how) = &self.reports {
            reported::take(trailers, self.endpoint(), how, Instant::now());
        }
    }

    /// The answer was read to its end.
    pub(super) fn ended(&mut self, now: Instant) {
        if let Some(lease) = self.lease.take().filter(|_| !self.is_spent) {
            lease.give_back(now);
        }
    }

    /// The endpoint still waits for the body that was never asked for.
    pub(super) fn spends(&mut self) {
        self.is_spent = true;
    }

    /// The answer broke off.
    pub(super) fn broke(&mut self) {
        self.kind = OutcomeKind::Reset;
    }

    /// For the figures of its endpoint: an answer that began is one, however it ended.
    fn fate(&self) -> Fate {
        match self.kind {
            _ if self.status > 0 => Fate::Answered(self.status),
            OutcomeKind::ConnectFailed => Fate::Unconnected,
            OutcomeKind::TimedOut => Fate::TimedOut,
            OutcomeKind::Cancelled => Fate::Cancelled,
            OutcomeKind::Success | OutcomeKind::ServerError | OutcomeKind::Reset => Fate::Reset,
        }
    }

    /// The client went away before the end of the answer.
    pub(super) fn cancelled(&mut self) {
        self.kind = OutcomeKind::Cancelled;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let (sent, received) = self.uncounted();
        let went = Went { fate: self.fate(), latency: self.latency, sent, received };
        self.endpoint().went_by(self.worker, &went);
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
    exchange.keep(body, upstream);
    let mut answer = attempts(exchange, upstream, body).await?;
    if let Some(attempt) = &mut answer.attempt {
        attempt.place = exchange.place.take();
    }
    Ok(answer)
}

async fn attempts(exchange: &mut Exchange, upstream: UpstreamIndex, body: &mut Body) -> Result<Answer, Cause> {
    let mut last: Option<Result<Answer, Cause>> = None;
    loop {
        let chosen = match (choose(exchange, upstream).await, last.take()) {
            (Ok(chosen), None | Some(Err(_))) => chosen,
            (Ok(chosen), Some(Ok(unwanted))) => {
                unwanted.discard(exchange.now);
                chosen
            }
            // Nobody else is left: what went wrong first says more.
            (Err(Cause::NoEndpoint(_) | Cause::Full(..)), Some(last)) => return last,
            (Err(cause), _) => return Err(cause),
        };
        let endpoint = chosen.endpoint().clone();
        exchange.record.attempts += 1;
        endpoint.attempted();
        let (attempt, began) = (Attempt::new(chosen, exchange, upstream), exchange.now);
        let begun = trace::attempts(exchange);
        let sent = send(exchange, upstream, attempt, body).await;
        trace::tried(exchange, begun, &endpoint, &sent);
        let (outcome, mishap) = match sent {
            Ok(answer) => {
                let status = answer.head.status.as_u16();
                (Ok(answer), Mishap::Answered(status))
            }
            Err(failed) => (Err(failed.cause), failed.mishap),
        };
        exchange.record.step(|| {
            let (took, status) = match &outcome {
                Ok(answer) => (answer.upstream_time, answer.head.status.as_u16()),
                Err(_) => (began.elapsed(), 0),
            };
            Step::Tried { endpoint: endpoint.settings.id.clone(), took, status }
        });
        match retry::after(exchange, upstream, endpoint, mishap) {
            Then::Stop => return outcome,
            Then::Again(wait) => exchange.wait(wait).await,
        }
        exchange.record.note(match &outcome {
            Ok(answer) => format!("{} answered {}", exchange.record.endpoint, answer.head.status.as_u16()),
            Err(cause) => cause.to_string(),
        });
        last = Some(outcome);
    }
}
