//! What is counted while a run goes on, exactly: every latency is kept, and what is in flight is an area under a curve. What comes out in
//! the end is `outcome`'s.

use super::gateway::Reply;
use super::outcome::{Answers, ChangeSeen, EndpointSeen, Latency, Moment, Outcome};
use super::scenario::Scenario;

/// Parts of a run in which its course is told.
pub(super) const PARTS: usize = 60;
/// Nobody has answered that key yet.
const NOBODY: u32 = u32::MAX;

/// What became of a request in the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) came: u64,
    pub(super) now: u64,
    pub(super) key: u32,
    /// How the last attempt ended; none: it was not sent anywhere.
    pub(super) reply: Option<Reply>,
    /// Who had it last; any if nobody.
    pub(super) backend: usize,
    /// How long it stood in the endpoint's line.
    pub(super) waited: u64,
}

/// The counts of one run.
#[derive(Debug)]
pub(super) struct Figures {
    lasts: u64,
    warm_up: u64,
    part: u64,
    /// Of requests that came after the warm-up and were answered, nanoseconds.
    latencies: Vec<u64>,
    waited: f64,
    answers: Answers,
    parts: Vec<Part>,
    endpoints: Vec<Watched>,
    /// Who answered each key last.
    homes: Vec<u32>,
    changes: Vec<Moves>,
}

/// A part of the run.
#[derive(Debug, Default)]
struct Part {
    came: u64,
    failed: u64,
    /// Microseconds.
    latencies: Vec<u32>,
    asked: u64,
    moved: u64,
}

/// One endpoint's part in it.
#[derive(Debug, Default)]
struct Watched {
    sent: u64,
    answered: u64,
    errors: u64,
    in_flight: u32,
    since: u64,
    highest: u32,
    /// Requests in flight times nanoseconds, by part of the run.
    areas: Vec<f64>,
    /// The same after the warm-up.
    area: f64,
}

/// Keys before and after a change.
#[derive(Debug, Default)]
struct Moves {
    /// Who answered each key before; [`NOBODY`] once it has come again.
    before: Vec<u32>,
    asked: u64,
    moved: u64,
}

impl Figures {
    pub(super) fn new(scenario: &Scenario, keys: u32) -> Self {
        let watched = || Watched { areas: vec![0.0; PARTS], ..Watched::default() };
        Self {
            lasts: scenario.lasts,
            warm_up: scenario.warm_up,
            part: scenario.lasts.div_ceil(PARTS as u64).max(1),
            latencies: Vec::new(),
            waited: 0.0,
            answers: Answers::default(),
            parts: (0..PARTS).map(|_| Part::default()).collect(),
            endpoints: scenario.endpoints.iter().map(|_| watched()).collect(),
            homes: vec![NOBODY; keys as usize],
            changes: scenario.changes.iter().map(|_| Moves::default()).collect(),
        }
    }

    fn counts(&self, came: u64) -> bool {
        came >= self.warm_up
    }

    /// A request is sent to an endpoint.
    pub(super) fn sent(&mut self, backend: usize, came: u64, now: u64) {
        let counts = self.counts(came);
        if let Some(watched) = self.endpoints.get_mut(backend) {
            watched.go_on(now, self.part, self.warm_up, self.lasts);
            watched.in_flight += 1;
            if counts {
                watched.sent += 1;
                watched.highest = watched.highest.max(watched.in_flight);
            }
        }
    }

    /// An attempt there has ended.
    pub(super) fn back(&mut self, backend: usize, came: u64, now: u64, reply: Reply) {
        let counts = self.counts(came);
        if let Some(watched) = self.endpoints.get_mut(backend) {
            watched.go_on(now, self.part, self.warm_up, self.lasts);
            watched.in_flight = watched.in_flight.saturating_sub(1);
            match reply {
                _ if !counts => {}
                Reply::Answered => watched.answered += 1,
                _ => watched.errors += 1,
            }
        }
    }

    /// A request is over.
    pub(super) fn ended(&mut self, ended: &Ended) {
        let latency = ended.now - ended.came;
        if self.counts(ended.came) {
            self.answers.count(ended.reply);
            if ended.reply == Some(Reply::Answered) {
                self.latencies.push(latency);
                self.waited += ended.waited as f64;
            }
        }
        let Some(part) = self.parts.get_mut((ended.came / self.part) as usize) else { return };
        part.came += 1;
        if ended.reply != Some(Reply::Answered) {
            part.failed += 1;
            return;
        }
        part.latencies.push(u32::try_from(latency / 1_000).unwrap_or(u32::MAX));
        let home = ended.backend as u32;
        if let Some(last) = self.homes.get_mut(ended.key as usize) {
            if *last != NOBODY {
                part.asked += 1;
                part.moved += u64::from(*last != home);
            }
            *last = home;
        }
        for change in &mut self.changes {
            if let Some(before) = change.before.get_mut(ended.key as usize).filter(|before| **before != NOBODY) {
                change.asked += 1;
                change.moved += u64::from(*before != home);
                *before = NOBODY;
            }
        }
    }

    /// The scenario's change of that number happens now.
    pub(super) fn changed(&mut self, number: usize) {
        if let Some(change) = self.changes.get_mut(number) {
            change.before.clone_from(&self.homes);
        }
    }

    /// All that came of it.
    pub(super) fn outcome(mut self, scenario: &Scenario) -> Outcome {
        let end = self.lasts;
        self.endpoints.iter_mut().for_each(|watched| watched.go_on(end, self.part, self.warm_up, end));
        self.latencies.sort_unstable();
        let counted = (self.lasts - self.warm_up) as f64;
        let sent: u64 = self.endpoints.iter().map(|watched| watched.sent).sum();
        let seen = |(watched, endpoint): (&Watched, &super::scenario::Endpoint)| EndpointSeen {
            id: endpoint.settings.id.to_string(),
            weight: endpoint.settings.weight,
            sent: watched.sent,
            share: ratio(watched.sent, sent),
            answered: watched.answered,
            errors: watched.errors,
            in_flight: rounded(watched.area / counted),
            highest_in_flight: watched.highest,
            utilization: 0.0,
            cache_hits: 0,
            over_time: watched.areas.iter().map(|area| rounded(area / self.part as f64)).collect(),
        };
        let endpoints: Vec<_> = self.endpoints.iter().zip(&scenario.endpoints).map(seen).collect();
        let answered = self.latencies.len().max(1) as f64;
        let (asked, moved) = self.parts.iter().fold((0, 0), |(a, m), part| (a + part.asked, m + part.moved));
        let width = self.part;
        let over_time: Vec<Moment> =
            self.parts.iter_mut().enumerate().map(|(number, part)| part.told(number as u64 * width)).collect();
        let seen = |(change, moves): (&super::scenario::Change, &Moves)| ChangeSeen {
            at_ms: milliseconds(change.at as f64),
            change: change.said.clone(),
            keys: moves.asked,
            moved: ratio(moves.moved, moves.asked),
        };
        Outcome {
            requests: self.answers.all(),
            answers: self.answers,
            latency_ms: Latency::of(&self.latencies),
            wait_ms: milliseconds(self.waited / answered),
            imbalance: imbalance(&endpoints, &self.parts, self.warm_up.div_ceil(self.part) as usize),
            moved: ratio(moved, asked),
            over_time,
            changes: scenario.changes.iter().zip(&self.changes).map(seen).collect(),
            endpoints,
            ..Outcome::default()
        }
    }
}

impl Watched {
    /// Until now there were as many as there are.
    fn go_on(&mut self, now: u64, part: u64, warm_up: u64, lasts: u64) {
        let (mut from, to) = (self.since, now.min(lasts));
        self.since = now;
        if self.in_flight == 0 {
            return;
        }
        let many = f64::from(self.in_flight);
        self.area += many * to.saturating_sub(from.max(warm_up)) as f64;
        while from < to {
            let number = from / part;
            let until = to.min((number + 1) * part);
            if let Some(area) = self.areas.get_mut(number as usize) {
                *area += many * (until - from) as f64;
            }
            from = until;
        }
    }
}

impl Part {
    fn told(&mut self, begins: u64) -> Moment {
        self.latencies.sort_unstable();
        let at = |part| super::outcome::quantile(&self.latencies, part).map(|us| rounded(f64::from(us) / 1_000.0));
        Moment {
            at_ms: milliseconds(begins as f64),
            requests: self.came,
            failed: self.failed,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            moved: (self.asked > 0).then(|| ratio(self.moved, self.asked)),
        }
    }
}

/// How much busier than the mean the busiest endpoint is, in flight per weight, on average over the parts of the run after the
/// warm-up in which anything is in flight.
fn imbalance(endpoints: &[EndpointSeen], parts: &[Part], from: usize) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (number, _) in parts.iter().enumerate().skip(from) {
        let loads = endpoints.iter().map(|endpoint| {
            let in_flight = endpoint.over_time.get(number).copied().unwrap_or(0.0);
            in_flight / f64::from(endpoint.weight)
        });
        let (most, all) = loads.fold((0.0_f64, 0.0), |(most, all), load| (most.max(load), all + load));
        if all > 0.0 {
            sum += most * endpoints.len() as f64 / all;
            count += 1.0;
        }
    }
    if count > 0.0 { rounded(sum / count) } else { 0.0 }
}

fn ratio(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { (part as f64 / all as f64 * 1e6).round() / 1e6 }
}

fn milliseconds(nanoseconds: f64) -> f64 {
    rounded(nanoseconds / 1e6)
}

/// To three decimals: what is beyond says nothing.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
