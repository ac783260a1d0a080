//! From a scenario file to what can be played, or to the list of everything that is wrong with it.

mod raw;
mod step;

use std::net::IpAddr;
use std::path::Path;

pub(super) use raw::{Affinity, Endpoint, Limits, Scenario, Sticky};
pub(super) use step::{Condition, Expect, Fault, Request, Says, Step};

use crate::author::workshop::usual_limits;
use crate::config::{self, Format, KeyPath, Places, Problem, Problems, model};

/// Each one is really there.
const MOST_IN_FLIGHT: u32 = 1_000_000;

/// A scenario that can be played, and where its parts stand.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) scenario: Scenario,
    pub(super) places: Places,
}

impl Played {
    /// The scenario of a file; without one, three endpoints and nothing that happens.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, Problems> {
        let (mut scenario, places): (Scenario, _) = match file {
            Some(file) => config::read_as(file)?,
            None => config::text_as("", Format::Toml, "no scenario")?,
        };
        if scenario.endpoint.is_empty() {
            let one = |id: &str| Endpoint {
                id: id.to_owned(),
                address: None,
                weight: 1,
                priority: 0,
                zone: String::new(),
                labels: Default::default(),
                max_in_flight: None,
            };
            scenario.endpoint = ["a", "b", "c"].map(one).into();
        }
        let played = Self { scenario, places };
        let found: Vec<_> = played.contradictions().collect();
        if found.is_empty() { Ok(played) } else { Err(Problems::new(found)) }
    }

    /// Line of a step.
    pub(super) fn line(&self, step: usize) -> usize {
        self.places.problem(&KeyPath::root().key("step").index(step), "").line
    }

    /// What types cannot say.
    fn contradictions(&self) -> impl Iterator<Item = Problem> {
        let root = KeyPath::root();
        let mut found = Vec::new();
        let mut say = |at: KeyPath, message: String| found.push(self.places.problem(&at, message));
        twice(&self.scenario.endpoint, &root.key("endpoint"), &mut say);
        if let Some(affinity) = &self.scenario.claims.affinity {
            let Affinity { client_ip, header, cookie, query_param } = affinity;
            let given = [*client_ip, header.is_some(), cookie.is_some(), query_param.is_some()];
            if given.iter().filter(|given| **given).count() != 1 {
                let message = "expected one of client-ip, header, cookie, query-param".to_owned();
                say(root.key("claims").key("affinity"), message);
            }
        }
        let mut known = ids(&self.scenario.endpoint);
        for (number, step) in self.scenario.step.iter().enumerate() {
            let at = root.key("step").index(number);
            if let Some(endpoints) = &step.endpoints {
                twice(endpoints, &at.key("endpoints"), &mut say);
                known = ids(endpoints);
            }
            let named: [(&str, Vec<&String>); 5] = [
                ("health", step.health.keys().collect()),
                ("in-flight", step.in_flight.keys().collect()),
                ("latency", step.latency.keys().collect()),
                ("bytes-per-second", step.bytes_per_second.keys().collect()),
                ("reports", step.reports.keys().collect()),
            ];
            for (key, ids) in named {
                for id in ids.into_iter().filter(|id| !known.contains(id)) {
                    say(at.key(key).key(id), format!("no endpoint is called {id:?} in this step"));
                }
            }
            for (id, _) in step.in_flight.iter().filter(|(_, count)| **count > MOST_IN_FLIGHT) {
                say(at.key("in-flight").key(id), format!("at most {MOST_IN_FLIGHT}"));
            }
            if step.expect.is_some() && step.request.is_none() {
                say(at.key("expect"), "there is no `request` in this step of which something could be expected".into());
            }
            if let Some(request) = &step.request
                && let Err(error) = request.client.replace("{n}", "1").parse::<IpAddr>()
            {
                say(at.key("request").key("client"), format!("{:?}: {error}", request.client));
            }
        }
        found.into_iter()
    }
}

fn ids(endpoints: &[Endpoint]) -> Vec<String> {
    endpoints.iter().map(|endpoint| endpoint.id.clone()).collect()
}

fn twice(endpoints: &[Endpoint], at: &KeyPath, say: &mut impl FnMut(KeyPath, String)) {
    for (number, endpoint) in endpoints.iter().enumerate() {
        if endpoints.iter().take(number).any(|other| other.id == endpoint.id) {
            say(at.index(number).key("id"), format!("another endpoint is called {:?}", endpoint.id));
        }
    }
}

impl Endpoint {
    /// As the gateway has it.
    pub(super) fn settings(&self) -> model::Endpoint {
        let address = self.address.clone().unwrap_or_else(|| format!("{}:80", self.id));
        model::Endpoint {
            id: self.id.as_str().into(),
            address: address.into(),
            weight: self.weight,
            priority: self.priority,
            zone: self.zone.clone(),
            labels: self.labels.clone(),
            max_in_flight: self.max_in_flight,
            draining: false,
        }
    }
}

impl Scenario {
    /// What an instance may use up.
    pub(super) fn limits(&self) -> model::PluginLimits {
        let usual = usual_limits();
        let Limits { memory, deadline } = &self.limits;
        model::PluginLimits {
            memory: memory.map_or(usual.memory, |memory| memory.0),
            deadline: deadline.map_or(usual.deadline, |deadline| deadline.0),
            ..usual
        }
    }
}
