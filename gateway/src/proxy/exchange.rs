//! What is known of one exchange on its way, and the answer that it ends with.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Response};
use http_body::Body as _;

use super::attempt::Attempt;
use super::body::AnswerBody;
use super::error::Cause;
use super::headers::{Arrival, Intake, Upgrade};
use super::tunnel::Tunnel;
use super::watch::Watch;
use crate::config::model::{Retry, Route, RouteIndex, Timeouts, UpstreamIndex, UpstreamProtocol, UseIndex};
use crate::endpoint::Endpoint;
use crate::message::{Body, Interims, Replay, RequestHead};
use crate::observe::Record;
use crate::observe::trace::Context;
use crate::plugin::ResponseHead;
use crate::state::State;
use crate::upstream::{Ends, Place, Stream};

/// One request on its way.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) state: Rc<State>,
    pub(super) head: Arc<RequestHead>,
    /// The other end of the client's connection; IPv4-mapped addresses unmapped.
    pub(super) peer: SocketAddr,
    /// This end of it.
    local: SocketAddr,
    /// The request has no body.
    bodyless: bool,
    /// The client can take trailers.
    pub(super) trailers: bool,
    /// What its endpoint says before its answer.
    pub(super) interims: Arc<Interims>,
    /// The protocol that the client wants to change to, as far as the route allows it.
    pub(super) upgrade: Option<Upgrade>,
    pub(super) route: Option<RouteIndex>,
    pub(super) upstream: Option<UpstreamIndex>,
    pub(super) tags: Tags,
    /// Endpoints that were chosen before and did not do.
    pub(super) tried: Vec<Arc<Endpoint>>,
    /// How often all were tried, and could be again.
    pub(super) rounds: u32,
    /// The body, where it is kept to be sent once more.
    pub(super) replay: Option<Replay>,
    /// Its place at the upstream, between two attempts; none where places are not counted.
    pub(super) place: Option<Place>,
    /// Retries that plugins asked for and got.
    pub(super) plugin_retries: u32,
    /// The client is told why it went where it went.
    pub(super) explains: bool,
    /// Notes all of it, or plays one again.
    pub(super) watch: Option<Box<Watch>>,
    /// Where it stands in a trace, or its attempt; none where nobody is told of traces.
    pub(super) trace: Option<Context>,
    /// The time where it stands: read again wherever it may have waited.
    pub(super) now: Instant,
    pub(super) record: Box<Record>,
}

/// What uses attached to this exchange.
#[derive(Debug, Default)]
pub(super) struct Tags(Vec<(UseIndex, u64)>);

impl Tags {
    /// The last answer of a use decides.
    pub(super) fn set(&mut self, whose: UseIndex, tag: u64) {
        match self.0.iter_mut().find(|(index, _)| *index == whose) {
            Some((_, old)) => *old = tag,
            None if tag != 0 => self.0.push((whose, tag)),
            None => {}
        }
    }

    /// 0: nothing attached.
    pub(super) fn get(&self, whose: UseIndex) -> u64 {
        self.0.iter().find(|(index, _)| *index == whose).map_or(0, |(_, tag)| *tag)
    }
}

impl Exchange {
    pub(super) fn new(
        state: Rc<State>,
        intake: Intake,
        interims: Arc<Interims>,
        bodyless: bool,
        arrival: &Arrival<'_>,
        mut record: Box<Record>,
    ) -> Self {
        let head = intake.head;
        record.client = Some(head.client);
        record.method = head.method.clone();
        if record.is_read() {
            record.path = head.target.path().to_owned();
            record.host = head.authority.as_str().to_owned();
        }
        if let Some(traced) = &mut record.traced {
            traced.scheme = head.scheme.as_str();
        }
        Self {
            state,
            peer: SocketAddr::new(arrival.peer_address(), arrival.peer.port()),
            local: arrival.local,
            bodyless,
            trailers: intake.trailers,
            interims,
            upgrade: intake.upgrade,
            head: Arc::new(head),
            route: None,
            upstream: None,
            tags: Tags::default(),
            tried: Vec::new(),
            rounds: 0,
            replay: None,
            place: None,
            plugin_retries: 0,
            explains: false,
            watch: None,
            trace: None,
            now: record.started,
            record,
        }
    }

    /// The rule for this request.
    pub(super) fn find_route(&mut self) -> Result<RouteIndex, Cause> {
        let found = self.state.plan.table.find(&self.head).ok_or(Cause::NoRoute)?;
        self.route = Some(found);
        self.record.traffic = self.state.traffic(found).clone();
        self.record.traffic.begin(self.state.worker);
        if let Some(upgrade) = &self.upgrade
            && !upgrade.is_among(&self.state.route(found).upgrades)
        {
            if upgrade.is_connect() {
                return Err(Cause::NoUpgrade);
            }
            // RFC 9110 §7.8: it may be ignored.
            self.upgrade = None;
        }
        Ok(found)
    }

    /// What is configured for the route that was found.
    pub(super) fn route(&self) -> Option<&Route> {
        self.route.map(|route| self.state.route(route))
    }

    /// True if sending it twice does no harm (RFC 9110 §9.2.2) and nothing of it is gone when it was sent once.
    pub(super) fn is_replayable(&self) -> bool {
        self.head.method.is_idempotent() && self.is_whole()
    }

    /// True if all of it can be sent, whatever was sent of it before.
    pub(super) fn is_whole(&self) -> bool {
        self.bodyless || self.replay.as_ref().is_some_and(Replay::is_whole)
    }

    /// Keeps the body where that may be of use: it is short, and may be sent twice, or its endpoint can say over HTTP/2 that it has
    /// not processed what was sent.
    pub(super) fn keep(&mut self, body: &mut Body, upstream: UpstreamIndex) {
        let may_refuse = || self.state.upstream(upstream).0.protocol != UpstreamProtocol::Http1;
        if self.bodyless || self.replay.is_some() || !(self.head.method.is_idempotent() || may_refuse()) {
            return;
        }
        let Some(route) = self.route() else { return };
        let most = route.retry.body;
        if body.size_hint().lower() <= most as u64 {
            self.replay = Some(Replay::of(std::mem::take(body), most));
        }
    }

    /// What is sent with the next attempt: what was given back unsent, else the body from its beginning.
    pub(super) fn next_body(&self, unsent: &mut Body) -> Body {
        let again = self.replay.as_ref().filter(|_| unsent.is_empty()).and_then(Replay::body);
        again.unwrap_or_else(|| std::mem::take(unsent))
    }

    /// When it is sent once more.
    pub(super) fn retry(&self) -> Option<&Retry> {
        self.route().map(|route| &route.retry)
    }

    /// When all attempts together are to have given an answer's head.
    pub(super) fn in_all(&self) -> Instant {
        self.record.started + self.timeouts().total
    }

    /// When an attempt that began `then` is to have given an answer's head.
    pub(super) fn until(&self, then: Instant) -> Instant {
        let in_all = self.in_all();
        let per_try = self.retry().and_then(|retry| retry.per_try);
        per_try.map_or(in_all, |per_try| in_all.min(then + per_try))
    }

    /// The ends of the client's connection, for an endpoint that is told of them. Where proxies before have named the client, its
    /// port is not known.
    pub(super) fn ends(&self) -> Ends {
        let port = if self.head.client == self.peer.ip() { self.peer.port() } else { 0 };
        Ends { client: SocketAddr::new(self.head.client, port), gateway: self.local }
    }

    /// Bounds in time: the route's, or those of all.
    pub(super) fn timeouts(&self) -> &Timeouts {
        self.route().map_or(&self.state.plan.config.timeouts, |route| &route.timeouts)
    }

    /// An endpoint was of no use: the next one is another.
    pub(super) fn gave_nothing(&mut self, endpoint: Arc<Endpoint>) {
        self.tried.push(endpoint);
        self.now = Instant::now();
        if let Some(place) = &self.place {
            place.freed();
        }
    }

    /// Waits, if there is anything to wait for.
    pub(super) async fn wait(&mut self, wait: Duration) {
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
            self.now = Instant::now();
        }
    }
}

/// What goes out to the client.
#[derive(Debug)]
pub struct Answered {
    /// The head, and what streams behind it.
    pub response: Response<AnswerBody>,
    /// What comes after the head where the protocol changes with it.
    pub tunnel: Option<Box<Tunnel>>,
}

/// What the client gets.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: ResponseHead,
    pub(super) body: Body,
    /// The attempt that it comes from; none where the gateway answers.
    pub(super) attempt: Option<Box<Attempt>>,
    /// The endpoint's side of a changed protocol, and what was read of it already.
    pub(super) stream: Option<(Stream, Bytes)>,
    /// From the choice to the response head.
    pub(super) upstream_time: Duration,
}

impl From<Cause> for Answer {
    fn from(cause: Cause) -> Self {
        let (status, headers, body) = cause.answer();
        let head = ResponseHead { status, headers, endpoint: None };
        Self { head, body: Body::full(body), attempt: None, stream: None, upstream_time: Duration::ZERO }
    }
}

impl Answer {
    /// A HEAD request gets the head only (RFC 9110 §9.3.2); hyper sees to it for bodies that stream, not for our own.
    pub(super) fn hide_body_from(&mut self, method: &Method) {
        if *method == Method::HEAD && self.attempt.is_none() {
            self.body = Body::full(Bytes::new());
        }
    }

    /// Another one goes out in its place.
    pub(super) fn discard(self, now: Instant) {
        if let Some(mut attempt) = self.attempt
            && self.body.is_end_stream()
        {
            attempt.ended(now);
        }
    }

    /// The way out: the record goes along, and is written when the body has ended, or the tunnel that it has become; that one is
    /// cut as `timeouts` say.
    pub(super) fn into_response(self, mut record: Box<Record>, timeouts: &Timeouts) -> Answered {
        let Self { head, body, attempt, stream, .. } = self;
        record.answered(head.status.as_u16());
        let ResponseHead { status, headers, .. } = head;
        let (body, tunnel) = match (stream, attempt) {
            (Some(stream), Some(attempt)) => {
                (AnswerBody::default(), Some(Tunnel::new(stream, timeouts, attempt, record)))
            }
            (_, attempt) => (AnswerBody::new(body, attempt, record), None),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Answered { response, tunnel }
    }
}
