//! Plays exchanges on a rig as the gateway would have them: hooks in their order, the veto, figures in flight, outcomes, ticks. What
//! a plugin must never do ends the play here, with the number of the event.

mod answers;
mod changes;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::scenario::{Fault, Scenario};
use crate::author::{AuthorError, Rig, Setting, Stage, Workshop};
use crate::config::model::WhenAllBad;
use crate::endpoint::{Endpoint, InFlight, Rules};
use crate::message::RequestHead;
use crate::observe::StandingClock;
use crate::plugin::{Failure, FailureKind, Hook, Named, Plugin, Routed, Selected};
use crate::upstream::Refused;

/// How often outcomes are handed over, as in a gateway.
const FEEDBACK: Duration = Duration::from_millis(50);
/// Outcomes of a call: a gateway that is busy hands over before.
const BATCH: usize = 128;

/// What the kit runs, and what is given by the command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) workshop: &'a Workshop,
    pub(super) plugin: &'a Arc<Plugin>,
    pub(super) scenario: &'a Scenario,
    /// JSON text.
    pub(super) config: &'a str,
    pub(super) seed: u64,
}

/// Where something broke, and what.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    /// The number of the exchange or change at which it did, from 1.
    pub(super) event: u64,
    pub(super) message: String,
    /// It took too long, which may be the machine's fault.
    pub(super) slow: bool,
}

/// What became of an exchange.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// What the plugin said, as far as it was asked: in selection, else in routing.
    pub(super) said: Said,
    /// The endpoint of the last attempt, by id.
    pub(super) endpoint: Option<Arc<str>>,
    /// The endpoints of all attempts, by id.
    pub(super) tried: Vec<Arc<str>>,
    /// The upstream that a routing plugin chose, or the first.
    pub(super) upstream: Option<Arc<str>>,
    /// The status with which the gateway answers itself.
    pub(super) status: Option<u16>,
    /// The request as it was sent.
    pub(super) head: Option<Arc<RequestHead>>,
    /// The answer's fields as the client gets them.
    pub(super) answer: HeaderMap,
}

/// What a plugin says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Said {
    /// It was not asked.
    #[default]
    Nothing,
    Pass,
    /// The host took it.
    Choice(usize),
    /// The host did not take it.
    Refused(usize),
    Answer(u16),
}

/// How a request is answered.
#[derive(Clone, Copy)]
pub(super) struct Answering<'a> {
    pub(super) fails: &'a dyn Fn(&str) -> Option<Fault>,
    pub(super) latency: Duration,
    pub(super) attempts: u32,
    pub(super) hold: usize,
    pub(super) headers: &'a HeaderMap,
}

pub(super) struct Player {
    pub(super) rig: Rig,
    pub(super) events: u64,
    workers: usize,
    held: VecDeque<InFlight>,
    /// In flight because the scenario says so.
    set: HashMap<Arc<str>, Vec<InFlight>>,
    unheard: usize,
    next_feedback: u64,
    next_tick: Option<u64>,
}

impl Player {
    pub(super) fn new(case: Case<'_>, entropy: u64) -> Result<Self, AuthorError> {
        let Scenario { workers, hash_seed, zone, upstreams, .. } = case.scenario;
        let endpoints = case.scenario.endpoint.iter().map(|endpoint| endpoint.settings()).collect();
        let rules = Rules { when_all_bad: WhenAllBad::Refuse, slow_start: None };
        let clock = StandingClock::at(crate::author::BEGINNING);
        let stage = Stage::new("app", &clock, endpoints, rules);
        let others = |name: &String| Named { name: name.as_str().into(), set: stage.upstream().set.clone() };
        let setting = Setting {
            config: case.config.to_owned(),
            workers: *workers as usize,
            seed: case.seed,
            hash_seed: *hash_seed,
            entropy,
            zone: zone.clone(),
            limits: case.scenario.limits(),
            upstreams: upstreams.iter().map(others).collect(),
        };
        let rig = case.workshop.rig(case.plugin, &stage, setting);
        let rig = rig.map_err(|error| AuthorError::Plugin(case.plugin.name.clone(), error))?;
        let next_tick = rig.slot(0).tick_period().map(|period| period.as_micros() as u64);
        Ok(Self {
            workers: rig.workers(),
            rig,
            events: 0,
            held: VecDeque::new(),
            set: HashMap::new(),
            unheard: 0,
            next_feedback: FEEDBACK.as_micros() as u64,
            next_tick,
        })
    }

    pub(super) fn stage(&self) -> &Arc<Stage> {
        self.rig.stage()
    }

    pub(super) fn broken(&self, message: impl Into<String>) -> Broken {
        Broken { event: self.events, message: message.into(), slow: false }
    }

    fn failed(&self, hook: Hook) -> impl Fn(Failure) -> Broken {
        let event = self.events;
        move |failure| Broken {
            event,
            message: format!("`{}` failed: {failure}", hook.as_str()),
            slow: matches!(failure.kind(), FailureKind::Deadline | FailureKind::WallStop),
        }
    }

    /// One exchange.
    pub(super) fn exchange(&mut self, head: Arc<RequestHead>, answering: &Answering<'_>) -> Result<Gone, Broken> {
        self.events += 1;
        let worker = (self.events as usize - 1) % self.workers;
        let mut gone = Gone { head: Some(head), ..Gone::default() };
        let mut tag = 0;
        if let Some(head) = gone.head.as_mut().and_then(Arc::get_mut) {
            let shown = self.rig.slot(worker).hold_body().min(head.prefix.bytes.len());
            head.prefix.complete = shown == head.prefix.bytes.len();
            head.prefix.bytes.truncate(shown);
        }
        if self.has(Hook::Routing) {
            let routed = gone.head.as_mut().map(|head| self.rig.route(worker, head)).transpose();
            tag = self.routed(routed.map_err(self.failed(Hook::Routing))?, &mut gone);
        }
        let Some(head) = gone.head.clone() else { return Ok(gone) };
        if gone.status.is_some() {
            return Ok(gone);
        }
        self.attempts(worker, &head, answering, &mut gone, &mut tag)?;
        if self.has(Hook::Response) {
            self.answered(worker, &head, answering, &mut gone, tag)?;
        }
        Ok(gone)
    }

    fn routed(&self, routed: Option<Routed>, gone: &mut Gone) -> u64 {
        let upstreams = &self.rig.owner().upstreams;
        let name = |index: usize| upstreams.get(index).map(|upstream: &Named| upstream.name.clone());
        let (said, upstream, tag) = match routed {
            Some(Routed::Upstream(index, tag)) => (Said::Choice(index), name(index), tag),
            Some(Routed::Reply(status, _)) => {
                gone.status = Some(status.as_u16());
                (Said::Answer(status.as_u16()), None, 0)
            }
            Some(Routed::Pass(tag)) => (Said::Pass, name(0), tag),
            None => (Said::Pass, name(0), 0),
        };
        (gone.said, gone.upstream) = (said, upstream);
        tag
    }

    fn attempts(
        &mut self,
        worker: usize,
        head: &Arc<RequestHead>,
        answering: &Answering<'_>,
        gone: &mut Gone,
        tag: &mut u64,
    ) -> Result<(), Broken> {
        let mut tried: Vec<Arc<Endpoint>> = Vec::new();
        for _ in 0..answering.attempts {
            let Some(endpoint) = self.chosen(worker, head, &tried, gone, tag)? else { break };
            let fault = (answering.fails)(&endpoint.settings.id);
            self.went(worker, &endpoint, fault, answering, *tag);
            gone.endpoint = Some(endpoint.settings.id.clone());
            gone.tried.push(endpoint.settings.id.clone());
            tried.push(endpoint);
            if fault.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Where the next attempt goes.
    fn chosen(
        &mut self,
        worker: usize,
        head: &Arc<RequestHead>,
        tried: &[Arc<Endpoint>],
        gone: &mut Gone,
        tag: &mut u64,
    ) -> Result<Option<Arc<Endpoint>>, Broken> {
        let members = self.stage().members();
        if !self.has(Hook::Selection) {
            let random = self.rig.moment().random;
            let drawn = crate::upstream::fallback(&members, tried, random);
            return Ok(drawn.and_then(|index| members.endpoints.get(index).cloned()));
        }
        let choice = self.rig.choose(worker, head, tried);
        gone.said = match choice.said.map_err(self.failed(Hook::Selection))? {
            Selected::Pass(_) => Said::Pass,
            Selected::Reject(status) => {
                gone.status = Some(status.as_u16());
                Said::Answer(status.as_u16())
            }
            Selected::Endpoint(index, _) => {
                if let Some(refused @ (Refused::Unhealthy | Refused::Draining)) = choice.refused {
                    let id = members.endpoints.get(index).map_or("?", |endpoint| &endpoint.settings.id);
                    return Err(self.broken(format!("it chose `{id}`, which is {}", refused.as_str())));
                }
                if choice.refused.is_some() { Said::Refused(index) } else { Said::Choice(index) }
            }
        };
        *tag = choice.tag;
        Ok(choice.endpoint.and_then(|index| members.endpoints.get(index).cloned()))
    }

    pub(super) fn has(&self, hook: Hook) -> bool {
        self.rig.slot(0).plugin.has(hook)
    }
}
