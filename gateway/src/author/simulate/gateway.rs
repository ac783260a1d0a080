//! A gateway as far as choosing goes: a use of the policy with a slot for each worker, what it knows of endpoints from its own
//! requests, the host's veto and fallback, retries, ejection, health checks. All of these are production's own code on a clock that is
//! moved by hand; what is left out is the network.

use std::sync::Arc;
use std::time::Duration;

use super::scenario::{self, Condition, Scenario, State};
use crate::author::{Rig, Setting, Stage, Workshop};
use crate::config::model;
use crate::endpoint::{CheckVerdict, Endpoint, InFlight, Rules};
use crate::message::RequestHead;
use crate::observe::StandingClock;
use crate::plugin::{Failure, Hook, LoadError, Outcome, OutcomeKind, Plugin, Selected};
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
    pub(super) tag: u64,
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
    rig: Rig,
    upstream: Arc<Upstream>,
    /// Positions of its members among the scenario's endpoints.
    there: Vec<usize>,
    /// Checks in a row that speak against the verdict, of all endpoints of the scenario.
    against: Vec<u32>,
    wants_outcomes: bool,
    response_timeout: Duration,
    extra_attempts: u32,
    pub(super) notes: Notes,
}

impl Gateway {
    /// The gateway of that number, before anything has happened.
    pub(super) fn new(
        workshop: &Workshop,
        plugin: &Arc<Plugin>,
        config: &str,
        scenario: &Scenario,
        number: usize,
        clock: &Arc<StandingClock>,
    ) -> Result<Self, LoadError> {
        let settings = &scenario.health.upstream;
        let rules = Rules { when_all_bad: settings.when_all_bad, slow_start: settings.slow_start };
        let (there, members) = present(scenario, |endpoint, _| endpoint.condition);
        let stage = Stage::new(&settings.name, clock, members, rules);
        let kind = scenario.gateways.get(number);
        let setting = Setting {
            config: config.to_owned(),
            workers: kind.map_or(1, |kind| kind.workers),
            seed: super::random::stream(scenario.seed, &format!("policy of gateway {number}")).u64(..),
            zone: kind.map_or_else(String::new, |kind| kind.zone.clone()),
            ..Setting::default()
        };
        let upstream = Upstream::around(settings, stage.upstream().set.clone(), clock.instant());
        let mut gateway = Self {
            rig: workshop.rig(plugin, &stage, setting)?,
            upstream,
            there,
            against: vec![0; scenario.endpoints.len()],
            wants_outcomes: plugin.has(Hook::Feedback),
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
    ) -> Result<Option<Chosen>, Failure> {
        let choice = self.rig.choose(worker, head, tried);
        match choice.said? {
            Selected::Reject(_) => self.notes.rejected += 1,
            Selected::Pass(_) => self.notes.passed += 1,
            Selected::Endpoint(..) if choice.refused.is_some() => self.notes.overridden += 1,
            Selected::Endpoint(..) => {}
        }
        let members = self.upstream.set.load();
        let endpoint = choice.endpoint.and_then(|index| members.endpoints.get(index).zip(self.there.get(index)));
        // It was not full a moment ago, and nobody else is at work.
        Ok(endpoint.and_then(|(endpoint, backend)| {
            let in_flight = endpoint.enter()?;
            endpoint.attempted();
            Some(Chosen { backend: *backend, in_flight, tag: choice.tag })
        }))
    }

    /// An attempt has ended so, after `latency`: what that means for figures, ejection and the policy.
    pub(super) fn ended(&mut self, worker: usize, chosen: Chosen, reply: Reply, latency: Duration) {
        let endpoint = chosen.in_flight.endpoint().clone();
        drop(chosen.in_flight);
        let now = self.rig.stage().clock.instant();
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
        if self.wants_outcomes {
            self.rig.note(worker, &Outcome { endpoint, tag: chosen.tag, kind, status, latency });
        }
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
        self.upstream.look(self.rig.stage().clock.instant());
    }

    /// Hands outcomes to the policy, where it wants them.
    ///
    /// # Errors
    /// How it failed.
    pub(super) fn observe(&mut self) -> Result<(), Failure> {
        if self.wants_outcomes { self.rig.observe() } else { Ok(()) }
    }

    /// How often the policy wants to be called, of one worker for all.
    pub(super) fn tick_period(&self) -> Option<Duration> {
        self.rig.slot(0).tick_period()
    }

    /// Calls it.
    ///
    /// # Errors
    /// How it failed.
    pub(super) fn tick(&mut self) -> Result<(), Failure> {
        self.rig.tick()
    }

    /// Asks every endpoint whether it is there; so many answers in a row make another verdict, and the first one makes one at once.
    pub(super) fn check(&mut self, checks: u32, state: impl Fn(usize) -> Option<State>) {
        let members = self.rig.stage().members();
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
        self.rig.stage().refresh();
    }

    /// Endpoints have come or gone, or are to get nothing new.
    pub(super) fn change(&mut self, scenario: &Scenario, condition: impl Fn(usize) -> Condition) {
        let (there, members) = present(scenario, |_, position| condition(position));
        if there != self.there {
            self.there = there;
            self.rig.stage().change(members);
        }
        self.drain(|position| Some(condition(position).state));
    }

    fn drain(&mut self, state: impl Fn(usize) -> Option<State>) {
        let members = self.rig.stage().members();
        for (endpoint, position) in members.endpoints.iter().zip(&self.there) {
            endpoint.set_drained(state(*position) == Some(State::Draining));
        }
        self.rig.stage().refresh();
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
