//! A scenario as it is played: times in nanoseconds, kinds of gateways and endpoints spelled out one by one, names looked up. How it
//! stands in a file is `raw`'s, what may be wrong with it `resolve`'s.

mod changes;
mod load;
mod raw;
mod resolve;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use super::random::Times;
use super::recording::Recording;
use crate::config::{KeyPath, Places, Problems, model};
pub(crate) use raw::{File, State};

/// Nanoseconds of a second.
pub(super) const SECOND: f64 = 1e9;

/// What is played, for each policy and each level alike.
#[derive(Debug)]
pub(super) struct Scenario {
    /// The file's text.
    pub(super) text: String,
    pub(super) title: String,
    pub(super) seed: u64,
    /// How long requests come.
    pub(super) lasts: u64,
    /// How long of that does not count.
    pub(super) warm_up: u64,
    pub(super) process: Process,
    /// What the levels are levels of.
    pub(super) axis: Axis,
    /// At least one.
    pub(super) levels: Vec<Level>,
    pub(super) times: Times,
    pub(super) keys: Keys,
    pub(super) network: Network,
    pub(super) health: Health,
    pub(super) gateways: Vec<Gateway>,
    pub(super) endpoints: Vec<Endpoint>,
    /// By time.
    pub(super) changes: Vec<Change>,
    pub(super) policies: Vec<Policy>,
    pub(super) places: Places,
}

/// When requests come.
#[derive(Debug)]
pub(super) enum Process {
    Poisson,
    /// So much more in a burst, for so long, so often.
    Bursts {
        more: f64,
        lasts: u64,
        every: u64,
    },
    /// Each client thinks so long on average; 0: not at all.
    Closed {
        think: u64,
    },
    Recorded(Arc<Recording>),
}

/// What levels are levels of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    Load,
    Rate,
    Clients,
    Speed,
}

impl Axis {
    /// As in the file.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Axis::Load => "load",
            Axis::Rate => "rate",
            Axis::Clients => "clients",
            Axis::Speed => "speed",
        }
    }
}

/// How much comes in one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    /// In units of the axis.
    pub(super) value: f64,
    /// In requests a second, for arrivals at random.
    pub(super) rate: f64,
}

/// Whose requests they are.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) count: u32,
    /// 0: all alike.
    pub(super) zipf: f64,
    pub(super) place: KeyPlace,
    pub(super) cache: Option<Cache>,
}

/// Where a key stands in a request, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyPlace {
    ClientIp,
    Path,
    Header(http::HeaderName),
    Cookie(String),
    QueryParam(String),
}

/// What an endpoint keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cache {
    pub(super) keys: usize,
    /// Part of the time that a hit takes.
    pub(super) hit: f64,
}

/// There and back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    pub(super) within: u64,
    pub(super) across: u64,
}

/// What gateways do about endpoints that fail.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) response_timeout: u64,
    pub(super) extra_attempts: u32,
    /// 0: never.
    pub(super) check_every: u64,
    pub(super) checks: u32,
    /// As an upstream of a configuration has it.
    pub(super) upstream: model::Upstream,
}

/// One gateway.
#[derive(Debug, Clone)]
pub(super) struct Gateway {
    pub(super) zone: String,
    pub(super) workers: usize,
    pub(super) share: u32,
}

/// One endpoint.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) settings: model::Endpoint,
    pub(super) servers: u32,
    /// None: any number.
    pub(super) queue: Option<u32>,
    pub(super) condition: Condition,
}

/// What may change of an endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition {
    pub(super) state: State,
    pub(super) speed: f64,
    /// Part of its answers.
    pub(super) errors: f64,
}

/// What happens on the way.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) at: u64,
    /// Positions of endpoints.
    pub(super) endpoints: Vec<usize>,
    pub(super) state: Option<State>,
    pub(super) speed: Option<f64>,
    pub(super) errors: Option<f64>,
    pub(super) arrivals: Option<f64>,
    /// In words, for the report.
    pub(super) said: String,
}

/// A policy that the file brings.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) name: String,
    /// Its plugins in order; at least one.
    pub(super) chain: Vec<Link>,
}

/// A plugin of a policy.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// A built-in plugin, or a file with its folder.
    pub(super) plugin: String,
    /// JSON text.
    pub(super) config: String,
    /// Where it stands in the scenario; none: named on the command line.
    pub(super) place: Option<KeyPath>,
}

impl Scenario {
    /// Reads a scenario's file; `built_in` are the names of plugins that need none.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line.
    pub(super) fn read(file: &Path, built_in: &[&str]) -> Result<Self, Problems> {
        let (raw, places) = crate::config::read_as::<raw::File>(file)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        // Gone or changed a moment after it was read, it is only not shown.
        let text = std::fs::read_to_string(file).unwrap_or_default();
        resolve::Resolver::new(places, folder).scenario(raw, text, built_in)
    }
}
