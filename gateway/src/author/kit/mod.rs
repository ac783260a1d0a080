//! The conformance kit: plays a plugin through what every plugin must keep, through what its scenario claims of it, and through the
//! scenario's steps. The same component, scenario and seed give the same result; a failure names the event at which it broke.

mod always;
mod claims;
mod player;
mod scenario;
mod steps;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{AuthorError, Workshop};
use crate::config::{self, Problems};
use crate::plugin::{Hook, Plugin};
use player::{Broken, Case, Player};
use scenario::Played;

/// What is to be tested, and how.
#[derive(Debug, Clone)]
pub struct Test {
    /// A file, or the name of a built-in plugin.
    pub plugin: String,
    /// The plugin's configuration, JSON text, in place of the scenario's.
    pub config: Option<String>,
    /// The scenario; without one, three endpoints and no claims.
    pub scenario: Option<PathBuf>,
    /// The seed, in place of the scenario's.
    pub seed: Option<u64>,
    /// Exchanges for the budget.
    pub calls: u64,
}

/// What came of a test.
#[derive(Debug, Serialize)]
pub struct Report {
    /// As it was asked for.
    pub plugin: String,
    /// What it calls itself.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// SHA-256 of the component.
    pub sha256: String,
    /// What all randomness came from.
    pub seed: u64,
    /// True if every check is good.
    pub passed: bool,
    /// In order.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// Whether it is as it should be.
    pub passed: bool,
    /// What was found.
    pub found: String,
    /// The exchange or change at which it broke, from 1 in this check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    #[serde(skip)]
    slow: bool,
}

/// A check that breaks by time is made so often before it counts.
const TRIES: usize = 5;

/// Nothing can be tested: the plugin does not start.
type Stopped = AuthorError;

impl Check {
    fn good(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.into(), passed: true, found: found.into(), event: None, slow: false }
    }

    fn broken(name: &str, broken: &Broken) -> Self {
        Self {
            name: name.into(),
            passed: false,
            found: broken.message.clone(),
            event: Some(broken.event),
            slow: broken.slow,
        }
    }

    fn of(name: &str, kept: Result<String, Broken>) -> Self {
        match kept {
            Ok(found) => Self::good(name, found),
            Err(broken) => Self::broken(name, &broken),
        }
    }
}

/// The JSON Schema of a scenario's file, with the meaning and default of every key.
pub fn schema() -> Value {
    config::schema_as::<scenario::Scenario>()
}

/// Tests a plugin.
///
/// # Errors
/// If the scenario is not good, or the plugin is not taken or does not start with its configuration.
pub fn test(workshop: &Workshop, test: &Test) -> Result<Report, AuthorError> {
    let played = Played::read(test.scenario.as_deref())?;
    let scenario = &played.scenario;
    let config = match &test.config {
        Some(text) => given(text)?,
        None => Value::Object(scenario.config.clone()).to_string(),
    };
    let plugin = workshop.load(&test.plugin, &scenario.limits())?;
    let seed = test.seed.unwrap_or(scenario.seed);
    let case = Case { workshop, plugin: &plugin, scenario, config: &config, seed };
    let mut checks = vec![settled(|| always::contract(case))?];
    if plugin.has(Hook::Selection) {
        checks.push(settled(|| always::recovers(case))?);
    }
    checks.extend(always::hands_over(case)?);
    checks.extend(claims::claims(case)?);
    if !scenario.step.is_empty() {
        checks.push(settled(|| steps(case, &played))?);
    }
    checks.push(settled(|| always::budget(case, test.calls))?);
    Ok(report(test, &plugin, seed, checks))
}

/// A check whose outcome is the plugin's. One that breaks because a call took too long is made again: a plugin that is slow is slow
/// at the same event each time, a busy machine at another.
fn settled(mut check: impl FnMut() -> Result<Check, Stopped>) -> Result<Check, Stopped> {
    let mut before = Vec::new();
    loop {
        let found = check()?;
        if !found.slow || before.len() >= TRIES || before.contains(&found.event) {
            return Ok(found);
        }
        before.push(found.event);
    }
}

fn given(text: &str) -> Result<String, AuthorError> {
    match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(AuthorError::File(Problems::of("--config", format!("expected a JSON object: {error}")))),
    }
}

fn steps(case: Case<'_>, played: &Played) -> Result<Check, AuthorError> {
    let mut player = Player::new(case, 0)?;
    let outcome = steps::play(&mut player, case.plugin, &played.scenario.step);
    Ok(match outcome {
        Ok(()) => Check::good("steps", format!("{} steps, {} events", played.scenario.step.len(), player.events)),
        Err((position, broken)) => {
            let step = played.scenario.step.get(position).map_or("", |step| &step.name);
            let named = if step.is_empty() { String::new() } else { format!(" ({step})") };
            let message = format!("step {} at line {}{named}: {}", position + 1, played.line(position), broken.message);
            Check::broken("steps", &Broken { message, ..broken })
        }
    })
}

fn report(test: &Test, plugin: &Arc<Plugin>, seed: u64, checks: Vec<Check>) -> Report {
    let description = &plugin.description;
    Report {
        plugin: test.plugin.clone(),
        name: description.name.clone(),
        version: description.version.clone(),
        sha256: plugin.digest.hex(),
        seed,
        passed: checks.iter().all(|check| check.passed),
        checks,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} {}, seed {}", self.plugin, self.name, self.version, self.seed)?;
        let widest = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for check in &self.checks {
            let verdict = if check.passed { "ok    " } else { "FAILED" };
            write!(f, "  {verdict}  {:widest$}  ", check.name)?;
            match check.event {
                Some(event) => writeln!(f, "event {event}: {} (seed {})", check.found, self.seed)?,
                None => writeln!(f, "{}", check.found)?,
            }
        }
        f.write_str(if self.passed { "passed" } else { "failed" })
    }
}
