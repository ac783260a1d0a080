//! An endpoint at work: so many servers, one line before them, first come, first served; what it keeps of keys; and its
//! conditions, which change on the way. It knows no gateway.

use std::collections::VecDeque;

use super::cache::Recent;
use super::scenario::{Condition, Endpoint, Keys, State};

/// A request at an endpoint, by its place among those that are on their way. Once what it was for is over, another number
/// stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) place: usize,
    pub(super) number: u32,
}

/// What a request brings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) ticket: Ticket,
    pub(super) key: u32,
    /// Nanoseconds at speed 1.
    pub(super) work: f64,
    /// When it reached the endpoint.
    pub(super) since: u64,
}

/// What an endpoint does with a request that reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is done after so many nanoseconds.
    Begun(u64),
    /// It stands in line.
    Waits,
    /// There is no room in the line.
    Full,
    /// There is no connection.
    Refused,
    /// Nothing comes of it.
    Silence,
}

/// An endpoint at work.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) condition: Condition,
    servers: u32,
    queue: usize,
    busy: u32,
    waiting: VecDeque<Job>,
    cache: Option<(Recent, f64)>,
    /// How often it has started; who was busy before has nothing to say after.
    life: u32,
    /// Requests whose key was there.
    pub(super) hits: u64,
    /// Nanoseconds of all servers at work.
    pub(super) worked: u64,
}

impl Backend {
    pub(super) fn new(endpoint: &Endpoint, keys: &Keys) -> Self {
        Self {
            condition: endpoint.condition,
            servers: endpoint.servers,
            queue: endpoint.queue.map_or(usize::MAX, |queue| queue as usize),
            busy: 0,
            waiting: VecDeque::new(),
            cache: keys.cache.map(|cache| (Recent::new(cache.keys), cache.hit)),
            life: 0,
            hits: 0,
            worked: 0,
        }
    }

    pub(super) fn take(&mut self, job: Job) -> Taken {
        match self.condition.state {
            State::Down => Taken::Refused,
            State::Hangs => Taken::Silence,
            State::Up | State::Draining | State::Absent if self.busy < self.servers => Taken::Begun(self.begin(&job)),
            _ if self.waiting.len() >= self.queue => Taken::Full,
            _ => {
                self.waiting.push_back(job);
                Taken::Waits
            }
        }
    }

    /// How long it takes, from now on.
    fn begin(&mut self, job: &Job) -> u64 {
        self.busy += 1;
        let mut part = 1.0;
        if let Some((recent, hit)) = &mut self.cache
            && recent.take(job.key)
        {
            self.hits += 1;
            part = *hit;
        }
        let takes = (job.work * part / self.condition.speed) as u64;
        self.worked += takes;
        takes
    }

    /// One server has done its work of that life. The next one in line, with how long it takes; `wanted` says who is still
    /// waited for.
    pub(super) fn done(&mut self, life: u32, wanted: impl Fn(Ticket) -> bool) -> Option<(Job, u64)> {
        if life != self.life {
            return None;
        }
        self.busy = self.busy.saturating_sub(1);
        if matches!(self.condition.state, State::Hangs) {
            return None;
        }
        self.next(wanted)
    }

    fn next(&mut self, wanted: impl Fn(Ticket) -> bool) -> Option<(Job, u64)> {
        if self.busy >= self.servers {
            return None;
        }
        while let Some(job) = self.waiting.pop_front() {
            if wanted(job.ticket) {
                let takes = self.begin(&job);
                return Some((job, takes));
            }
        }
        None
    }

    pub(super) fn life(&self) -> u32 {
        self.life
    }

    /// It goes down: all that it had is lost, and what it kept of keys.
    pub(super) fn crash(&mut self) {
        self.life += 1;
        self.busy = 0;
        self.waiting.clear();
        if let Some((recent, _)) = &mut self.cache {
            recent.clear();
        }
    }

    /// It goes on after it hung: whoever is next in line, if a server is idle.
    pub(super) fn wake(&mut self, wanted: impl Fn(Ticket) -> bool) -> Option<(Job, u64)> {
        self.next(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::author::endpoint;
    use crate::author::simulate::scenario::{Cache, KeyPlace};

    fn backend(servers: u32, queue: Option<u32>, cache: Option<Cache>) -> Backend {
        let condition = Condition { state: State::Up, speed: 2.0, errors: 0.0 };
        let keys = Keys { count: 1, zipf: 0.0, place: KeyPlace::ClientIp, cache };
        Backend::new(&Endpoint { settings: endpoint("e"), servers, queue, condition }, &keys)
    }

    fn job(place: usize) -> Job {
        Job { ticket: Ticket { place, number: 0 }, key: 7, work: 100.0, since: 0 }
    }

    #[test]
    fn who_comes_first_is_served_first_and_the_line_has_an_end() {
        let mut one = backend(1, Some(2), None);
        let taken: Vec<Taken> = (0..4).map(|place| one.take(job(place))).collect();
        assert_eq!(taken, [Taken::Begun(50), Taken::Waits, Taken::Waits, Taken::Full]);
        // The first in line has gone away.
        let next = one.done(0, |ticket| ticket.place != 1);
        assert!(matches!(next, Some((Job { ticket: Ticket { place: 2, .. }, .. }, 50))), "{next:?}");
        assert!(one.done(0, |_| true).is_none());
        assert_eq!(one.worked, 100);
    }

    #[test]
    fn a_crash_ends_all_and_a_key_that_is_there_is_quick() {
        let mut two = backend(2, None, Some(Cache { keys: 10, hit: 0.1 }));
        assert_eq!(
            [two.take(job(0)), two.take(job(1)), two.take(job(2))],
            [Taken::Begun(50), Taken::Begun(5), Taken::Waits]
        );
        let before = two.life();
        two.crash();
        two.condition.state = State::Down;
        assert_eq!(two.take(job(3)), Taken::Refused);
        assert!(two.done(before, |_| true).is_none());
        two.condition.state = State::Up;
        assert_eq!(two.take(job(4)), Taken::Begun(50), "what it kept is gone");
        assert_eq!(two.hits, 1);
    }

    #[test]
    fn who_hangs_answers_nobody() {
        let mut one = backend(1, None, None);
        assert_eq!([one.take(job(0)), one.take(job(1))], [Taken::Begun(50), Taken::Waits]);
        one.condition.state = State::Hangs;
        assert_eq!(one.take(job(2)), Taken::Silence);
        assert!(one.done(0, |_| true).is_none());
        one.condition.state = State::Up;
        assert!(matches!(one.wake(|_| true), Some((Job { ticket: Ticket { place: 1, .. }, .. }, _))));
    }
}
