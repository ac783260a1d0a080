//! Plugins at random against the host itself, in this process, where nothing else takes memory: whatever they do, nothing here
//! panics, and when they are gone their memory is. `cargo test` tries a few hundred; ten thousand are tried by
//! `cargo test -p sluice-gateway --test generated -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]
#![allow(clippy::print_stderr, reason = "what was tried goes to its reader")]
#![allow(
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "nothing here is anybody's library, and others need more of it"
)]

mod bodies; // plugins that do something at random
#[path = "../bench/hooks/exchange.rs"]
mod exchange;
#[path = "../bench/hooks/gateway.rs"]
mod gateway; // what their uses belong to
#[path = "../harness/guests.rs"]
mod guests;
#[path = "../harness/text.rs"]
mod text;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use exchange::{answer, ended, request};
use gateway::{Chains, Gateway, host, keys};
use sluice_gateway::config::model::PluginLimits;
use sluice_gateway::plugin::{Failure, FailureKind, Host, LoadError, Moment, Slot, Use, UseSettings};

// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exchanges that each plugin is asked about.
const EXCHANGES: usize = 4;
/// So many plugins are tried before memory is looked at: what a process keeps for later it has by then.
const WARM: u64 = 50;

/// Where plugins are tried.
struct Place {
    host: Host,
    cache: tempfile::TempDir,
    gateway: Gateway,
    settings: UseSettings,
    limits: PluginLimits,
    random: fastrand::Rng,
    now_us: u64,
}

/// What became of them.
#[derive(Debug, Default)]
struct Outcomes {
    tried: u64,
    made: u64,
    called: u64,
    refused: BTreeMap<String, u64>,
    calls: BTreeMap<String, u64>,
}

impl Place {
    fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        let gateway = Gateway::of(Chains { selection: r#"["random"]"#, ..Chains::default() }, 3);
        let one = &gateway.slots[0].owner;
        let limits = PluginLimits { deadline: Duration::from_millis(2), ..one.limits.clone() };
        let upstreams = one.upstream.clone().into_iter().collect();
        let settings = UseSettings { limits: limits.clone(), upstreams, slots: 1, ..(***one).clone() };
        Self {
            host: host(cache.path()),
            cache,
            gateway,
            settings,
            limits,
            random: fastrand::Rng::with_seed(7),
            now_us: 1 << 50,
        }
    }

    fn moment(&mut self) -> Moment<'static> {
        self.now_us += 1_000;
        Moment::new(self.random.u64(..), self.now_us)
    }

    /// Loads a plugin and asks all its hooks about some exchanges, as a worker does.
    fn attempt(&mut self, content: &[u8], outcomes: &mut Outcomes) {
        outcomes.tried += 1;
        match self.ask(content, outcomes) {
            Ok(()) => {}
            Err(LoadError::Failed(_, Failure::HostPanic(panic))) => panic!("the host panicked: {panic}"),
            Err(error) => {
                let error = error.to_string();
                let kind: String = error.chars().filter(|c| !c.is_ascii_digit()).take(80).collect();
                *outcomes.refused.entry(kind).or_default() += 1;
            }
        }
        for entry in std::fs::read_dir(self.cache.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    fn ask(&mut self, content: &[u8], outcomes: &mut Outcomes) -> Result<(), LoadError> {
        let plugin = self.host.load("random", content, &self.limits, &keys())?;
        let owner = Use::new(self.settings.clone(), &keys())?;
        let slot = Slot::new(owner.clone(), plugin, 0, self.gateway.notices.clone());
        slot.fill()?;
        outcomes.made += 1;
        let members = self.gateway.members();
        let mut was_asked = false;
        for number in 0..EXCHANGES {
            let mut request = request("session=1");
            let tried = &members.endpoints[..number % 2];
            let routed = slot.route(&mut request, self.moment()).map(drop);
            let selected = slot.select(&request, &members, tried, self.moment()).map(drop);
            let mut head = answer(members.endpoints[0].clone(), &[]);
            let responded = slot.respond(&request, &mut head, &ended(1), self.moment()).map(drop);
            was_asked |= !matches!(selected, Err(Failure::NoInstance | Failure::Bypassed | Failure::Shed));
            for outcome in [routed, selected, responded] {
                let kind = outcome.as_ref().map_or_else(|failure| failure.kind().as_str(), |()| "answered");
                *outcomes.calls.entry(kind.to_owned()).or_default() += 1;
            }
            // A use that fails is left out for a while: each exchange is one of a later time.
            self.now_us += 61_000_000;
            slot.fill()?;
        }
        outcomes.called += u64::from(was_asked);
        assert_eq!(owner.counters().failures(FailureKind::HostPanic), 0, "the host panicked");
        Ok(())
    }
}

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")).map_or(0, |size| size.parse::<u64>().unwrap() * 1024)
}

/// That many plugins at random.
fn bodies(count: u64) {
    let began = Instant::now();
    let mut place = Place::new();
    let mut outcomes = Outcomes::default();
    let mut before = 0;
    for number in 0..count {
        match bodies::component(number) {
            Ok(content) => place.attempt(&content, &mut outcomes),
            Err(error) => {
                outcomes.tried += 1;
                *outcomes.refused.entry(error).or_default() += 1;
            }
        }
        if number == WARM {
            before = resident();
        }
    }
    let after = resident();
    eprintln!("{outcomes:#?}\nresident after {WARM}: {before}, after {count}: {after} bytes; {:?}", began.elapsed());
    assert!(outcomes.made * 10 >= count * 9, "only {} of {count} were made", outcomes.made);
    assert!(outcomes.called * 10 >= count * 9, "only {} of {count} were called", outcomes.called);
    assert!(outcomes.calls.len() >= 4, "they all do the same: {:?}", outcomes.calls);
    assert!(after < before + (16 << 20), "grew from {before} to {after} bytes");
}

/// A good plugin, with some bits of it turned: refused, or called and survived.
fn broken(count: u64) {
    let mut place = Place::new();
    let mut outcomes = Outcomes::default();
    let whole = text::Text::new().component();
    for number in 0..count {
        let mut random = fastrand::Rng::with_seed(number);
        let mut content = whole.clone();
        for _ in 0..=random.usize(..4) {
            let place = random.usize(8..content.len());
            content[place] ^= 1 << random.u32(..8);
        }
        place.attempt(&content, &mut outcomes);
    }
    eprintln!("{outcomes:#?}");
    assert!(outcomes.made > 0 && outcomes.made < count, "{outcomes:?}");
}

/// F: one after the other, since memory is that of the whole process.
#[test]
fn f_plugins_at_random_hurt_nobody() {
    bodies(300);
    broken(100);
}

/// F
#[test]
#[ignore = "takes minutes"]
fn f_ten_thousand_plugins_at_random_hurt_nobody() {
    bodies(10_000);
    broken(2_000);
}
