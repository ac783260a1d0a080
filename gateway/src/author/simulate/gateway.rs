//! A gateway as far as choosing goes: uses of the policy's plugins with a slot for each worker, what it knows of endpoints from its own
//! requests, the host's veto and fallback, retries, ejection, health checks. All of these are production's own code on a clock that is
//! moved by hand; what is left out is the network.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::chain::{Answer, Chain, Played};
use super::scenario::{self, Condition, Scenario, State};
use crate::author::{Setting, Stage, Workshop};
use crate::config::model;
use crate::endpoint::{CheckVerdict, Endpoint, InFlight, Rules};
use crate::message::RequestHead;
use crate::observe::StandingClock;
use crate::plugin::{Failure, LoadError, Outcome, OutcomeKind};
use crate::upstream::{Upstream, fallback};

/// Of an upstream's requests, at most so many per mille are sent once more: the default of configurations.
const RETRY_BUDGET: u32 = 200;

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Answered,
    /// 500: one of its errors.
    Error,
    /// 503: no room in its line.
    Full,
    /// No connection.
    Refused,
    /// It broke off.
    Reset,
    /// No answer in time.
    TimedOut,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Position among the scenario's endpoints.
    pub(super) backend: usize,
    pub(super) in_flight: InFlight,
}

/// How often a gateway did not go by the policy's first word.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Notes {
    /// The policy had no opinion, so that the host drew.
    pub(super) passed: u64,
    /// The host did not take its choice.
    pub(super) overridden: u64,
    /// The policy refused the request.
    pub(super) rejected: u64,
    pub(super) retries: u64,
}

/// One gateway.
#[derive(Debug)]
pub(super) struct Gateway {
    chain: Chain,
    stage: Arc<Stage>,
    upstream: Arc<Upstream>,
    /// Positions of its members among the scenario's endpoints.
    there: Vec<usize>,
    /// Checks in a row that speak against the verdict, of all endpoints of the scenario.
    against: Vec<u32>,
    response_timeout: Duration,
    extra_attempts: u32,
    pub(super) notes: Notes,
}

impl Gateway {
    /// The gateway of that number, before anything has happened.
    pub(super) fn new(
        workshop: &Workshop,
        policy: &[Played],
        scenario: &Scenario,
        number: usize,
        clock: &Arc<StandingClock>,
    ) -> Result<Self, (usize, LoadError)> {
        let settings = &scenario.health.upstream;
        let rules = Rules { when_all_bad: settings.when_all_bad, slow_start: settings.slow_start };
        let (there, members) = present(scenario, |endpoint, _| endpoint.condition);
        let stage = Stage::new(&settings.name, clock, members, rules);
        let kind = scenario.gateways.get(number);
        let setting = Setting {
            workers: kind.map_or(1, |kind| kind.workers),
            seed: super::random::stream(scenario.seed, &format!("policy of gateway {number}")).u64(..),
            zone: kind.map_or_else(String::new, |kind| kind.zone.clone()),
            ..Setting::default()
        };
        let upstream = Upstream::around(settings, stage.upstream().set.clone(), clock.instant());
        let mut gateway = Self {
            chain: Chain::new(workshop, policy, &stage, &setting)?,
            stage,
            upstream,
            there,
            against: vec![0; scenario.endpoints.len()],
            response_timeout: Duration::from_nanos(scenario.health.response_timeout),
            extra_attempts: scenario.health.extra_attempts,
            notes: Notes::default(),
        };
        gateway.drain(|position| scenario.endpoints.get(position).map(|endpoint| endpoint.condition.state));
        Ok(gateway)
    }

    /// An endpoint for a request; none if nobody may be chosen, or the policy refuses it.
    ///
    /// # Errors
    /// How the policy failed.
    pub(super) fn choose(
        &mut self,
        worker: usize,
        head: &Arc<RequestHead>,
        tried: &[Arc<Endpoint>],
        tags: &mut Vec<u64>,
    ) -> Result<Option<Chosen>, Failure> {
        let said = self.chain.select(worker, head, tried, tags)?;
        self.notes.rejected += u64::from(said.rejected);
        self.notes.passed += u64::from(said.passed);
        self.notes.overridden += said.overridden;
        let members = self.upstream.set.load();
        let endpoint = said.endpoint.and_then(|index| members.endpoints.get(index).zip(self.there.get(index)));
        // It was not full a moment ago, and nobody else is at work.
        Ok(endpoint.and_then(|(endpoint, backend)| {
            let in_flight = endpoint.enter()?;
            endpoint.attempted();
            Some(Chosen { backend: *backend, in_flight })
        }))
    }

    /// An attempt has ended so, after `latency`: what that means for figures, ejection and the policy.
    pub(super) fn ended(&mut self, worker: usize, chosen: Chosen, reply: Reply, latency: Duration, tags: &[u64]) {
        let endpoint = chosen.in_flight.endpoint().clone();
        drop(chosen.in_flight);
        let now = self.stage.clock.instant();
        let (kind, status) = match reply {
            Reply::Answered => (OutcomeKind::Success, 200),
            Reply::Error => (OutcomeKind::ServerError, 500),
            Reply::Full => (OutcomeKind::ServerError, 503),
            Reply::Refused => (OutcomeKind::ConnectFailed, 0),
            Reply::Reset => (OutcomeKind::Reset, 0),
            Reply::TimedOut => (OutcomeKind::TimedOut, 0),
        };
        match reply {
            Reply::Answered => {
                endpoint.sample_latency(latency, now);
                self.upstream.answered(&endpoint, status, || now);
            }
            Reply::Error | Reply::Full => {
                endpoint.sample_error(latency, now);
                self.upstream.answered(&endpoint, status, || now);
            }
            Reply::Refused | Reply::Reset | Reply::TimedOut => {
                endpoint.sample_latency(latency.max(self.response_timeout), now);
                self.upstream.failed(&endpoint, || now);
            }
        }
        self.chain.note(worker, &Outcome { endpoint, tag: 0, kind, status, latency }, tags);
    }

    /// What the policy adds to an answer, if it asks to see that; without one of an endpoint it is not asked.
    ///
    /// # Errors
    /// How it failed.
    pub(super) fn respond(
        &mut self,
        worker: usize,
        head: &Arc<RequestHead>,
        tags: &[u64],
        (endpoint, reply): (Arc<Endpoint>, Reply),
        (attempts, took): (u32, Duration),
    ) -> Result<Option<HeaderMap>, Failure> {
        let status = match reply {
            Reply::Answered => StatusCode::OK,
            Reply::Error => StatusCode::INTERNAL_SERVER_ERROR,
            Reply::Full => StatusCode::SERVICE_UNAVAILABLE,
            Reply::Refused | Reply::Reset | Reply::TimedOut => return Ok(None),
        };
        self.chain.respond(worker, head, tags, &Answer { endpoint, status, attempts, took })
    }

    /// Whether a request is sent once more that was sent so often and ended so; `tried` are all that it was sent to.
    pub(super) fn sends_again(&mut self, reply: Reply, attempts: u32, tried: &[Arc<Endpoint>]) -> bool {
        let is_harmless = matches!(reply, Reply::Refused | Reply::Reset);
        let again = is_harmless
            && attempts <= self.extra_attempts
            && fallback(&self.upstream.set.load(), tried, 0).is_some()
            && self.upstream.take_retry(RETRY_BUDGET);
        self.notes.retries += u64::from(again);
        again
    }

    /// What production does by the clock.
    pub(super) fn look(&mut self) {
        self.upstream.look(self.stage.clock.instant());
    }

    /// Hands outcomes to the policy, where it wants them.
    ///
    /// # Errors
    /// How it failed.
    pub(super) fn observe(&mut self) -> Result<(), Failure> {
        self.chain.observe()
    }

    /// Which plugins of the policy want to be called, and how often, of one worker for all.
    pub(super) fn tick_periods(&self) -> impl Iterator<Item = (usize, Duration)> {
        self.chain.tick_periods()
    }

    /// Calls one.
    ///
    /// # Errors
    /// How it failed.
    pub(super) fn tick(&mut self, plugin: usize) -> Result<(), Failure> {
        self.chain.tick(plugin)
    }

    /// Asks every endpoint whether it is there; so many answers in a row make another verdict, and the first one makes one at once.
    pub(super) fn check(&mut self, checks: u32, state: impl Fn(usize) -> Option<State>) {
        let members = self.stage.members();
        for (endpoint, position) in members.endpoints.iter().zip(&self.there) {
            let is_good = !matches!(state(*position), Some(State::Down | State::Hangs) | None);
            let found = if is_good { CheckVerdict::Good } else { CheckVerdict::Bad };
            let Some(against) = self.against.get_mut(*position) else { continue };
            let known = endpoint.checked();
            *against = if known == found { 0 } else { *against + 1 };
            if known != found && (known == CheckVerdict::Unknown || *against >= checks) {
                endpoint.set_checked(found, None);
                *against = 0;
            }
        }
        self.stage.refresh();
    }

    /// Endpoints have come or gone, or are to get nothing new.
    pub(super) fn change(&mut self, scenario: &Scenario, condition: impl Fn(usize) -> Condition) {
        let (there, members) = present(scenario, |_, position| condition(position));
        if there != self.there {
            self.there = there;
            self.stage.change(members);
        }
        self.drain(|position| Some(condition(position).state));
    }

    fn drain(&mut self, state: impl Fn(usize) -> Option<State>) {
        let members = self.stage.members();
        for (endpoint, position) in members.endpoints.iter().zip(&self.there) {
            endpoint.set_drained(state(*position) == Some(State::Draining));
        }
        self.stage.refresh();
    }
}

/// The endpoints that gateways know of: their positions, and their settings.
fn present(
    scenario: &Scenario,
    condition: impl Fn(&scenario::Endpoint, usize) -> Condition,
) -> (Vec<usize>, Vec<model::Endpoint>) {
    let all = scenario.endpoints.iter().enumerate();
    let there = all.filter(|(position, endpoint)| condition(endpoint, *position).state != State::Absent);
    there.map(|(position, endpoint)| (position, endpoint.settings.clone())).unzip()
}
