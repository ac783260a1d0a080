//! What a plugin's calls cost: time, instructions, host calls, memory; with few and with many endpoints, beside the built-in plugins.
//! Time is that of the whole way that the gateway takes into a plugin and back.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use serde::Serialize;

use super::request::numbered;
use super::workshop::usual_limits;
use super::{AuthorError, BEGINNING, Rig, Setting, Stage, Workshop, endpoint};
use crate::config::model::{self, PluginLimits, WhenAllBad};
use crate::endpoint::{InFlight, Rules};
use crate::message::RequestHead;
use crate::observe::StandingClock;
use crate::plugin::{Ended, Failure, Hook, LoadError, Plugin, ResponseHead};

/// So many endpoints there are.
const SIZES: [usize; 3] = [3, 100, 1_000];
/// What a selecting plugin is seen beside.
const BESIDE: [&str; 4] = ["round-robin", "least-connections", "power-of-two-choices", "consistent-hash"];
/// Calls are made for so long, in batches, of which the quickest counts: the others were disturbed.
const BATCHES: u32 = 8;
const BATCH: Duration = Duration::from_millis(40);
/// Calls over which instructions and memory are taken.
const COUNTED: u32 = 2_000;
/// Limits that hold nothing back: it is to be measured what a call takes.
const MEMORY: usize = 1 << 30;
const DEADLINE: Duration = Duration::from_secs(1);

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Bench {
    /// A file, or the name of a built-in plugin.
    pub plugin: String,
    /// Its configuration, JSON text.
    pub config: String,
    /// Whether the built-in plugins are measured as well.
    pub beside: bool,
}

/// What one hook costs.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// The plugin, as it was asked for.
    pub plugin: String,
    /// Which hook.
    pub hook: &'static str,
    /// So many endpoints there were.
    pub endpoints: usize,
    /// Nanoseconds of a call.
    pub ns: f64,
    /// Instructions of a call, in units of the engine's fuel.
    pub instructions: f64,
    /// Calls of the contract's imports, by call.
    pub host_calls: f64,
    /// How often the guest's allocator asks for more memory in a thousand calls. What it takes of memory that it has is its own
    /// affair, and not seen.
    pub grows: f64,
    /// Bytes by which memory grows in a thousand calls.
    pub growth: u64,
    /// Bytes of an instance's memory before the calls.
    pub memory: usize,
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub struct Costs(pub Vec<Cost>);

/// Measures a plugin.
///
/// # Errors
/// If it is not taken, does not start with its configuration, or fails.
pub fn bench(state_dir: Option<PathBuf>, bench: &Bench) -> Result<Costs, AuthorError> {
    let quick = Workshop::open(state_dir.clone())?;
    let metered = Workshop::metered(state_dir)?;
    let limits = PluginLimits { memory: MEMORY, deadline: DEADLINE, ..usual_limits() };
    let load = |named: &str| Ok::<_, AuthorError>([quick.load(named, &limits)?, metered.load(named, &limits)?]);
    let mut costs = Vec::new();
    let mine = load(&bench.plugin)?;
    let selects = mine.iter().all(|plugin| plugin.has(Hook::Selection));
    let mut measure = |named: &str, plugins: &[Arc<Plugin>; 2], config: &str| {
        for hook in Hook::OF_EXCHANGES.into_iter().filter(|hook| plugins.iter().all(|plugin| plugin.has(*hook))) {
            let sizes = if hook == Hook::Selection { &SIZES[..] } else { &SIZES[..1] };
            for &endpoints in sizes {
                let rigs = [(&quick, &plugins[0]), (&metered, &plugins[1])];
                let [quick, metered] =
                    rigs.map(|(workshop, plugin)| busy(workshop, plugin, config, endpoints, &limits));
                let wrong = |error| AuthorError::Plugin(named.to_owned(), error);
                let (mut quick, mut metered) = (quick.map_err(wrong)?, metered.map_err(wrong)?);
                let cost = cost(named, hook, endpoints, &mut quick.0, &mut metered.0);
                costs.push(cost.map_err(|failure| wrong(LoadError::Failed(hook.as_str(), failure)))?);
            }
        }
        Ok::<_, AuthorError>(())
    };
    measure(&bench.plugin, &mine, &bench.config)?;
    for named in BESIDE.into_iter().filter(|named| bench.beside && selects && **named != bench.plugin) {
        measure(named, &load(named)?, "{}")?;
    }
    Ok(Costs(costs))
}

/// A use with so many endpoints that have something to do: as the house measures its own.
fn busy(
    workshop: &Workshop,
    plugin: &Arc<Plugin>,
    config: &str,
    endpoints: usize,
    limits: &PluginLimits,
) -> Result<(Rig, Vec<InFlight>), LoadError> {
    let one = |number: usize| model::Endpoint {
        weight: number as u32 % 5 + 1,
        zone: if number.is_multiple_of(2) { "a" } else { "b" }.to_owned(),
        ..endpoint(&format!("e{number}"))
    };
    let rules = Rules { when_all_bad: WhenAllBad::Refuse, slow_start: None };
    let stage = Stage::new("app", &StandingClock::at(BEGINNING), (0..endpoints).map(one).collect(), rules);
    let mut random = fastrand::Rng::with_seed(1);
    let mut in_flight = Vec::new();
    for (index, endpoint) in stage.members().endpoints.iter().enumerate() {
        stage.sample(index, Duration::from_micros(random.u64(1_000..8_000)));
        in_flight.extend((0..random.usize(0..8)).filter_map(|_| endpoint.enter()));
    }
    let setting = Setting { config: config.to_owned(), limits: limits.clone(), zone: "a".into(), ..Setting::default() };
    Ok((workshop.rig(plugin, &stage, setting)?, in_flight))
}

fn cost(named: &str, hook: Hook, endpoints: usize, quick: &mut Rig, metered: &mut Rig) -> Result<Cost, Failure> {
    let requests: Vec<_> = (0..256).map(numbered).collect();
    // Whatever the first call prepares is not counted.
    calls(metered, hook, &requests, 1)?;
    let before = metered.meters(0);
    calls(metered, hook, &requests, COUNTED)?;
    let after = metered.meters(0);
    calls(quick, hook, &requests, COUNTED)?;
    let memory = quick.memory(0);
    let at_rest = quick.meters(0).grown;
    calls(quick, hook, &requests, COUNTED)?;
    let (grows, size) = quick.meters(0).grown;
    let (grows, growth) = (grows.saturating_sub(at_rest.0), size.saturating_sub(at_rest.1));
    let mut best = f64::INFINITY;
    for _ in 0..BATCHES {
        let (began, mut made) = (Instant::now(), 0);
        while began.elapsed() < BATCH {
            calls(quick, hook, &requests, 256)?;
            made += 256;
        }
        best = best.min(began.elapsed().as_nanos() as f64 / f64::from(made));
    }
    let each = |count: u64| count as f64 / f64::from(COUNTED);
    Ok(Cost {
        plugin: named.to_owned(),
        hook: hook.as_str(),
        endpoints,
        ns: best,
        instructions: each(after.instructions.saturating_sub(before.instructions)),
        host_calls: each(after.host_calls.saturating_sub(before.host_calls)),
        grows: grows as f64 * 1_000.0 / f64::from(COUNTED),
        growth: growth as u64 * 1_000 / u64::from(COUNTED),
        memory,
    })
}

/// So many calls of a hook, one after the other.
fn calls(rig: &mut Rig, hook: Hook, requests: &[Arc<RequestHead>], count: u32) -> Result<(), Failure> {
    let members = rig.stage().members();
    let ended = Ended { tag: 1, attempts: 1, upstream: Duration::from_millis(5) };
    for (_, head) in (0..count).zip(requests.iter().cycle()) {
        let moment = rig.moment();
        match hook {
            Hook::Selection => {
                rig.slot(0).select(head, &members, &[], moment)?;
            }
            Hook::Routing => {
                rig.slot(0).route(&mut head.clone(), moment)?;
            }
            _ => {
                let endpoint = members.endpoints.first().cloned();
                let mut head_of_answer = ResponseHead { headers: HeaderMap::new(), endpoint, ..Default::default() };
                rig.slot(0).respond(head, &mut head_of_answer, &ended, moment)?;
            }
        }
    }
    rig.keep();
    Ok(())
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.0.iter().map(|cost| cost.plugin.chars().count()).max().unwrap_or(0).max(6);
        write!(
            f,
            "{:widest$}  {:9}  {:>9}  {:>10}  {:>12}  {:>10}  {:>12}  {:>12}  {:>10}",
            "plugin",
            "hook",
            "endpoints",
            "ns a call",
            "instructions",
            "host calls",
            "grows / 1000",
            "bytes / 1000",
            "memory"
        )?;
        for cost in &self.0 {
            let Cost { plugin, hook, endpoints, ns, instructions, host_calls, grows, growth, memory } = cost;
            write!(
                f,
                "\n{plugin:widest$}  {hook:9}  {endpoints:>9}  {ns:>10.0}  {instructions:>12.0}  {host_calls:>10.1}  {grows:>12.1}  {growth:>12}  {:>6} KiB",
                memory / 1024
            )?;
        }
        Ok(())
    }
}
