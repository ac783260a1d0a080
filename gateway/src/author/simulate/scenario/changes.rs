//! What happens on the way.

use super::raw::{self, State};
use super::resolve::{Resolver, at, nanoseconds, part};
use super::{Change, Endpoint, Process};

impl Resolver<'_> {
    pub(super) fn changes(
        &mut self,
        raw: Vec<raw::Change>,
        endpoints: &[Endpoint],
        kinds: &[String],
        lasts: u64,
        process: &Process,
    ) -> Vec<Change> {
        let mut changes = Vec::with_capacity(raw.len());
        for (index, change) in raw.into_iter().enumerate() {
            let here = at("change").index(index);
            let said = words(&change);
            let mut meant = Vec::new();
            for (number, name) in change.endpoints.iter().enumerate() {
                let is_it = |place: &usize| {
                    endpoints.get(*place).is_some_and(|endpoint| *endpoint.settings.id == *name.0)
                        || kinds.get(*place) == Some(&name.0)
                };
                let found: Vec<usize> = (0..endpoints.len()).filter(is_it).collect();
                if found.is_empty() {
                    self.add(&here.key("endpoints").index(number), format!("no endpoint is called {:?}", name.0));
                }
                meant.extend(found);
            }
            let of_endpoints = change.state.is_some() || change.speed.is_some() || change.errors.is_some();
            match (of_endpoints, change.endpoints.is_empty()) {
                (true, true) => self.add(&here, "`endpoints` is required"),
                (false, false) => self.add(&here, "nothing changes: `state`, `speed` or `errors` is required"),
                (false, true) if change.arrivals.is_none() => self.add(&here, "nothing changes"),
                _ => {}
            }
            if change.arrivals.is_some() && !matches!(process, Process::Poisson | Process::Bursts { .. }) {
                self.add(&here.key("arrivals"), "only for \"poisson\" and \"bursts\"");
            }
            let at = nanoseconds(change.at);
            if at >= lasts {
                self.add(&here.key("at"), "it is over by then");
            }
            let errors = change.errors.map(part);
            let (state, speed, arrivals) = (change.state, change.speed, change.arrivals);
            changes.push(Change { at, endpoints: meant, state, speed, errors, arrivals, said });
        }
        changes.sort_by_key(|change| change.at);
        changes
    }
}

fn words(change: &raw::Change) -> String {
    let names: Vec<&str> = change.endpoints.iter().map(|id| id.0.as_str()).collect();
    let mut said = Vec::new();
    let state = change.state.map(|state| match state {
        State::Up => "up",
        State::Draining => "draining",
        State::Hangs => "hanging",
        State::Down => "down",
        State::Absent => "absent",
    });
    said.extend(state.map(str::to_owned));
    said.extend(change.speed.map(|speed| format!("speed {speed}")));
    said.extend(change.errors.map(|errors| format!("errors {errors}")));
    let mut all = if said.is_empty() { Vec::new() } else { vec![format!("{}: {}", names.join(", "), said.join(", "))] };
    all.extend(change.arrivals.map(|arrivals| format!("arrivals × {arrivals}")));
    all.join("; ")
}
