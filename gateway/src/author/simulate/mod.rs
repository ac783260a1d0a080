//! `sluice simulate`: policies compared before they see traffic. Clients, gateways and endpoints are made up and time jumps from event to
//! event; the policies are the very components that production runs, and so is what the host does around them.
//!
//! A `scenario` says what is played. Each policy plays each of its levels in a `world` of its own and meets the
//! same requests there. [`Outcomes`] are what came of it: `table` shows them on a terminal, `report` to people who were not there.

mod agenda;
mod arrivals;
mod backend;
mod bar;
mod cache;
mod chain;
mod figures;
mod gateway;
mod outcome;
mod random;
mod recording;
mod report;
mod requests;
mod scenario;
mod table;
mod world;

use std::path::{Path, PathBuf};

pub use bar::Bar;
use chain::Played;
pub use outcome::{Answers, ChangeSeen, EndpointSeen, Latency, Moment, Outcome, Outcomes, PolicyOutcome};
use scenario::{Link, Policy, Scenario};
use world::{Stop, World};

use super::workshop::usual_limits;
use super::{AuthorError, Workshop};
use crate::config::{self, Problem, Problems};
use crate::plugin::{Failure, Hook, LoadError, Plugin, builtin};

/// What is to be simulated.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The scenario's file.
    pub scenario: PathBuf,
    /// Policies by name: of the scenario, built-in, or files, several with `+` between them. None: all of the scenario.
    pub policies: Vec<String>,
    /// In place of the scenario's.
    pub seed: Option<u64>,
    /// Where compiled plugins are kept.
    pub state_dir: Option<PathBuf>,
}

/// Why nothing came of a simulation.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The scenario is not good; one line for each problem.
    #[error("{0}")]
    Scenario(#[from] Problems),
    /// A policy is not to be had.
    #[error(transparent)]
    Author(#[from] AuthorError),
    /// A policy does not take its configuration.
    #[error("policy {0}: {1}")]
    Policy(String, LoadError),
    /// It has nothing to choose with.
    #[error("policy {0}: {1} has no selection hook, so that there is nothing to simulate")]
    NoSelection(String, String),
    /// There is nobody to play.
    #[error("{0}: it has no [[policy]], so that `--policy` is required")]
    Nobody(String),
    /// A policy failed while it played.
    #[error("policy {name}: it failed {seconds:.6} s into the run at {axis} {level}, seed {seed}: {failure}")]
    Failed {
        /// What it is called.
        name: String,
        /// When, in simulated time.
        seconds: f64,
        /// What levels are levels of.
        axis: &'static str,
        /// Which one it was.
        level: f64,
        /// The same seed makes it fail again.
        seed: u64,
        /// How it failed.
        failure: Failure,
    },
}

/// The JSON Schema of a scenario's file, with the meaning and default of every key.
pub fn schema() -> serde_json::Value {
    config::schema_as::<scenario::File>()
}

/// Plays a scenario with each policy at each level. `progress` is told from time to time which part of all that is over.
///
/// # Errors
/// If the scenario or a policy is not good, or a policy fails: what it would have done in production, by the fallback, says nothing of it.
pub fn simulate(asked: &Asked, progress: &mut dyn FnMut(f64)) -> Result<Outcomes, SimulateError> {
    let mut scenario = Scenario::read(&asked.scenario, &builtin::names())?;
    scenario.seed = asked.seed.unwrap_or(scenario.seed);
    let policies = policies(asked, &scenario)?;
    let workshop = Workshop::open(asked.state_dir.clone())?;
    let loaded: Result<Vec<Vec<Played>>, SimulateError> =
        policies.iter().map(|policy| load(&workshop, policy)).collect();
    let mut outcomes = Vec::with_capacity(policies.len());
    let runs = (policies.len() * scenario.levels.len()) as f64;
    for (number, (policy, played)) in policies.iter().zip(loaded?).enumerate() {
        let mut runs_of = Vec::with_capacity(scenario.levels.len());
        for level in &scenario.levels {
            let before = (number * scenario.levels.len() + runs_of.len()) as f64;
            let world = World::new(&workshop, &played, &scenario, *level);
            let world = world.map_err(|(plugin, error)| Stop::Refused(plugin, error));
            let played = world.and_then(|world| world.play(&mut |part| progress((before + part) / runs)));
            let outcome = played.map_err(|stop| stopped(stop, &scenario, policy, level.value))?;
            runs_of.push(Outcome { level: level.value, ..outcome });
        }
        let told =
            |of: fn(&Plugin) -> String| played.iter().map(|(plugin, _)| of(plugin)).collect::<Vec<_>>().join(", ");
        outcomes.push(PolicyOutcome {
            name: policy.name.clone(),
            plugin: told(|plugin| format!("{} {}", plugin.description.name, plugin.description.version)),
            sha256: told(|plugin| plugin.digest.hex()),
            runs: runs_of,
        });
    }
    progress(1.0);
    let seconds = |nanoseconds: u64| nanoseconds as f64 / scenario::SECOND;
    Ok(Outcomes {
        sluice: env!("CARGO_PKG_VERSION"),
        title: if scenario.title.is_empty() { name_of(&asked.scenario) } else { scenario.title.clone() },
        scenario: scenario.text.clone(),
        seed: scenario.seed,
        seconds: seconds(scenario.lasts),
        warm_up_seconds: seconds(scenario.warm_up),
        axis: scenario.axis.as_str(),
        policies: outcomes,
    })
}

fn name_of(file: &Path) -> String {
    file.file_stem().map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Those that are named, each once; a name of the scenario goes before all others.
fn policies(asked: &Asked, scenario: &Scenario) -> Result<Vec<Policy>, SimulateError> {
    if asked.policies.is_empty() {
        return match scenario.policies.is_empty() {
            true => Err(SimulateError::Nobody(asked.scenario.display().to_string())),
            false => Ok(scenario.policies.clone()),
        };
    }
    let mut policies: Vec<Policy> = Vec::with_capacity(asked.policies.len());
    for named in &asked.policies {
        let of_scenario = scenario.policies.iter().find(|policy| policy.name == *named);
        let plain = || Policy { name: named.clone(), chain: chain_of(named) };
        let policy = of_scenario.cloned().unwrap_or_else(plain);
        if !policies.iter().any(|other| other.name == policy.name) {
            policies.push(policy);
        }
    }
    Ok(policies)
}

/// A plugin, or several with `+` between them, as long as there is no file of that name.
fn chain_of(named: &str) -> Vec<Link> {
    let is_one = Path::new(named).exists();
    let plugins = if is_one { vec![named] } else { named.split('+').collect() };
    plugins.into_iter().map(|plugin| Link { plugin: plugin.to_owned(), config: "{}".to_owned(), place: None }).collect()
}

fn load(workshop: &Workshop, policy: &Policy) -> Result<Vec<Played>, SimulateError> {
    let mut chain = Vec::with_capacity(policy.chain.len());
    for link in &policy.chain {
        let plugin = workshop.load(&link.plugin, &usual_limits())?;
        if !plugin.has(Hook::Selection) {
            return Err(SimulateError::NoSelection(policy.name.clone(), link.plugin.clone()));
        }
        chain.push((plugin, link.config.clone()));
    }
    Ok(chain)
}

/// Where the scenario has the policy's configuration, what is wrong with that has its line.
fn stopped(stop: Stop, scenario: &Scenario, policy: &Policy, level: f64) -> SimulateError {
    let place = match &stop {
        Stop::Refused(plugin, _) => policy.chain.get(*plugin).and_then(|link| link.place.as_ref()),
        Stop::Failed(..) => None,
    };
    match (stop, place) {
        (Stop::Refused(_, LoadError::Configure(issues)), Some(place)) => {
            let problem = |issue: crate::plugin::Issue| -> Problem {
                let (at, rest) = scenario.places.below(&place.key("config"), &issue.at);
                let rest = if rest.is_empty() { String::new() } else { format!("{rest}: ") };
                scenario.places.problem(&at, format!("{rest}{}", issue.message))
            };
            Problems::new(issues.into_iter().map(problem).collect()).into()
        }
        (Stop::Refused(_, error), _) => SimulateError::Policy(policy.name.clone(), error),
        (Stop::Failed(now, failure), _) => SimulateError::Failed {
            name: policy.name.clone(),
            seconds: now as f64 / scenario::SECOND,
            axis: scenario.axis.as_str(),
            level,
            seed: scenario.seed,
            failure,
        },
    }
}
