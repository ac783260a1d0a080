//! A gateway that nobody serves with: a configuration file's text, built as the program builds it, and the slots of one of its
//! workers.

use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use sluice_gateway::config::{self, Format};
use sluice_gateway::endpoint::{InFlight, Members};
use sluice_gateway::plugin::compile::Compiler;
use sluice_gateway::plugin::{FailureKind, Host, Notice, SealingKeys, Slot, builtin};
use sluice_gateway::socket::Sockets;
use sluice_gateway::state::{Builder, Serving};
use tokio::sync::mpsc;

use crate::guests;

/// So many endpoints has the upstream `app`.
pub const SIZES: [usize; 3] = [3, 100, 1_000];

/// Compiled code is kept from run to run, beside the program.
pub static HOST: LazyLock<Host> = LazyLock::new(|| host(&guests::target().join("sluice-state/compiled")));

/// A host that keeps compiled code in that folder.
pub fn host(cache: &Path) -> Host {
    Host::new(Compiler::new(env!("CARGO_BIN_EXE_sluice").into(), cache.to_owned()).unwrap()).unwrap()
}

/// The keys of sealed cookies.
pub fn keys() -> SealingKeys {
    SealingKeys { current: vec![7; 32], previous: None }
}

/// What a configuration says beside its endpoints.
#[derive(Default, Clone, Copy)]
pub struct Chains<'a> {
    /// The routing chain of the one route, as an array of TOML.
    pub routing: &'a str,
    /// The selection chain of `app`.
    pub selection: &'a str,
    /// The response chain of the route.
    pub response: &'a str,
}

/// What serves, as its first worker has it.
pub struct Gateway {
    pub serving: Serving,
    /// In the order of the configuration.
    pub slots: Vec<Arc<Slot>>,
    pub notices: mpsc::Sender<Notice>,
    _noticed: mpsc::Receiver<Notice>,
    _in_flight: Vec<InFlight>,
}

impl Gateway {
    /// Builds it, with so many endpoints that have something to do.
    pub fn of(chains: Chains<'_>, endpoints: usize) -> Self {
        let (notices, noticed) = mpsc::channel(64);
        let config =
            config::from_text(&text(chains, endpoints), Format::Toml, Path::new("/"), "bench", &builtin::names());
        let config = config.unwrap().finish().unwrap_or_else(|problems| panic!("{problems}"));
        let builder = Builder {
            host: &HOST,
            notices: &notices,
            sockets: &Sockets::default(),
            inheritance: None,
            before: None,
            fresh: false,
            taken_back: &[],
        };
        let built = builder.build(config, keys()).unwrap_or_else(|problems| panic!("{problems}"));
        let (serving, mut shares) = built.shares(None);
        let slots = shares.swap_remove(0).slots;
        slots.iter().for_each(|slot| slot.fill().unwrap());
        let busy = occupy(&serving.plan.upstreams[0].set.load());
        Self { serving, slots, notices, _noticed: noticed, _in_flight: busy }
    }

    /// One plugin in the selection chain.
    pub fn selecting(plugin: &str, endpoints: usize) -> Self {
        Self::of(Chains { selection: &format!("[{plugin}]"), ..Chains::default() }, endpoints)
    }

    /// The endpoints of `app`.
    pub fn members(&self) -> Arc<Members> {
        self.serving.plan.upstreams[0].set.snapshot()
    }
}

/// A call that failed is soon over, and would look quick.
impl Drop for Gateway {
    fn drop(&mut self) {
        for slot in self.slots.iter().filter(|_| !std::thread::panicking()) {
            for kind in FailureKind::ALL {
                assert_eq!(slot.owner.counters().failures(kind), 0, "{}: {kind:?}", slot.owner.name);
            }
        }
    }
}

/// Up to seven requests in flight at each, and latencies from 1 to 8 ms.
fn occupy(members: &Members) -> Vec<InFlight> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut in_flight = Vec::new();
    for endpoint in &members.endpoints {
        endpoint.sample_latency(Duration::from_micros(random.u64(1_000..8_000)), Instant::now());
        in_flight.extend((0..random.usize(0..8)).filter_map(|_| endpoint.enter()));
    }
    in_flight
}

/// Three zones, two priorities, weights from 1 to 5.
fn text(chains: Chains<'_>, endpoints: usize) -> String {
    let or_none = |chain: &str| if chain.is_empty() { "[]".to_owned() } else { chain.to_owned() };
    let Chains { routing, selection, response } = chains;
    let mut text = String::from("workers = 2\nzone = \"a\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n");
    if [routing, selection, response].iter().any(|chain| chain.contains("passes")) {
        let path = guests::built_guest("passes");
        writeln!(text, "[[plugin]]\nname = \"passes\"\npath = {path:?}").unwrap();
    }
    writeln!(text, "[[route]]\nname = \"all\"\nupstream = \"app\"\nupstreams = [\"app-next\"]").unwrap();
    writeln!(text, "routing = {}\nresponse = {}", or_none(routing), or_none(response)).unwrap();
    writeln!(text, "[[upstream]]\nname = \"app\"\nselection = {}\nendpoints = [", or_none(selection)).unwrap();
    for number in 0..endpoints {
        let (zone, priority, weight) = (["a", "b", "c"][number % 3], number % 2, number % 5 + 1);
        let address = format!("10.0.{}.{}:8080", number / 250, number % 250 + 1);
        writeln!(
            text,
            "{{ id = \"app-{number}\", address = \"{address}\", zone = \"{zone}\", priority = {priority}, weight = {weight} }},"
        )
        .unwrap();
    }
    writeln!(
        text,
        "]\n[[upstream]]\nname = \"app-next\"\nselection = []\nendpoints = [{{ address = \"10.1.0.1:8080\" }}]"
    )
    .unwrap();
    text
}
