//! How much comes, when, and how much work it is.

use std::sync::Arc;

use super::raw::{self, Distribution, State};
use super::resolve::{Resolver, at, nanoseconds};
use super::{Axis, Endpoint, Level, Process, SECOND};
use crate::author::simulate::random::Times;
use crate::author::simulate::recording::Recording;
use crate::config::Time;

impl Resolver<'_> {
    /// The access log, if the scenario needs one.
    pub(super) fn recording(&mut self, raw: &raw::File) -> Option<Arc<Recording>> {
        let here = at("arrivals").key("log");
        let needed = raw.arrivals.process == raw::Process::Recorded || raw.service.time == Distribution::Recorded;
        match &raw.arrivals.log {
            Some(log) if needed => {
                let by_path = raw.keys.place == raw::KeyPlace::Path;
                match Recording::read(&self.folder.join(log), by_path) {
                    Ok(recording) => return Some(Arc::new(recording)),
                    Err(reason) => self.add(&here, reason),
                }
            }
            Some(_) => self.add(&here, "neither arrivals nor service times are \"recorded\""),
            None if needed => self.add(&here, "what is \"recorded\" needs it"),
            None => {}
        }
        None
    }

    pub(super) fn times(&mut self, raw: &raw::Service, recording: Option<&Arc<Recording>>) -> Times {
        let here = at("service");
        let only = |key: Option<f64>, of: Distribution| key.is_some() && raw.time != of;
        if only(raw.spread, Distribution::LogNormal) {
            self.add(&here.key("spread"), "only for `time = \"log-normal\"`");
        }
        if only(raw.tail, Distribution::Pareto) {
            self.add(&here.key("tail"), "only for `time = \"pareto\"`");
        }
        let mean = raw.mean.map_or(SECOND, |mean| nanoseconds(mean) as f64);
        match (raw.time, raw.mean) {
            (Distribution::Recorded, Some(_)) => self.add(&here.key("mean"), "that of the access log is taken"),
            (Distribution::Recorded, None) => {}
            (_, None) => self.add(&here.key("mean"), "this key is required"),
            (_, Some(_)) => {}
        }
        match raw.time {
            Distribution::Constant => Times::Constant(mean),
            Distribution::Exponential => Times::Exponential(mean),
            Distribution::LogNormal => Times::log_normal(mean, raw.spread.unwrap_or(1.0)),
            Distribution::Pareto => Times::pareto(mean, raw.tail.unwrap_or(2.0)),
            // Without the log that is a problem already.
            Distribution::Recorded => recording.map_or(Times::Constant(mean), |log| Times::Recorded(log.clone())),
        }
    }

    pub(super) fn process(&mut self, raw: &raw::Arrivals, recording: Option<&Arc<Recording>>) -> Process {
        let here = at("arrivals");
        let is = |process| raw.process == process;
        let of_bursts = [("burst", raw.burst.is_some()), ("burst-for", raw.burst_for.is_some())];
        for (key, given) in of_bursts.into_iter().chain([("burst-every", raw.burst_every.is_some())]) {
            if given && !is(raw::Process::Bursts) {
                self.add(&here.key(key), "only for `process = \"bursts\"`");
            }
        }
        if raw.think.is_some() && !is(raw::Process::Closed) {
            self.add(&here.key("think"), "only for `process = \"closed\"`");
        }
        match (raw.process, recording) {
            (raw::Process::Bursts, _) => {
                let or = |time: Option<Time>, seconds| time.map_or(seconds * SECOND as u64, nanoseconds);
                let (lasts, every) = (or(raw.burst_for, 1), or(raw.burst_every, 10));
                if lasts >= every {
                    self.add(&here.key("burst-for"), "it must be shorter than `burst-every`");
                }
                Process::Bursts { more: raw.burst.unwrap_or(5.0), lasts, every }
            }
            (raw::Process::Closed, _) => Process::Closed { think: raw.think.map_or(0, nanoseconds) },
            (raw::Process::Recorded, Some(recording)) => Process::Recorded(recording.clone()),
            // Without the log that is a problem already.
            (raw::Process::Poisson | raw::Process::Recorded, _) => Process::Poisson,
        }
    }

    /// What a run for each is made of. Exactly one of the lists that fit the process has to be there.
    pub(super) fn levels(&mut self, raw: &raw::Arrivals, capacity: f64) -> (Axis, Vec<Level>) {
        let here = at("arrivals");
        let clients: Vec<f64> = raw.clients.iter().map(|clients| f64::from(*clients)).collect();
        let lists =
            [(Axis::Load, &raw.load), (Axis::Rate, &raw.rate), (Axis::Clients, &clients), (Axis::Speed, &raw.speed)];
        let (fitting, process): (&[Axis], _) = match raw.process {
            raw::Process::Poisson => (&[Axis::Load, Axis::Rate], "poisson"),
            raw::Process::Bursts => (&[Axis::Load, Axis::Rate], "bursts"),
            raw::Process::Closed => (&[Axis::Clients], "closed"),
            raw::Process::Recorded => (&[Axis::Speed], "recorded"),
        };
        let mut given = lists.iter().filter(|(_, values)| !values.is_empty());
        let chosen = given.next();
        for (axis, _) in given {
            self.add(&here.key(axis.as_str()), "one of these lists is enough");
        }
        let level = |axis, value: f64| match axis {
            Axis::Load => Level { value, rate: value * capacity },
            Axis::Rate => Level { value, rate: value },
            Axis::Clients | Axis::Speed => Level { value, rate: 0.0 },
        };
        match chosen {
            Some((axis, values)) => {
                if !fitting.contains(axis) {
                    self.add(&here.key(axis.as_str()), format!("not for `process = \"{process}\"`"));
                }
                (*axis, values.iter().map(|value| level(*axis, *value)).collect())
            }
            None if fitting == [Axis::Speed] => (Axis::Speed, vec![level(Axis::Speed, 1.0)]),
            None => {
                let names: Vec<String> = fitting.iter().map(|axis| format!("`{}`", axis.as_str())).collect();
                self.add(&here, format!("{} is required", names.join(" or ")));
                (Axis::Load, Vec::new())
            }
        }
    }
}

/// Requests a second that all endpoints together can work on.
pub(super) fn capacity(endpoints: &[Endpoint], times: &Times) -> f64 {
    let there = endpoints.iter().filter(|endpoint| endpoint.condition.state != State::Absent);
    let servers: f64 = there.map(|endpoint| f64::from(endpoint.servers) * endpoint.condition.speed).sum();
    servers * SECOND / times.mean()
}
