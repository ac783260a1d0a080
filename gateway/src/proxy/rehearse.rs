//! An exchange without a network: the real stations of the way of a request, up to the endpoint that it would go to, and from an
//! answer that is assumed. For those who want to know beforehand, or afterwards, why a request goes where it goes.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use http_body_util::Empty;

use super::attempt::Attempt;
use super::error::Cause;
use super::exchange::{Answer, Exchange};
use super::headers::{self, Arrival, Intake, Onward};
use super::respond::{Next, respond};
use super::watch::{Watch, pairs, request};
use super::{admit, routing, select};
use crate::config::model::{UpstreamIndex, UpstreamProtocol};
use crate::endpoint::{Health, InFlight};
use crate::message::{Body, BodyPrefix, Interims, RequestHead, Scheme};
use crate::observe::recorded::{Member, Recorded, Request};
use crate::observe::{Activity, Record};
use crate::plugin::ResponseHead;
use crate::state::State;

/// Rounds of one exchange.
const MOST: usize = 64;
/// Requests in flight that are made up for one endpoint.
const MOST_IN_FLIGHT: u32 = 100_000;

/// What is rehearsed.
#[derive(Debug)]
pub enum Asked {
    /// A request as a client would send it, with its body.
    Sent(Box<Parts>, Bytes),
    /// An exchange that was recorded.
    Recorded(Box<Recorded>),
}

/// The answer that is assumed of an endpoint, where none was recorded.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
}

/// What would become of it.
#[derive(Debug)]
pub struct Rehearsed {
    /// What each hook said and saw.
    pub recorded: Recorded,
    /// Names; empty where there is none.
    pub route: Arc<str>,
    /// See `route`.
    pub upstream: Arc<str>,
    /// See `route`.
    pub endpoint: Arc<str>,
    /// A use, or `fallback`.
    pub chosen_by: Arc<str>,
    /// What did not go by the first word.
    pub why: Vec<String>,
    /// The request line that the endpoint gets, and its fields; none: no endpoint gets anything.
    pub onward: Option<(String, Vec<(String, String)>)>,
    /// What the client gets.
    pub status: u16,
    /// See `status`.
    pub headers: Vec<(String, String)>,
    /// What plugins looked at and the record does not have: it may be that they would say something else.
    pub lacks: Vec<String>,
}

/// Goes the way of that request.
///
/// # Errors
/// What of a record makes no request.
pub async fn rehearse(
    state: Rc<State>,
    arrival: &Arrival<'_>,
    asked: Asked,
    given: &Given,
) -> Result<Rehearsed, String> {
    let busy = Activity::start().begin();
    let mut record = Record::new(state.worker, false, state.plan.unrouted.clone(), busy, None);
    let (intake, body, played) = match asked {
        Asked::Sent(mut parts, body) => match headers::request(&mut parts, arrival, &state.plan.config.limits) {
            Ok(intake) => (intake, body, None),
            Err(refusal) => {
                record.note(refusal.to_string());
                return Ok(refused(*record, Cause::Refused(refusal)));
            }
        },
        Asked::Recorded(recorded) => {
            let (head, body) = head(&recorded.request)?;
            let intake = Intake { head, upgrade: None, trailers: false, expects_continue: false };
            (intake, body, Some(recorded))
        }
    };
    let body = Body::full(body);
    let mut exchange = Exchange::new(state, intake, Interims::new(false), body.is_empty(), arrival, record);
    exchange.watch = Some(match played {
        Some(recorded) => Watch::playing(*recorded),
        None => Watch::noting(request(&exchange.head, arrival.peer_address(), false), false),
    });
    // A record says nothing of its listener.
    let is_recorded = exchange.watch.as_ref().is_some_and(|watch| watch.plays());
    let redirects = arrival.entrance.settings.redirect_to_https.filter(|_| !is_recorded);
    let mut onward = None;
    let walked = match redirects {
        Some(port) => Err(headers::https_location(&exchange.head, port).map_or_else(Cause::from, Cause::Redirected)),
        None => walk(&mut exchange, body, given, &mut onward).await,
    };
    let mut answer = walked.unwrap_or_else(|cause| {
        exchange.record.note(cause.to_string());
        let mut answer = Answer::from(cause);
        respond(&mut exchange, &mut answer);
        answer
    });
    answer.hide_body_from(&exchange.head.method);
    Ok(told(exchange, &answer, onward))
}

type Sent = Option<(String, Vec<(String, String)>)>;

/// As `forward` goes it; nothing is sent.
async fn walk(exchange: &mut Exchange, mut body: Body, given: &Given, onward: &mut Sent) -> Result<Answer, Cause> {
    let route = exchange.find_route()?;
    if exchange.watch.as_ref().is_none_or(|watch| !watch.plays()) {
        admit::admit(exchange, route, &mut body)?;
    }
    let upstream = routing::routing(exchange, route, &mut body).await?;
    for _ in 0..MOST {
        let mut held = Vec::new();
        let is_played = prepare(exchange, upstream, &mut held);
        let chosen = select::select(exchange, upstream);
        drop(held);
        let is_last = exchange.watch.as_ref().is_none_or(|watch| watch.next_round().is_none());
        let chosen = match chosen {
            Ok(chosen) => chosen,
            // It has waited, and was asked again.
            Err(_) if is_played && !is_last => continue,
            Err(cause) => return Err(cause),
        };
        exchange.record.attempts += 1;
        if is_played && !is_last {
            // What came of this one was no use.
            continue;
        }
        *onward = Some(sent(exchange, upstream));
        let mut answer = assumed(exchange, upstream, chosen, given);
        match respond(exchange, &mut answer) {
            Next::Retry if !is_played => exchange.plugin_retries += 1,
            Next::Send | Next::Retry => return Ok(answer),
        }
    }
    Err(Cause::NoEndpoint(exchange.state.upstream(upstream).1.name.clone()))
}

/// The endpoints of the round that is played next are as they were then; true if there is one.
fn prepare(exchange: &mut Exchange, upstream: UpstreamIndex, held: &mut Vec<InFlight>) -> bool {
    let live = exchange.state.upstream(upstream).1.clone();
    let Some(round) = exchange.watch.as_ref().and_then(|watch| watch.next_round()) else { return false };
    let members = live.set.snapshot();
    let (mut conditions, mut warm_up) = (members.conditions.clone(), members.warm_up.clone());
    let now = Instant::now();
    for (place, endpoint) in members.endpoints.iter().enumerate() {
        let is_it = |member: &&Member| *member.id == *endpoint.settings.id;
        let Some(member) = round.members.iter().find(is_it) else { continue };
        if let (Some(condition), Some(warmth)) = (conditions.get_mut(place), warm_up.get_mut(place)) {
            (*condition, *warmth) = (health(&member.health).unwrap_or(*condition), member.warm_up);
        }
        endpoint.set_latency(member.latency_us, now);
        let more = member.in_flight.min(MOST_IN_FLIGHT).saturating_sub(endpoint.in_flight());
        held.extend((0..more).map_while(|_| endpoint.enter()));
    }
    let is_tried = |id: &str| round.tried.iter().any(|tried| tried == id);
    let tried = members.endpoints.iter().filter(|endpoint| is_tried(&endpoint.settings.id)).cloned().collect();
    live.set.restore(conditions, warm_up);
    exchange.tried = tried;
    true
}

fn health(name: &str) -> Option<Health> {
    let all = [Health::Healthy, Health::Degraded, Health::Draining, Health::Unhealthy];
    all.into_iter().find(|health| health.as_str() == name)
}

/// What the endpoint would get.
fn sent(exchange: &Exchange, upstream: UpstreamIndex) -> (String, Vec<(String, String)>) {
    let (settings, live) = exchange.state.upstream(upstream);
    let scheme = if live.way.tls().is_some() { Scheme::Https } else { Scheme::Http };
    let with = Onward {
        peer: exchange.peer.ip(),
        strip_prefix: exchange.route().and_then(|route| route.strip_prefix.as_deref()),
        upgrade: None,
        trailers: exchange.trailers,
        expects: false,
        trace: None,
        h2: (settings.protocol == UpstreamProtocol::H2).then_some(scheme),
    };
    let request = headers::onward(&exchange.head, with, Empty::<Bytes>::new());
    let line = format!("{} {} {:?}", request.method(), request.uri(), request.version());
    (line, pairs(request.headers(), false))
}

/// The answer that was recorded, or the one that is given.
fn assumed(exchange: &mut Exchange, upstream: UpstreamIndex, chosen: InFlight, given: &Given) -> Answer {
    let endpoint = Some(chosen.endpoint().clone());
    let attempt = Some(Attempt::new(chosen, exchange, upstream));
    let recorded = exchange.watch.as_ref().and_then(|watch| watch.last_answer());
    let (status, headers, upstream_time) = match recorded {
        Some(answer) => {
            exchange.record.attempts = answer.attempts;
            let status = StatusCode::from_u16(answer.status).unwrap_or_default();
            (status, fields(&answer.headers), Duration::from_micros(answer.upstream_us))
        }
        None => (given.status, given.headers.clone(), Duration::ZERO),
    };
    let head = ResponseHead { status, headers, endpoint };
    Answer { head, body: Body::default(), attempt, stream: None, upstream_time }
}

/// The request that was recorded, and what is known of its body.
fn head(request: &Request) -> Result<(RequestHead, Bytes), String> {
    use base64::Engine;
    let wrong = |key: &str, value: &str| format!("record.request.{key}: {value:?} is none");
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| wrong("method", &request.method))?;
    let authority = request.authority.parse().map_err(|_| wrong("authority", &request.authority))?;
    let target: PathAndQuery = request.target.parse().map_err(|_| wrong("target", &request.target))?;
    let body = base64::engine::general_purpose::STANDARD_NO_PAD.decode(&request.body);
    let body = Bytes::from(body.map_err(|_| wrong("body", &request.body))?);
    let head = RequestHead {
        method,
        version: match request.version.as_str() {
            "1.0" => Version::HTTP_10,
            "2" => Version::HTTP_2,
            "1.1" => Version::HTTP_11,
            other => return Err(wrong("version", other)),
        },
        scheme: if request.scheme == "https" { Scheme::Https } else { Scheme::Http },
        authority,
        target,
        headers: fields(&request.headers),
        client: request.client,
        server_name: request.server_name.as_deref().map(Arc::from),
        prefix: BodyPrefix { bytes: body.clone(), complete: request.body_complete },
    };
    Ok((head, body))
}

/// Those that are legal.
fn fields(pairs: &[(String, String)]) -> HeaderMap {
    let bytes = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect::<Vec<u8>>();
    let field = |(name, value): &(String, String)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(&bytes(value)).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().filter_map(field) {
        headers.append(name, value);
    }
    headers
}

fn refused(record: Record, cause: Cause) -> Rehearsed {
    let (status, headers, _) = cause.answer();
    Rehearsed {
        recorded: Recorded::default(),
        route: Arc::default(),
        upstream: Arc::default(),
        endpoint: Arc::default(),
        chosen_by: Arc::default(),
        why: record.why.clone(),
        onward: None,
        status: status.as_u16(),
        headers: pairs(&headers, false),
        lacks: Vec::new(),
    }
}

fn told(mut exchange: Exchange, answer: &Answer, onward: Sent) -> Rehearsed {
    let Watch { recorded, lacks, .. } = exchange.watch.take().map_or_else(Watch::default, |watch| *watch);
    let record = &exchange.record;
    Rehearsed {
        route: record.traffic.route.clone(),
        upstream: record.upstream.clone(),
        endpoint: record.endpoint.clone(),
        chosen_by: record.chosen_by.clone(),
        why: record.why.clone(),
        onward,
        status: answer.head.status.as_u16(),
        headers: pairs(&answer.head.headers, false),
        lacks,
        recorded,
    }
}
