//! From a scenario's file to what is played: defaults filled in, names looked up, contradictions found; all problems at once, each with
//! its line. How much comes and how much work that is stands in `load`, what happens on the way in `changes`.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use super::raw::{self, State};
use super::{
    Cache, Condition, Endpoint, Gateway, Health, KeyPlace, Keys, Level, Link, Network, Policy, Process, SECOND,
    Scenario,
};
use crate::config::{KeyPath, Places, Problem, Problems, Share, Time, model};

/// Most requests of a run, of each of which the latency is kept.
const MOST_REQUESTS: f64 = 100e6;
/// Most gateways and endpoints of a scenario.
const MOST: usize = 10_000;

pub(super) struct Resolver<'a> {
    places: Places,
    pub(super) folder: &'a Path,
    problems: Vec<Problem>,
}

pub(super) fn at(key: &str) -> KeyPath {
    KeyPath::root().key(key)
}

pub(super) fn nanoseconds(time: Time) -> u64 {
    time.0.as_nanos() as u64
}

pub(super) fn part(share: Share) -> f64 {
    f64::from(share.0) / 1000.0
}

impl<'a> Resolver<'a> {
    pub(super) fn new(places: Places, folder: &'a Path) -> Self {
        Self { places, folder, problems: Vec::new() }
    }

    pub(super) fn add(&mut self, at: &KeyPath, message: impl Into<String>) {
        self.problems.push(self.places.problem(at, message));
    }

    pub(super) fn scenario(mut self, raw: raw::File, text: String, built_in: &[&str]) -> Result<Scenario, Problems> {
        let recording = self.recording(&raw);
        let times = self.times(&raw.service, recording.as_ref());
        let (endpoints, kinds) = self.endpoints(raw.endpoint);
        let process = self.process(&raw.arrivals, recording.as_ref());
        let capacity = super::load::capacity(&endpoints, &times);
        let (axis, levels) = self.levels(&raw.arrivals, capacity);
        let lasts = lasts(nanoseconds(raw.lasts), &process, &levels);
        for (position, level) in levels.iter().enumerate() {
            let rate = match process {
                Process::Closed { think } => level.value / (think as f64 / SECOND).max(level.value / capacity),
                _ => level.rate,
            };
            let requests = rate * lasts as f64 / SECOND;
            if requests > MOST_REQUESTS {
                let message = format!("some {requests:.0} requests; at most {MOST_REQUESTS:.0} are played in a run");
                self.add(&at("arrivals").key(axis.as_str()).index(position), message);
            }
        }
        let warm_up = raw.warm_up.map_or(0, nanoseconds);
        if warm_up >= lasts {
            self.add(&at("warm-up"), "it must be shorter than the run");
        }
        let keys = self.keys(raw.keys, matches!(process, Process::Recorded(_)));
        let changes = self.changes(raw.change, &endpoints, &kinds, lasts, &process);
        let policies = self.policies(raw.policy, built_in);
        let network = Network {
            within: raw.network.within.map_or(0, nanoseconds),
            across: raw.network.across.or(raw.network.within).map_or(0, nanoseconds),
        };
        let scenario = Scenario {
            text,
            title: raw.title,
            seed: raw.seed,
            lasts,
            warm_up,
            process,
            axis,
            levels,
            times,
            keys,
            network,
            health: health(&raw.health),
            gateways: self.gateways(raw.gateway),
            endpoints,
            changes,
            policies,
            places: self.places,
        };
        if self.problems.is_empty() { Ok(scenario) } else { Err(Problems::new(self.problems)) }
    }

    fn keys(&mut self, raw: raw::Keys, is_recorded: bool) -> Keys {
        let here = at("keys");
        let is_named = matches!(raw.place, raw::KeyPlace::Header | raw::KeyPlace::Cookie | raw::KeyPlace::QueryParam);
        if raw.name.is_some() && !is_named {
            self.add(&here.key("name"), "only for `in = \"header\"`, \"cookie\" or \"query-param\"");
        }
        if is_recorded && is_named {
            self.add(&here.key("in"), "an access log has \"client-ip\" and \"path\" only");
        }
        let name = raw.name.unwrap_or_else(|| "key".to_owned());
        let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(is_token) {
            self.add(&here.key("name"), "letters, digits, \"-\" and \"_\" only");
        }
        let place = match raw.place {
            raw::KeyPlace::ClientIp => KeyPlace::ClientIp,
            raw::KeyPlace::Path => KeyPlace::Path,
            raw::KeyPlace::Header => {
                // Looked at above.
                let header = http::HeaderName::try_from(&name);
                KeyPlace::Header(header.unwrap_or(http::HeaderName::from_static("key")))
            }
            raw::KeyPlace::Cookie => KeyPlace::Cookie(name),
            raw::KeyPlace::QueryParam => KeyPlace::QueryParam(name),
        };
        let cache = raw.cache.map(|cache| Cache { keys: cache.keys, hit: part(cache.hit) });
        Keys { count: raw.count, zipf: raw.zipf.unwrap_or(0.0), place, cache }
    }

    fn gateways(&mut self, raw: Vec<raw::Gateway>) -> Vec<Gateway> {
        let kinds = if raw.is_empty() { vec![raw::Gateway::default()] } else { raw };
        let each = kinds.into_iter().flat_map(|kind| {
            let gateway = Gateway { zone: kind.zone, workers: kind.workers, share: kind.share };
            std::iter::repeat_n(gateway, kind.count as usize)
        });
        each.collect()
    }

    /// The endpoints, and of which kind each is.
    fn endpoints(&mut self, raw: Vec<raw::Endpoint>) -> (Vec<Endpoint>, Vec<String>) {
        let (mut endpoints, mut kinds, mut names) = (Vec::new(), Vec::new(), HashSet::new());
        for (index, kind) in raw.into_iter().enumerate() {
            let here = at("endpoint").index(index);
            if endpoints.len() + kind.count as usize > MOST {
                self.add(&here.key("count"), format!("at most {MOST} endpoints in all"));
                break;
            }
            for number in 1..=kind.count {
                let id = if kind.count == 1 { kind.id.0.clone() } else { format!("{}-{number}", kind.id.0) };
                if !names.insert(id.clone()) {
                    self.add(&here.key("id"), format!("another endpoint is called {id:?}"));
                    break;
                }
                endpoints.push(endpoint(&kind, id));
                kinds.push(kind.id.0.clone());
            }
        }
        if endpoints.iter().all(|endpoint| endpoint.condition.state == State::Absent) {
            self.add(&at("endpoint"), "none of them is there at the beginning");
        }
        (endpoints, kinds)
    }

    fn policies(&mut self, raw: Vec<raw::Policy>, built_in: &[&str]) -> Vec<Policy> {
        let mut policies: Vec<Policy> = Vec::with_capacity(raw.len());
        for (index, policy) in raw.into_iter().enumerate() {
            let here = at("policy").index(index);
            let name = policy.name.0;
            if policies.iter().any(|other| other.name == name) {
                self.add(&here.key("name"), format!("another policy is called {name:?}"));
            }
            let chain = match (policy.plugin, policy.chain) {
                (Some(plugin), links) if links.is_empty() => {
                    vec![self.link(raw::Link { plugin, config: policy.config }, here, built_in)]
                }
                (None, links) if !links.is_empty() => {
                    let at = |position| here.key("chain").index(position);
                    let links = links.into_iter().enumerate();
                    links.map(|(position, link)| self.link(link, at(position), built_in)).collect()
                }
                _ => {
                    self.add(&here, "expected one of plugin, chain");
                    Vec::new()
                }
            };
            policies.push(Policy { name, chain });
        }
        policies
    }

    fn link(&mut self, link: raw::Link, here: KeyPath, built_in: &[&str]) -> Link {
        let is_built_in = built_in.contains(&link.plugin.as_str());
        let file = self.folder.join(&link.plugin);
        if !is_built_in && !file.is_file() {
            let known = built_in.join(", ");
            let message =
                format!("{}: no such file, and no built-in plugin either (those are {known})", file.display());
            self.add(&here.key("plugin"), message);
        }
        let plugin = if is_built_in { link.plugin } else { file.display().to_string() };
        Link { plugin, config: link.config.to_string(), place: Some(here) }
    }
}

/// A recording ends with its last request, played as slowly as it is.
fn lasts(most: u64, process: &Process, levels: &[Level]) -> u64 {
    let Process::Recorded(recording) = process else { return most };
    let slowest = levels.iter().map(|level| level.value).fold(f64::INFINITY, f64::min);
    let last = recording.exchanges.last().map_or(0, |last| last.at);
    most.min((last as f64 / slowest) as u64 + 1)
}

fn endpoint(kind: &raw::Endpoint, id: String) -> Endpoint {
    Endpoint {
        settings: model::Endpoint {
            address: format!("{id}:80").into(),
            id: id.into(),
            weight: kind.weight,
            priority: kind.priority,
            zone: kind.zone.clone(),
            labels: kind.labels.clone(),
            max_in_flight: kind.max_in_flight,
            draining: false,
        },
        servers: kind.servers,
        queue: kind.queue,
        condition: Condition {
            state: kind.state,
            speed: kind.speed.unwrap_or(1.0),
            errors: kind.errors.map_or(0.0, part),
        },
    }
}

fn health(raw: &raw::Health) -> Health {
    Health {
        response_timeout: nanoseconds(raw.response_timeout),
        extra_attempts: raw.extra_attempts,
        check_every: raw.check_every.map_or(0, nanoseconds),
        checks: raw.checks,
        upstream: model::Upstream {
            name: "simulated".into(),
            selection: Vec::new(),
            protocol: model::UpstreamProtocol::Http1,
            tls: None,
            send_proxy_protocol: false,
            endpoints: Vec::new(),
            discover: None,
            idle_per_endpoint: 0,
            max_in_flight: None,
            queue: None,
            health: None,
            ejection: model::Ejection {
                consecutive_failures: raw.consecutive_failures,
                consecutive_errors: raw.consecutive_errors,
                error_status: model::Statuses(vec![500..=599]),
                success_rate: None,
                period: raw.ejected_for.0,
                longest: Duration::from_secs(300).max(raw.ejected_for.0),
                at_most_per_mille: 500,
            },
            slow_start: raw.slow_start.map(|time| time.0),
            reported_load: None,
            when_all_bad: model::WhenAllBad::UseAll,
        },
    }
}
