//! A case: its contenders take turns, round by round, so that what changes on the machine meanwhile meets all of them.
//! Before each turn it must be quiet, and the proxy warm.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::case::{Case, Load};
use crate::load::{COUNTED, H2load, Idle, Outcome, Place, Target, Wrk, handshakes, steady};
use crate::machine::{Cores, wait_for_quiet};
use crate::origin;
use crate::report::{Row, Table};
use crate::stage::{Contender, Serving, Stage};

/// Of nginx's peak, the rate of the case `latency`.
const STEADY: f64 = 0.60;

/// What one turn of one contender came to.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Sample {
    pub(crate) answers: u64,
    pub(crate) seconds: f64,
    /// CPU time of the proxy, in microseconds.
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    /// Bytes of bodies that went through.
    pub(crate) moved: u64,
    /// Bytes of memory at the end.
    pub(crate) resident: u64,
    /// Bytes of memory for each idle connection.
    pub(crate) per_connection: Option<f64>,
    /// How busy the cores were, from 0 to 1.
    pub(crate) proxy_core: f64,
    pub(crate) origin_core: f64,
    /// Connections that the proxy made to the origin meanwhile.
    pub(crate) origin_connections: u64,
    /// Seconds that were left out, since the load had no core.
    pub(crate) lost: f64,
}

/// One who takes turns.
struct Turn<'a> {
    contender: &'a Contender,
    serving: Option<Serving>,
    samples: Vec<Sample>,
}

/// Runs a case to its end, or to the first wrong answer.
pub(crate) fn run(stage: &Stage, case: &'static Case) -> Result<Table> {
    let mut turns = Vec::new();
    for contender in stage.contenders.iter().filter(|contender| contender.is_in(case)) {
        // Memory that an earlier round has given back would serve the next: then every round has a process of its own.
        let serving = if is_idle(case) { None } else { Some(stage.start(contender)?) };
        turns.push(Turn { contender, serving, samples: Vec::new() });
    }
    let rate = if case.load == Load::Steady {
        Some(STEADY * peak(stage, case, &turns).context("nginx, for its peak")?)
    } else {
        None
    };
    for round in 1..=stage.rounds {
        for turn in &mut turns {
            let name = turn.contender.peer.name;
            wait_for_quiet(stage.force)?;
            let sample =
                turn.take(stage, case, rate).with_context(|| format!("{name}, in {}, round {round}", case.name))?;
            let figure = case.yardstick.of(&sample).map_or("–".to_owned(), |figure| case.yardstick.text(figure));
            eprintln!("{} {round}/{}: {name} {figure} {}", case.name, stage.rounds, case.yardstick.title());
            turn.samples.push(sample);
        }
    }
    let rows = turns.into_iter().map(|turn| Row::new(turn.contender.peer.name, turn.samples)).collect();
    Ok(Table::new(case, rows, rate))
}

fn is_idle(case: &Case) -> bool {
    matches!(case.load, Load::Idle { .. })
}

/// What nginx can do here, in requests per second.
fn peak(stage: &Stage, case: &Case, turns: &[Turn<'_>]) -> Result<f64> {
    let nginx = turns.iter().find(|turn| turn.contender.peer.is_yardstick()).context("nginx always takes part")?;
    let target = nginx.target(stage, case, nginx.serving.as_ref().context("nginx serves")?);
    let place = nginx.place(stage)?;
    wait_for_quiet(stage.force)?;
    let outcome = Wrk::warm_up(&target, &place)?.run(&target, &place, stage.seconds)?;
    Ok(outcome.answers as f64 / outcome.seconds)
}

impl Turn<'_> {
    fn take(&mut self, stage: &Stage, case: &Case, rate: Option<f64>) -> Result<Sample> {
        if is_idle(case) {
            let serving = stage.start(self.contender)?;
            return idle(&self.target(stage, case, &serving), &serving);
        }
        let serving = self.serving.as_mut().context("it serves since the case began")?;
        if let Some(words) = serving.running.last_words()? {
            anyhow::bail!(words);
        }
        let serving = self.serving.as_ref().context("as before")?;
        let (target, place) = (self.target(stage, case, serving), self.place(stage)?);
        target.probe()?;
        let time = Duration::from_secs(u64::from(stage.seconds));
        let second = Duration::from_secs(1);
        match case.load {
            Load::Closed { .. } => {
                let wrk = Wrk::warm_up(&target, &place)?;
                measure(stage, serving, &target, || wrk.run(&target, &place, stage.seconds))
            }
            Load::Http2 => {
                let h2load = H2load::warm_up(&target, &place)?;
                measure(stage, serving, &target, || h2load.run(&target, &place, stage.seconds))
            }
            Load::Handshakes { resumed } => {
                handshakes(&target, resumed, second)?;
                measure(stage, serving, &target, || handshakes(&target, resumed, time))
            }
            Load::Steady => {
                let rate = rate.context("the case has a rate")?;
                steady(&target, rate, second)?;
                measure(stage, serving, &target, || steady(&target, rate, time))
            }
            Load::Idle { .. } => unreachable!("taken care of above"),
        }
    }

    fn target(&self, stage: &Stage, case: &Case, serving: &Serving) -> Target {
        let target = Target::small(if case.is_secure() { serving.secure } else { serving.plain });
        let target = if case.is_secure() { target.over_tls() } else { target };
        let reconnects = matches!(case.load, Load::Closed { reconnects: true, .. });
        let cookie = self.contender.peer.gets_cookie().then_some(stage.cookie.as_str());
        target.asking(&case.request).with_cookie(cookie).reconnecting(reconnects)
    }

    fn place(&self, stage: &Stage) -> Result<Place> {
        let folder: PathBuf = stage.folder(self.contender.peer.name)?;
        Ok(Place { cores: stage.placement.load.clone(), folder })
    }
}

/// What the proxy uses up while that load lasts.
fn measure(
    stage: &Stage,
    serving: &Serving,
    target: &Target,
    load: impl FnOnce() -> Result<Outcome>,
) -> Result<Sample> {
    let (count, cores, usage) = (stage.origin.count()?, Cores::now()?, serving.running.usage()?);
    let outcome = load()?;
    let used = serving.running.usage()? - usage;
    let busy = Cores::now()?.busy_since(&cores);
    let origin_connections = origin::judge(count, stage.origin.count()?, outcome.answers)?;
    target.probe()?;
    let core = |number: usize| busy.get(number).copied().unwrap_or_default();
    Ok(Sample {
        answers: outcome.answers,
        seconds: outcome.seconds,
        user_us: used.user.as_secs_f64() * 1e6,
        system_us: used.system.as_secs_f64() * 1e6,
        p50_us: outcome.p50,
        p99_us: outcome.p99,
        moved: outcome.answers * target.moved(),
        resident: used.resident,
        per_connection: None,
        proxy_core: core(stage.placement.proxy),
        origin_core: core(stage.placement.origin),
        origin_connections,
        lost: outcome.lost,
    })
}

fn idle(target: &Target, serving: &Serving) -> Result<Sample> {
    let mut idle = Idle::begin(target)?;
    let before = serving.running.usage()?.resident;
    idle.grow(target)?;
    let after = serving.running.usage()?.resident;
    idle.end(target)?;
    let per_connection = (after as f64 - before as f64) / COUNTED as f64;
    Ok(Sample { resident: after, per_connection: Some(per_connection), ..Sample::default() })
}
