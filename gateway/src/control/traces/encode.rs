//! Exchanges as spans of OpenTelemetry: names and attributes are those of its semantic conventions for HTTP, and what those do not
//! know begins with `sluice.`. Of a request neither the query nor any header value is told.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;

use crate::config::model::Traces;
use crate::observe::Said;
use crate::observe::trace::{Context, Deed, Finished};

/// Methods that have a name there; others are `_OTHER`, so that clients make no names.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];

/// The flags of a span: those of its context, and that it is known that whoever asked is elsewhere.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// One request to a collector.
pub(super) fn encode(settings: &Traces, batch: &[Finished]) -> Bytes {
    let clock = Clock::now();
    let own = [("service.name", settings.service_name.as_str()), ("service.version", env!("CARGO_PKG_VERSION"))];
    let more = settings.resource.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let own = own.into_iter().filter(|(name, _)| !settings.resource.iter().any(|(other, _)| other == name));
    let resource = Resource {
        attributes: own.chain(more).map(|(name, value)| attribute(name, value.to_owned())).collect(),
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "sluice".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = batch.iter().flat_map(|finished| {
        let exchange = exchange(finished, &clock);
        finished.spans.iter().map(|span| deed(finished, span, &clock)).chain([exchange])
    });
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans: spans.collect(), ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
}

/// What the time of day was at a moment: as it is told now, whatever was told then.
struct Clock {
    now: Instant,
    time_of_day: u64,
}

impl Clock {
    fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { now: Instant::now(), time_of_day: since.as_nanos() as u64 }
    }

    /// Nanoseconds since 1970.
    fn at(&self, moment: Instant) -> u64 {
        self.time_of_day.saturating_sub(self.now.saturating_duration_since(moment).as_nanos() as u64)
    }
}

/// The exchange itself.
fn exchange(finished: &Finished, clock: &Clock) -> Span {
    let Finished { context, parent, state, scheme, version, passed, .. } = finished;
    let (method, original) = method(passed.method.as_str());
    let mut attributes = vec![attribute("http.request.method", method)];
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            attributes.push(attribute(name, value.to_owned()));
        }
    };
    add("http.request.method_original", original);
    add("url.scheme", scheme);
    add("url.path", &passed.path);
    add("server.address", &passed.host);
    add("network.protocol.name", "http");
    add("network.protocol.version", version);
    add("http.route", &passed.route);
    add("sluice.upstream", &passed.upstream);
    add("sluice.endpoint", &passed.endpoint);
    add("sluice.chosen_by", &passed.chosen_by);
    add("sluice.why", &passed.why.join("; "));
    add("client.address", &passed.client.map(|client| client.to_string()).unwrap_or_default());
    let failed = match passed.status {
        0 => Some("client_gone".to_owned()),
        status @ 500.. => Some(status.to_string()),
        _ => None,
    };
    add("error.type", failed.as_deref().unwrap_or_default());
    let numbers = [
        ("http.response.status_code", u64::from(passed.status)),
        ("http.request.body.size", passed.received),
        ("http.response.body.size", passed.sent),
        ("sluice.attempts", passed.attempts.into()),
        ("sluice.queued_us", passed.queued.as_micros() as u64),
    ];
    attributes.extend(numbers.into_iter().filter(|(_, number)| *number > 0).map(|(name, value)| number(name, value)));
    let name = if passed.route.is_empty() { name_of(method) } else { format!("{} {}", name_of(method), passed.route) };
    Span {
        span_id: context.span.get().to_be_bytes().to_vec(),
        parent_span_id: parent.map_or_else(Vec::new, |parent| parent.get().to_be_bytes().to_vec()),
        flags: flags(context) | HAS_IS_REMOTE | if parent.is_some() { IS_REMOTE } else { 0 },
        trace_state: state.clone(),
        name,
        kind: SpanKind::Server.into(),
        start_time_unix_nano: clock.at(passed.started),
        end_time_unix_nano: clock.at(passed.started + passed.duration),
        attributes,
        status: status(failed.is_some()),
        ..blank(context)
    }
}

/// Something that was done for it.
fn deed(finished: &Finished, span: &crate::observe::trace::Span, clock: &Clock) -> Span {
    let context = &finished.context;
    let (name, kind, attributes, is_error) = match &span.what {
        Deed::Asked { name, plugin, hook, said } => {
            let (outcome, status, failure) = said_of(*said);
            let mut attributes = vec![
                attribute("sluice.use", name.to_string()),
                attribute("sluice.plugin", plugin.clone()),
                attribute("sluice.hook", (*hook).to_owned()),
                attribute("sluice.outcome", outcome.to_owned()),
            ];
            attributes.extend(status.map(|status| number("http.response.status_code", status.into())));
            attributes.extend(failure.map(|kind| attribute("error.type", kind.to_owned())));
            (format!("{hook} {name}"), SpanKind::Internal, attributes, failure.is_some())
        }
        tried => {
            let (attributes, is_error) = attempt(finished, tried);
            let (method, _) = method(finished.passed.method.as_str());
            (name_of(method), SpanKind::Client, attributes, is_error)
        }
    };
    Span {
        span_id: span.id.get().to_be_bytes().to_vec(),
        parent_span_id: context.span.get().to_be_bytes().to_vec(),
        flags: flags(context) | HAS_IS_REMOTE,
        name,
        kind: kind.into(),
        start_time_unix_nano: clock.at(span.began),
        end_time_unix_nano: clock.at(span.ended),
        attributes,
        status: status(is_error),
        ..blank(context)
    }
}

/// An endpoint got the request. For a client, an answer of 400 and above is an error too.
fn attempt(finished: &Finished, tried: &Deed) -> (Vec<KeyValue>, bool) {
    let Deed::Tried { endpoint, address, secure, status, failed, again, number: count } = tried else {
        return (Vec::new(), false);
    };
    let (known, original) = method(finished.passed.method.as_str());
    let scheme = if *secure { "https" } else { "http" };
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let mut attributes = vec![
        attribute("http.request.method", known.to_owned()),
        attribute("url.full", format!("{scheme}://{address}{}", finished.passed.path)),
        attribute("server.address", host.trim_matches(['[', ']']).to_owned()),
        attribute("sluice.endpoint", endpoint.to_string()),
        attribute("sluice.upstream", finished.passed.upstream.to_string()),
    ];
    attributes.extend(port.parse::<u16>().ok().map(|port| number("server.port", port.into())));
    if !original.is_empty() {
        attributes.push(attribute("http.request.method_original", original.to_owned()));
    }
    if *count > 0 {
        attributes.push(number("http.request.resend_count", u64::from(*count)));
    }
    if let Some(again) = again {
        attributes.push(attribute("sluice.retry.reason", again.as_str().to_owned()));
    }
    if *status > 0 {
        attributes.push(number("http.response.status_code", u64::from(*status)));
    }
    let error = failed.map(str::to_owned).or_else(|| (*status >= 400).then(|| status.to_string()));
    let is_error = error.is_some();
    attributes.extend(error.map(|error| attribute("error.type", error)));
    (attributes, is_error)
}

/// In a word, with the status of an answer, or the kind of a failure.
fn said_of(said: Said) -> (&'static str, Option<u16>, Option<&'static str>) {
    match said {
        Said::Pass => ("pass", None, None),
        Said::Chose => ("chose", None, None),
        Said::Answered(status) => ("answered", Some(status), None),
        Said::Retry => ("retry", None, None),
        Said::Failed(kind) => ("failed", None, Some(kind)),
    }
}

/// As it is told, and what it was if that is not the same.
fn method(method: &str) -> (&str, &str) {
    if METHODS.contains(&method) { (method, "") } else { ("_OTHER", method) }
}

/// In the name of a span.
fn name_of(method: &str) -> String {
    if method == "_OTHER" { "HTTP".to_owned() } else { method.to_owned() }
}

fn flags(context: &Context) -> u32 {
    u32::from(context.sampled) | (u32::from(context.random) << 1)
}

fn status(is_error: bool) -> Option<Status> {
    is_error.then(|| Status { code: StatusCode::Error.into(), message: String::new() })
}

fn blank(context: &Context) -> Span {
    Span { trace_id: context.trace.get().to_be_bytes().to_vec(), ..Span::default() }
}

fn attribute(name: &str, value: impl Into<String>) -> KeyValue {
    key_value(name, Value::StringValue(value.into()))
}

fn number(name: &str, value: u64) -> KeyValue {
    key_value(name, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn key_value(name: &str, value: Value) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
