//! What happens on the way, by the scenario.

use super::journey::one_way;
use super::{Event, Place, Where, World, is_wanted};
use crate::author::simulate::backend::Ticket;
use crate::author::simulate::gateway::Reply;
use crate::author::simulate::scenario::{Condition, State};

#[expect(clippy::indexing_slicing, reason = "positions come from the scenario, and places from the list itself")]
impl World<'_> {
    pub(super) fn change(&mut self, number: usize) {
        let change = &self.scenario.changes[number];
        self.figures.changed(number);
        for &backend in &change.endpoints {
            let before = self.backends[backend].condition;
            self.backends[backend].condition = Condition {
                state: change.state.unwrap_or(before.state),
                speed: change.speed.unwrap_or(before.speed),
                errors: change.errors.unwrap_or(before.errors),
            };
            match change.state {
                Some(State::Down) if before.state != State::Down => self.crash(backend),
                Some(State::Up | State::Draining | State::Absent) if before.state == State::Hangs => self.wake(backend),
                _ => {}
            }
        }
        if change.state.is_some() {
            let backends = &self.backends;
            let condition = |position: usize| backends[position].condition;
            self.gateways.iter_mut().for_each(|gateway| gateway.change(self.scenario, condition));
        }
        if let Some(factor) = change.arrivals {
            self.series += 1;
            self.arrivals.set_factor(factor);
            self.await_next();
        }
    }

    /// All that is there breaks off; gateways learn of it by the network.
    fn crash(&mut self, backend: usize) {
        self.backends[backend].crash();
        for place in 0..self.places.len() {
            let Place { number, live: Some(live) } = &mut self.places[place] else { continue };
            let Some((chosen, _, at)) = &mut live.attempt else { continue };
            if chosen.backend == backend && *at == Where::There {
                *at = Where::Returning;
                let way = one_way(self.scenario, live.request.gateway, backend);
                let ticket = Ticket { place, number: *number };
                self.agenda.note(self.now + way, Event::Returns(ticket, Reply::Reset));
            }
        }
    }

    fn wake(&mut self, backend: usize) {
        while let Some((job, takes)) = self.backends[backend].wake(|ticket| is_wanted(&self.places, ticket)) {
            self.work(backend, job, takes);
        }
    }
}
