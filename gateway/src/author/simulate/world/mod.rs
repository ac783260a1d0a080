//! One run: requests come, gateways choose, endpoints work, answers go back, things happen on the way. Everything is an event with its
//! time; the clock jumps from one to the next. The same scenario, level and policy give the same run to the last event. What becomes of
//! one request is `journey`'s, what a scenario's changes do `changes`'.

mod changes;
mod journey;

use std::collections::VecDeque;
use std::sync::Arc;

use fastrand::Rng;

use super::agenda::Agenda;
use super::arrivals::Arrivals;
use super::backend::{Backend, Ticket};
use super::chain::Played;
use super::figures::Figures;
use super::gateway::{Chosen, Gateway, Reply};
use super::outcome::Outcome;
use super::random::{exponential, stream};
use super::requests::{Request, Requests};
use super::scenario::{Level, Process, Scenario};
use crate::author::{BEGINNING, Workshop};
use crate::endpoint::Endpoint;
use crate::observe::StandingClock;
use crate::plugin::{Failure, LoadError};

/// Between two looks at endpoints, and two hand-overs of outcomes: as in production.
const LOOK: u64 = 50_000_000;
/// Events between two reports of progress.
const REPORT: u64 = 8_192;

/// Why a run did not come to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// A plugin of the policy, by its position, does not take its configuration.
    Refused(usize, LoadError),
    /// The policy has failed after so many nanoseconds.
    Failed(u64, Failure),
}

#[derive(Debug)]
enum Event {
    /// The next request of those that wait for nobody, in the series that began with the last change of their rate.
    Comes(u32, usize),
    /// A client of a closed loop asks.
    Asks(usize),
    /// A request is at the endpoint.
    Reaches(Ticket),
    /// An endpoint's server has done its work, in that life of it.
    Done(usize, u32, Ticket),
    /// What became of an attempt is at the gateway.
    Returns(Ticket, Reply),
    Change(usize),
    Look,
    Check,
    /// A plugin of a gateway wants to be called, so often.
    Tick(usize, usize, u64),
}

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Going,
    There,
    Returning,
}

/// A request that is on its way.
#[derive(Debug)]
struct Live {
    request: Request,
    came: u64,
    attempts: u32,
    tried: Vec<Arc<Endpoint>>,
    attempt: Option<(Chosen, u64, Where)>,
    /// What the plugins have attached, by their positions.
    tags: Vec<u64>,
    waited: u64,
    client: Option<usize>,
}

/// A place for a request; the number says which attempt of which request is meant.
#[derive(Debug, Default)]
struct Place {
    number: u32,
    live: Option<Live>,
}

/// A world of its own for one policy at one level.
pub(super) struct World<'s> {
    scenario: &'s Scenario,
    clock: Arc<StandingClock>,
    now: u64,
    agenda: Agenda<Event>,
    /// By when attempts must have ended; in order, since all have the same time.
    deadlines: VecDeque<(u64, Ticket)>,
    gateways: Vec<Gateway>,
    backends: Vec<Backend>,
    requests: Requests<'s>,
    arrivals: Arrivals<'s>,
    series: u32,
    /// The gateway and worker of each client of a closed loop.
    clients: Vec<(usize, usize)>,
    thinking: Rng,
    errors: Rng,
    places: Vec<Place>,
    free: Vec<usize>,
    figures: Figures,
}

#[expect(clippy::indexing_slicing, reason = "positions come from the scenario, and places from the list itself")]
impl<'s> World<'s> {
    /// Before anything has happened.
    pub(super) fn new(
        workshop: &Workshop,
        policy: &[Played],
        scenario: &'s Scenario,
        level: Level,
    ) -> Result<Self, (usize, LoadError)> {
        let clock = StandingClock::at(BEGINNING);
        let gateway = |number| Gateway::new(workshop, policy, scenario, number, &clock);
        let gateways: Result<Vec<_>, _> = (0..scenario.gateways.len()).map(gateway).collect();
        let keys = match &scenario.process {
            Process::Recorded(recording) => recording.keys,
            _ => scenario.keys.count,
        };
        let mut requests = Requests::new(scenario);
        let clients = match scenario.process {
            Process::Closed { .. } => (0..level.value as usize).map(|_| requests.place()).collect(),
            _ => Vec::new(),
        };
        Ok(Self {
            scenario,
            now: 0,
            agenda: Agenda::new(),
            deadlines: VecDeque::new(),
            gateways: gateways?,
            backends: scenario.endpoints.iter().map(|endpoint| Backend::new(endpoint, &scenario.keys)).collect(),
            requests,
            arrivals: Arrivals::new(scenario, level),
            series: 0,
            clients,
            thinking: stream(scenario.seed, "thinking"),
            errors: stream(scenario.seed, "errors"),
            places: Vec::new(),
            free: Vec::new(),
            figures: Figures::new(scenario, keys),
            clock,
        })
    }

    /// Plays it to its end. `progress` is told from time to time which part of the run is over.
    pub(super) fn play(mut self, progress: &mut dyn FnMut(f64)) -> Result<Outcome, Stop> {
        self.begin();
        let mut events: u64 = 0;
        while let Some(event) = self.next() {
            events += 1;
            if events.is_multiple_of(REPORT) {
                progress((self.now as f64 / self.scenario.lasts as f64).min(1.0));
            }
            self.happen(event).map_err(|failure| Stop::Failed(self.now, failure))?;
        }
        Ok(self.end())
    }

    fn begin(&mut self) {
        for (number, change) in self.scenario.changes.iter().enumerate() {
            self.agenda.note(change.at, Event::Change(number));
        }
        self.agenda.note(LOOK, Event::Look);
        if self.scenario.health.check_every > 0 {
            self.agenda.note(0, Event::Check);
        }
        for (number, gateway) in self.gateways.iter().enumerate() {
            for (plugin, period) in gateway.tick_periods() {
                let period = period.as_nanos() as u64;
                self.agenda.note(period, Event::Tick(number, plugin, period));
            }
        }
        for client in 0..self.clients.len() {
            let at = self.think();
            self.agenda.note(at, Event::Asks(client));
        }
        self.await_next();
    }

    fn end(self) -> Outcome {
        let mut outcome = self.figures.outcome(self.scenario);
        for gateway in &self.gateways {
            outcome.passed += gateway.notes.passed;
            outcome.overridden += gateway.notes.overridden;
            outcome.retries += gateway.notes.retries;
        }
        for ((seen, backend), endpoint) in
            outcome.endpoints.iter_mut().zip(&self.backends).zip(&self.scenario.endpoints)
        {
            let whole = self.now.max(self.scenario.lasts) as f64 * f64::from(endpoint.servers);
            seen.utilization = super::figures::rounded(backend.worked as f64 / whole);
            seen.cache_hits = backend.hits;
        }
        outcome
    }

    /// The next event, at which the clock stands then; none: all is over.
    fn next(&mut self) -> Option<Event> {
        while let Some((at, ticket)) = self.deadlines.front().copied() {
            if self.agenda.next_at().is_some_and(|next| next <= at) {
                break;
            }
            self.deadlines.pop_front();
            if self.is_wanted(ticket) {
                self.advance(at);
                return Some(Event::Returns(ticket, Reply::TimedOut));
            }
        }
        let (at, event) = self.agenda.next()?;
        self.advance(at);
        Some(event)
    }

    fn advance(&mut self, to: u64) {
        self.now = to;
        self.clock.advance_to(to / 1_000);
    }

    /// True once no request comes any more, and none is on its way.
    fn is_over(&self) -> bool {
        self.now >= self.scenario.lasts && self.free.len() == self.places.len()
    }

    fn happen(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Comes(series, number) if series == self.series => {
                let request = match &self.scenario.process {
                    Process::Recorded(recording) => self.requests.recorded(&recording.exchanges[number]),
                    _ => {
                        let place = self.requests.place();
                        self.requests.any(place)
                    }
                };
                self.await_next();
                self.come(request, None)?;
            }
            Event::Comes(..) => {}
            Event::Asks(client) => {
                if self.now < self.scenario.lasts {
                    let request = self.requests.any(self.clients[client]);
                    self.come(request, Some(client))?;
                }
            }
            Event::Reaches(ticket) => self.reach(ticket)?,
            Event::Done(backend, life, ticket) => self.done(backend, life, ticket)?,
            Event::Returns(ticket, reply) => self.conclude(ticket, reply)?,
            Event::Change(number) => self.change(number),
            Event::Look => {
                self.gateways.iter_mut().for_each(Gateway::look);
                self.gateways.iter_mut().try_for_each(Gateway::observe)?;
                self.again(LOOK, Event::Look);
            }
            Event::Check => {
                let (backends, checks) = (&self.backends, self.scenario.health.checks);
                let state = |position: usize| backends.get(position).map(|backend| backend.condition.state);
                self.gateways.iter_mut().for_each(|gateway| gateway.check(checks, state));
                self.again(self.scenario.health.check_every, Event::Check);
            }
            Event::Tick(number, plugin, period) => {
                self.gateways[number].tick(plugin)?;
                self.again(period, Event::Tick(number, plugin, period));
            }
        }
        Ok(())
    }

    fn again(&mut self, period: u64, event: Event) {
        if !self.is_over() {
            self.agenda.note(self.now + period, event);
        }
    }

    /// Notes the next request of those that wait for nobody.
    fn await_next(&mut self) {
        if let Some((at, number)) = self.arrivals.after(self.now).filter(|(at, _)| *at < self.scenario.lasts) {
            self.agenda.note(at, Event::Comes(self.series, number));
        }
    }

    fn think(&mut self) -> u64 {
        match self.scenario.process {
            Process::Closed { think } => exponential(think as f64, &mut self.thinking) as u64,
            _ => 0,
        }
    }
}

fn is_wanted(places: &[Place], ticket: Ticket) -> bool {
    places.get(ticket.place).is_some_and(|place| place.number == ticket.number && place.live.is_some())
}
