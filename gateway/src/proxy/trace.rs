//! What an exchange has to do with traces: where it stands in one, and what of it is told.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Version};

use super::exchange::{Answer, Exchange};
use super::headers::{Arrival, has_trace, read_trace, remove_trace};
use super::send::Failed;
use crate::config::model::{Listener, TraceParent, Traces};
use crate::endpoint::Endpoint;
use crate::observe::Record;
use crate::observe::trace::{Context, Deed, Span, SpanId, Traced, Tracer};
use crate::state::Plan;

/// The place of an exchange that begins, and whether it is told of; none where nothing is told to anybody, and requests say
/// onward what clients have said.
pub(super) fn begin(
    record: &mut Record,
    headers: &mut HeaderMap,
    version: Version,
    arrival: &Arrival<'_>,
    plan: &Plan,
) -> Option<Context> {
    let (tracer, settings) = plan.tracer.as_ref().zip(plan.config.traces.as_ref())?;
    let parent = parent(headers, settings, &arrival.entrance.settings, arrival.peer_address());
    let context = start(record, tracer, parent, version);
    if let Some(traced) = &mut record.traced {
        traced.scheme = if arrival.tls { "https" } else { "http" };
    }
    Some(context)
}

/// The same for what never was a request.
pub(super) fn begin_refused(record: &mut Record, plan: &Plan) {
    if let Some(tracer) = &plan.tracer {
        start(record, tracer, None, Version::HTTP_11);
    }
}

fn start(record: &mut Record, tracer: &Arc<Tracer>, parent: Option<(Context, String)>, version: Version) -> Context {
    let (parent, state) = parent.map_or_else(Default::default, |(parent, state)| (Some(parent), state));
    let context = tracer.begin(parent);
    if context.sampled {
        let mut traced = Traced::new(tracer, context, parent.map(|parent| parent.span), state);
        traced.version = match version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        };
        record.traced = Some(traced);
    }
    context
}

/// Who asked, as far as that is believed: a stranger could have every request of its own told of, and of the same trace. What is
/// not believed is taken out, so that nobody behind believes it.
fn parent(headers: &mut HeaderMap, settings: &Traces, listener: &Listener, peer: IpAddr) -> Option<(Context, String)> {
    if !has_trace(headers) {
        return None;
    }
    let is_believed = match settings.parent {
        TraceParent::Trusted => listener.trusted_proxies.iter().any(|network| network.contains(&peer)),
        TraceParent::All => true,
        TraceParent::None => false,
    };
    let parent = read_trace(headers).filter(|_| is_believed);
    if parent.is_none() {
        remove_trace(headers);
    }
    parent
}

/// An attempt begins: what is sent stands below it, if it is told of.
pub(super) fn attempts(exchange: &mut Exchange) -> Option<(SpanId, Instant)> {
    let context = exchange.trace.as_mut().filter(|context| context.sampled)?;
    *context = context.beside();
    Some((context.span, Instant::now()))
}

/// Notes an attempt that has ended.
pub(super) fn tried(
    exchange: &mut Exchange,
    begun: Option<(SpanId, Instant)>,
    endpoint: &Endpoint,
    outcome: &Result<Answer, Failed>,
) {
    let Some(((id, began), traced)) = begun.zip(exchange.record.traced.as_mut()) else { return };
    let upstream = exchange.upstream.map(|upstream| exchange.state.upstream(upstream).1);
    let (status, failed) = match outcome {
        Ok(answer) => (answer.head.status.as_u16(), None),
        Err(failed) => (0, Some(failed.mishap.as_str())),
    };
    let what = Deed::Tried {
        endpoint: endpoint.settings.id.clone(),
        address: endpoint.settings.address.clone(),
        secure: upstream.is_some_and(|upstream| upstream.way.tls().is_some()),
        status,
        failed,
        again: traced.again.take(),
        number: exchange.record.attempts.saturating_sub(1),
    };
    traced.did(Span { id, began, ended: Instant::now(), what });
}
