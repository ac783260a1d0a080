//! What becomes of one request: chosen for, sent, worked on, answered, if need be sent once more, and over.

use std::time::Duration;

use super::{Event, Live, Place, Where, World, is_wanted};
use crate::author::simulate::backend::{Job, Taken, Ticket};
use crate::author::simulate::figures::Ended;
use crate::author::simulate::gateway::Reply;
use crate::author::simulate::requests::Request;
use crate::author::simulate::scenario::{Scenario, State};
use crate::plugin::Failure;

/// A client that got no answer does not ask again sooner.
const PAUSE: u64 = 1_000_000;

#[expect(clippy::indexing_slicing, reason = "positions come from the scenario, and places from the list itself")]
impl World<'_> {
    pub(super) fn come(&mut self, request: Request, client: Option<usize>) -> Result<(), Failure> {
        let live = Live {
            request,
            came: self.now,
            attempts: 0,
            tried: Vec::new(),
            attempt: None,
            tags: Vec::new(),
            waited: 0,
            client,
        };
        let place = self.free.pop().unwrap_or(self.places.len());
        if place == self.places.len() {
            self.places.push(Place::default());
        }
        self.places[place].live = Some(live);
        self.send(place, None)
    }

    /// Chooses an endpoint and sends it there; `last` is how the attempt before has ended.
    fn send(&mut self, place: usize, last: Option<(Reply, usize)>) -> Result<(), Failure> {
        let Place { number, live: Some(live) } = &mut self.places[place] else { return Ok(()) };
        let ticket = Ticket { place, number: *number };
        let gateway = &mut self.gateways[live.request.gateway];
        let Some(chosen) = gateway.choose(live.request.worker, &live.request.head, &live.tried, &mut live.tags)? else {
            self.finish(place, last);
            return Ok(());
        };
        live.attempts += 1;
        let (backend, came) = (chosen.backend, live.came);
        let way = one_way(self.scenario, live.request.gateway, backend);
        live.attempt = Some((chosen, self.now, Where::Going));
        self.figures.sent(backend, came, self.now);
        self.deadlines.push_back((self.now + self.scenario.health.response_timeout, ticket));
        if way == 0 {
            return self.reach(ticket);
        }
        self.agenda.note(self.now + way, Event::Reaches(ticket));
        Ok(())
    }

    pub(super) fn is_wanted(&self, ticket: Ticket) -> bool {
        is_wanted(&self.places, ticket)
    }

    pub(super) fn reach(&mut self, ticket: Ticket) -> Result<(), Failure> {
        if !self.is_wanted(ticket) {
            return Ok(());
        }
        let Some(Live { request, attempt: Some((chosen, _, place)), .. }) = &mut self.places[ticket.place].live else {
            return Ok(());
        };
        *place = Where::There;
        let backend = chosen.backend;
        let at_work = &mut self.backends[backend];
        let errs = matches!(at_work.condition.state, State::Up | State::Draining | State::Absent)
            && at_work.condition.errors > 0.0
            && self.errors.f64() < at_work.condition.errors;
        if errs {
            return self.give_back(ticket, Reply::Error);
        }
        let job = Job { ticket, key: request.key, work: request.work, since: self.now };
        match at_work.take(job) {
            Taken::Begun(takes) => {
                let life = at_work.life();
                self.agenda.note(self.now + takes, Event::Done(backend, life, ticket));
                Ok(())
            }
            Taken::Waits | Taken::Silence => Ok(()),
            Taken::Full => self.give_back(ticket, Reply::Full),
            Taken::Refused => self.give_back(ticket, Reply::Refused),
        }
    }

    /// A server is done with its work; the next one in line gets it.
    pub(super) fn done(&mut self, backend: usize, life: u32, ticket: Ticket) -> Result<(), Failure> {
        let at_work = &mut self.backends[backend];
        let answers = life == at_work.life() && at_work.condition.state != State::Hangs;
        let next = at_work.done(life, |ticket| is_wanted(&self.places, ticket));
        if let Some((job, takes)) = next {
            self.work(backend, job, takes);
        }
        if answers && self.is_wanted(ticket) { self.give_back(ticket, Reply::Answered) } else { Ok(()) }
    }

    /// Whoever stood in line is worked on from now on.
    pub(super) fn work(&mut self, backend: usize, job: Job, takes: u64) {
        if let Some(live) = &mut self.places[job.ticket.place].live {
            live.waited = self.now - job.since;
        }
        let life = self.backends[backend].life();
        self.agenda.note(self.now + takes, Event::Done(backend, life, job.ticket));
    }

    /// What became of it goes back to the gateway.
    fn give_back(&mut self, ticket: Ticket, reply: Reply) -> Result<(), Failure> {
        let Some(Live { request, attempt: Some((chosen, _, place)), .. }) = &mut self.places[ticket.place].live else {
            return Ok(());
        };
        *place = Where::Returning;
        match one_way(self.scenario, request.gateway, chosen.backend) {
            0 => self.conclude(ticket, reply),
            way => {
                self.agenda.note(self.now + way, Event::Returns(ticket, reply));
                Ok(())
            }
        }
    }

    /// An attempt has come to its end.
    pub(super) fn conclude(&mut self, ticket: Ticket, reply: Reply) -> Result<(), Failure> {
        if !self.is_wanted(ticket) {
            return Ok(());
        }
        let place = &mut self.places[ticket.place];
        place.number = place.number.wrapping_add(1);
        let Some(live) = &mut place.live else { return Ok(()) };
        let Some((chosen, sent, _)) = live.attempt.take() else { return Ok(()) };
        let backend = chosen.backend;
        self.figures.back(backend, live.came, self.now, reply);
        let gateway = &mut self.gateways[live.request.gateway];
        let (endpoint, took) = (chosen.in_flight.endpoint().clone(), Duration::from_nanos(self.now - sent));
        if reply != Reply::Answered {
            live.tried.push(endpoint.clone());
        }
        let Request { worker, key, head, .. } = &live.request;
        gateway.ended(*worker, chosen, reply, took, &live.tags);
        if reply != Reply::Answered && gateway.sends_again(reply, live.attempts, &live.tried) {
            live.waited = 0;
            return self.send(ticket.place, Some((reply, backend)));
        }
        if let Some(fields) = gateway.respond(*worker, head, &live.tags, (endpoint, reply), (live.attempts, took))? {
            self.requests.take_cookies(*key, &fields);
        }
        self.finish(ticket.place, Some((reply, backend)));
        Ok(())
    }

    /// A request is over.
    fn finish(&mut self, place: usize, last: Option<(Reply, usize)>) {
        let Some(live) = self.places[place].live.take() else { return };
        self.free.push(place);
        let reply = last.map(|(reply, _)| reply);
        self.figures.ended(&Ended {
            came: live.came,
            now: self.now,
            key: live.request.key,
            reply,
            backend: last.map_or(0, |(_, backend)| backend),
            waited: live.waited,
        });
        if let Some(client) = live.client {
            let pause = if reply == Some(Reply::Answered) { 0 } else { PAUSE };
            let at = self.now + self.think().max(pause);
            self.agenda.note(at, Event::Asks(client));
        }
    }
}

/// Half of the way there and back.
#[expect(clippy::indexing_slicing, reason = "positions come from the scenario")]
pub(super) fn one_way(scenario: &Scenario, gateway: usize, backend: usize) -> u64 {
    let (here, there) = (&scenario.gateways[gateway].zone, &scenario.endpoints[backend].settings.zone);
    let is_across = !here.is_empty() && !there.is_empty() && here != there;
    (if is_across { scenario.network.across } else { scenario.network.within }) / 2
}
