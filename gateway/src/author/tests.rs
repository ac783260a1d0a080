//! What a rig promises, with built-in plugins.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::workshop::usual_limits;
use super::{Asked, BEGINNING, Rig, Setting, Stage, Workshop, endpoint};
use crate::config::model::{self, WhenAllBad};
use crate::endpoint::Rules;
use crate::observe::StandingClock;
use crate::plugin::tests::host_of;
use crate::plugin::{LoadError, Meters, Outcome, OutcomeKind, Plugin};

const RULES: Rules = Rules { when_all_bad: WhenAllBad::Refuse, slow_start: None };

fn stage(weights: &[u32]) -> Arc<Stage> {
    let one = |(number, weight): (usize, &u32)| model::Endpoint { weight: *weight, ..endpoint(&format!("e{number}")) };
    Stage::new("app", &StandingClock::at(BEGINNING), weights.iter().enumerate().map(one).collect(), RULES)
}

/// Compiled once for all tests.
static WORKSHOPS: [LazyLock<Shelf>; 2] = [LazyLock::new(|| shelf(false)), LazyLock::new(|| shelf(true))];

type Shelf = (Workshop, Vec<Arc<Plugin>>);

fn shelf(metered: bool) -> Shelf {
    let names: &[&str] = match metered {
        true => &["least-connections"],
        false => &["round-robin", "random", "least-connections", "consistent-hash"],
    };
    let folder = tempfile::tempdir().unwrap();
    let workshop = Workshop::with(Ok(host_of(names, folder.path(), metered))).unwrap();
    let plugins = names.iter().map(|name| workshop.load(name, &usual_limits()).unwrap()).collect();
    (workshop, plugins)
}

fn rig(plugin: &str, stage: &Arc<Stage>, setting: Setting, metered: bool) -> Result<Rig, LoadError> {
    let (workshop, plugins) = &*WORKSHOPS[usize::from(metered)];
    workshop.rig(plugins.iter().find(|known| known.name == plugin).unwrap(), stage, setting)
}

fn chosen(rig: &mut Rig, worker: usize) -> Option<usize> {
    let choice = rig.choose(worker, &Asked::default().head(), &[]);
    assert!(choice.said.is_ok(), "{choice:?}");
    choice.endpoint
}

#[test]
fn workers_share_what_they_share_in_production() {
    let stage = stage(&[1, 1, 1]);
    let mut rig = rig("round-robin", &stage, Setting { workers: 2, ..Setting::default() }, false).unwrap();
    // One cursor for all workers.
    let turns: Vec<_> = (0..6).map(|turn| chosen(&mut rig, turn % 2)).collect();
    assert_eq!(turns, [0, 1, 2, 0, 1, 2].map(Some));
}

#[test]
fn the_same_seed_gives_the_same_answers_and_another_one_others() {
    let draws = |seed| {
        let stage = stage(&[1, 2, 3]);
        let mut rig = rig("random", &stage, Setting { seed, ..Setting::default() }, false).unwrap();
        (0..64).map(|_| chosen(&mut rig, 0)).collect::<Vec<_>>()
    };
    assert_eq!(draws(7), draws(7));
    assert_ne!(draws(7), draws(8));
}

#[test]
fn endpoints_come_and_go_and_figures_stay_with_them() {
    let stage = stage(&[1, 1]);
    let mut rig = rig("least-connections", &stage, Setting::default(), false).unwrap();
    let busy = stage.members().endpoints[0].enter();
    assert_eq!(chosen(&mut rig, 0), Some(1));
    stage.judge(1, false);
    assert_eq!(chosen(&mut rig, 0), Some(0));
    // The busy one moves to the end, and is still the busy one.
    stage.change([endpoint("new"), endpoint("e0")].into());
    assert_eq!([(); 4].map(|()| chosen(&mut rig, 0)), [Some(0); 4]);
    drop(busy);
    assert_eq!(stage.members().endpoints[1].in_flight(), 0);
    stage.change(Vec::new());
    assert_eq!(chosen(&mut rig, 0), None);
}

#[test]
fn latency_decays_by_the_clock_of_the_stage() {
    let stage = stage(&[1]);
    stage.sample(0, Duration::from_millis(100));
    let latency = || stage.members().endpoints[0].latency_us(stage.clock.instant());
    assert_eq!(latency(), 100_000);
    stage.advance(Duration::from_secs(10));
    // e to the power of minus one.
    assert_eq!(latency(), 36_787);
}

#[test]
fn a_swap_keeps_cells_and_the_hooks_off_the_way_are_called() {
    let stage = stage(&[1, 1, 1]);
    let mut rig = rig("round-robin", &stage, Setting::default(), false).unwrap();
    assert_eq!(chosen(&mut rig, 0), Some(0));
    let plugin = rig.slot(0).plugin.clone();
    assert!(rig.swap(&plugin).unwrap().iter().all(Result::is_ok));
    assert_eq!(chosen(&mut rig, 0), Some(1));
    let endpoint = stage.members().endpoints[1].clone();
    let latency = Duration::from_millis(1);
    rig.note(0, &Outcome { endpoint, tag: 0, kind: OutcomeKind::Success, status: 200, latency });
    assert_eq!((rig.observe(), rig.tick()), (Ok(()), Ok(())));
}

#[test]
fn a_refused_configuration_says_why() {
    let setting = Setting { config: r#"{"no-such-key": 1}"#.to_owned(), ..Setting::default() };
    let refused = rig("consistent-hash", &stage(&[1]), setting, false).unwrap_err();
    assert!(matches!(&refused, LoadError::Configure(issues) if issues[0].message.contains("no-such-key")), "{refused}");
}

#[test]
fn metered_code_counts_and_other_code_does_not() {
    let measured = |metered| {
        let stage = stage(&[1, 1, 1]);
        let mut rig = rig("least-connections", &stage, Setting::default(), metered).unwrap();
        let before = rig.meters(0);
        chosen(&mut rig, 0);
        assert!(rig.memory(0) > 0);
        let after = rig.meters(0);
        (after.instructions - before.instructions, after.host_calls - before.host_calls)
    };
    let (instructions, host_calls) = measured(true);
    assert!(instructions > 50 && (1..10).contains(&host_calls), "{instructions} {host_calls}");
    assert_eq!(measured(true), (instructions, host_calls), "deterministic");
    assert_eq!(measured(false), (0, 0));
    assert_eq!(Meters::default(), Meters { instructions: 0, host_calls: 0, grown: (0, 0) });
}

#[test]
fn a_request_has_what_is_said_of_it() {
    let name = HeaderName::from_static("x-user");
    let head = Asked::default().field(name.clone(), HeaderValue::from_static("7")).of([10, 0, 0, 1].into()).head();
    assert_eq!((head.headers[name].as_bytes(), head.target.path()), (&b"7"[..], "/"));
    assert_eq!(head.client.to_string(), "10.0.0.1");
}
