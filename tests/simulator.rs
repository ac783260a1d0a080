//! `sluice simulate`: what it plays agrees with the theory where that is exact, gives the same bytes each time, and says what is wrong with
//! a scenario or a policy.

mod live; // beside a gateway and real backends
mod theory; // where that is exact
mod wrong; // what cannot be played

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::documents::blocks::Document;
use crate::harness::guests::target;
use crate::harness::{Ask, Configuration, Gateway, Origin, load};

/// A folder with a scenario, and what `sluice simulate` says of it.
struct Play {
    folder: TempDir,
}

impl Play {
    fn of(scenario: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("scenario.toml"), scenario).unwrap();
        Self { folder }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut sluice = Command::new(env!("CARGO_BIN_EXE_sluice"));
        sluice.arg("simulate").arg(self.folder.path().join("scenario.toml")).args(arguments);
        sluice.arg("--state-dir").arg(target().join("sluice-state")).output().unwrap()
    }

    /// Its standard output, which must be all that it says.
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*complaint), (Some(0), ""), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, policies: &[&str]) -> Value {
        let policies = policies.iter().flat_map(|policy| ["--policy", policy]);
        serde_json::from_str(&self.said(&policies.chain(["--json"]).collect::<Vec<_>>())).unwrap()
    }
}

/// The only run of the n-th policy.
fn run(outcomes: &Value, policy: usize) -> &Value {
    &outcomes["policies"][policy]["runs"][0]
}

fn number(of: &Value) -> f64 {
    of.as_f64().unwrap_or_else(|| panic!("{of} is no number"))
}

fn assert_within(what: &str, found: f64, due: f64, part: f64) {
    eprintln!("{what}: {found:.4} for {due:.4}");
    assert!((found / due - 1.0).abs() <= part, "{what}: {found} for {due}");
}

/// Everything at once: two gateways in two zones, keys with a cache, bursts, endpoints that fail in every way.
const BUSY: &str = r#"
title = "all at once"
for = "30s"
warm-up = "3s"
arrivals = { process = "bursts", load = [0.2, 0.45], burst = 3, burst-for = "1s", burst-every = "6s" }
service = { time = "log-normal", mean = "20ms", spread = 1.5 }
keys = { count = 500, zipf = 1.1, in = "header", name = "x-user", cache = { keys = 100, hit = "10%" } }
network = { within = "200us", across = "3ms" }
health = { response-timeout = "2s", check-every = "1s", slow-start = "5s", consecutive-failures = 3 }

[[gateway]]
workers = 2
zone = "a"
[[gateway]]
share = 2
zone = "b"

[[endpoint]]
id = "near"
count = 3
servers = 2
zone = "a"
[[endpoint]]
id = "far"
count = 2
servers = 4
weight = 2
zone = "b"
queue = 50
errors = "0.5%"
[[endpoint]]
id = "new"
servers = 2
zone = "b"
state = "absent"

[[change]]
at = "8s"
endpoints = ["near-1"]
state = "down"
[[change]]
at = "12s"
endpoints = ["near-1", "new"]
state = "up"
[[change]]
at = "15s"
endpoints = ["far-2"]
state = "hangs"
[[change]]
at = "20s"
endpoints = ["far-2"]
state = "up"
speed = 0.5
[[change]]
at = "22s"
endpoints = ["near-2"]
state = "draining"
[[change]]
at = "25s"
arrivals = 0.5

[[policy]]
name = "hash"
plugin = "consistent-hash"
config = { key = [{ header = "x-user" }], load-bound = 1.5 }
"#;

/// The default policies that choose by themselves.
const POLICIES: [&str; 9] = [
    "consistent-hash",
    "failover",
    "least-connections",
    "least-response-time",
    "nearest-zone",
    "power-of-two-choices",
    "random",
    "round-robin",
    "weighted-round-robin",
];

#[test]
fn the_same_seed_gives_the_same_bytes_with_every_policy_and_another_one_others() {
    let play = Play::of(BUSY);
    let policies: Vec<&str> = POLICIES.iter().flat_map(|policy| ["--policy", policy]).collect();
    let all = [&policies[..], &["--policy", "hash", "--json"]].concat();
    let first = play.said(&all);
    assert_eq!(first, play.said(&all));
    assert_ne!(first, play.said(&[&all[..], &["--seed", "2"]].concat()));

    let outcomes: Value = serde_json::from_str(&first).unwrap();
    let played = outcomes["policies"].as_array().unwrap();
    assert_eq!(played.len(), POLICIES.len() + 1);
    let requests = |run: usize| played.iter().map(move |policy| policy["runs"][run]["requests"].as_u64().unwrap());
    for run in [0, 1] {
        let mut all = requests(run);
        let first = all.next().unwrap();
        assert!(first > 1_000 && all.all(|other| other == first), "all met the same requests");
    }
    for policy in played {
        let answers = &policy["runs"][1]["answers"];
        let good = answers["good"].as_f64().unwrap() / policy["runs"][1]["requests"].as_f64().unwrap();
        assert!(good > 0.9, "{}: {answers}", policy["name"]);
    }
}

#[test]
fn who_keeps_to_keys_moves_few_of_them_and_finds_them_in_the_cache() {
    let scenario = "for = \"60s\"\narrivals.load = [0.4]\nservice.mean = \"20ms\"\n\
        keys = { count = 2000, cache = { keys = 1000, hit = \"10%\" } }\n[[endpoint]]\nid = \"e\"\ncount = 5\nservers = 4\n\
        [[change]]\nat = \"30s\"\nendpoints = [\"e-3\"]\nstate = \"absent\"\n";
    let outcomes = Play::of(scenario).json(&["consistent-hash", "round-robin"]);
    let moved = |policy| number(&run(&outcomes, policy)["changes"][0]["moved"]);
    // Those of one in five; of the others hardly any.
    assert_within("keys moved by a change", moved(0), 0.2, 0.3);
    assert!(moved(1) > 0.6, "{}", moved(1));
    let hits = |policy: usize| -> u64 {
        let endpoints = run(&outcomes, policy)["endpoints"].as_array().unwrap();
        endpoints.iter().map(|endpoint| endpoint["cache_hits"].as_u64().unwrap()).sum()
    };
    assert!(hits(0) > hits(1) + hits(1) / 4, "{} and {}", hits(0), hits(1));
    assert_eq!(run(&outcomes, 0)["endpoints"][2]["over_time"][45], 0.0, "who is gone gets nothing");
}

#[test]
fn an_endpoint_that_goes_down_is_taken_out_and_costs_few_requests() {
    let scenario = "for = \"40s\"\narrivals.load = [0.5]\nservice.mean = \"10ms\"\n[[endpoint]]\nid = \"e\"\ncount = 4\nservers = 2\n\
        [[change]]\nat = \"10s\"\nendpoints = [\"e-1\"]\nstate = \"down\"\n[[change]]\nat = \"20s\"\nendpoints = [\"e-1\"]\nstate = \"up\"\n";
    let outcomes = Play::of(scenario).json(&["round-robin"]);
    let run = run(&outcomes, 0);
    let in_flight = |part: usize| number(&run["endpoints"][0]["over_time"][part]);
    assert!(in_flight(5) > 0.5 && in_flight(20) < 0.1 && in_flight(55) > 0.5, "{}", run["endpoints"][0]["over_time"]);
    // What it had when it went down is sent once more, as what found nobody is.
    assert!(run["retries"].as_u64().unwrap() >= 5, "{}", run["retries"]);
    assert_eq!(run["answers"]["good"], run["requests"]);
}

#[tokio::test]
async fn what_a_gateway_has_logged_is_played_again() {
    let origins: [Origin; 2] = Origin::several().await;
    origins.iter().for_each(|origin| origin.answers_after(2));
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref())).await;
    load(&gateway, 4, 200, |number| Ask::get(&format!("/item/{}", number % 10))).await;
    let lines = gateway.exchanges(200).await;
    let log: String = lines.iter().map(|line| format!("{}\n", line.0)).collect();
    let play = Play::of(
        "for = \"1h\"\narrivals = { process = \"recorded\", log = \"access.json\", speed = [1, 10] }\nservice.time = \"recorded\"\n\
         keys.in = \"path\"\n[[endpoint]]\nid = \"e\"\ncount = 2\nservers = 100\n",
    );
    play.file("access.json", log);
    let outcomes = play.json(&["random"]);
    let seconds = number(&outcomes["seconds"]);
    assert!(seconds < 60.0, "{seconds} s, and not the hour that it might take");
    for run in outcomes["policies"][0]["runs"].as_array().unwrap() {
        assert_eq!((&run["requests"], &run["answers"]["good"]), (&200.into(), &200.into()));
        let median = number(&run["latency_ms"]["p50"]);
        assert!((2.0..200.0).contains(&median), "{median}");
    }
}

#[test]
fn a_table_is_for_people_and_a_report_for_those_who_were_not_there() {
    let play = Play::of(BUSY);
    let report = play.folder.path().join("report.html");
    let table =
        play.said(&["--policy", "hash", "--policy", "least-connections", "--html", &report.display().to_string()]);
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("hash") || line.starts_with("least")).collect();
    assert_eq!(rows.len(), 4, "{table}");
    let page = fs::read_to_string(&report).unwrap();
    assert!(
        page.contains("<h1>all at once</h1>") && page.contains("least-connections") && page.contains("near-1: down")
    );
    assert!(page.matches("<svg").count() > 10 && !page.contains("http"), "plots, and nothing from outside");
    assert!(Path::new(&report).metadata().unwrap().len() < 2_000_000);
}

#[test]
fn the_scenarios_of_the_manual_can_be_played() {
    let manual = Document::read("docs/simulator.md");
    let log = concat!(
        r#"{"timestamp":"2026-11-21T19:05:28.500000Z","message":"exchange","status":200,"method":"GET","host":"a","path":"/b","#,
        r#""client":"192.0.2.7","endpoint":"e1","duration_us":30000,"upstream_us":25000,"target":"access"}"#
    );
    let scenarios: Vec<_> = manual.blocks.iter().filter(|block| block.kind() == "toml").collect();
    assert_eq!(scenarios.len(), 2);
    for scenario in scenarios {
        // The same with less of everything.
        let play = Play::of(&scenario.text.replace("load = [0.3, 0.5, 0.6, 0.7]", "load = [0.2]"));
        play.file("access.json", log);
        let table = play.said(&["--policy", "round-robin"]);
        assert!(table.contains("round-robin"), "{}: {table}", scenario.place);
    }
}

const SESSIONS: &str = r#"
for = "20s"
warm-up = "5s"
arrivals.load = [0.5]
service.mean = "20ms"
keys.count = 200

[[endpoint]]
id = "app"
count = 4
servers = 4

[[change]]
at = "12s"
endpoints = ["app-1"]
state = "down"

[[policy]]
name = "sessions"
chain = [{ plugin = "sticky-session", config = { cookie = "where" } }, { plugin = "least-connections" }]
"#;

/// The cookie that one plugin sets comes back and is read by it; who has none is the next one's.
#[test]
fn a_chain_keeps_clients_where_they_are_and_balances_those_that_are_new() {
    let play = Play::of(SESSIONS);
    let found = play.json(&["sessions", "sticky-session+least-connections", "least-connections"]);
    let [chain, same, alone] = [0, 1, 2].map(|policy| run(&found, policy));
    for chain in [chain, same] {
        // Those of the endpoint that went down, once.
        assert!(number(&chain["moved"]) < 0.03, "{chain}");
        assert_eq!(chain["passed"], 0, "the second one has an opinion on all that the first one has none on: {chain}");
        let moved = number(&chain["changes"][0]["moved"]);
        assert!((0.1..0.4).contains(&moved), "a fourth of the clients had to go: {chain}");
        for endpoint in 1..4 {
            assert!(number(&chain["endpoints"][endpoint]["share"]) > 0.15, "{chain}");
        }
    }
    assert!(number(&alone["moved"]) > 0.5, "{alone}");
    let plugin = found["policies"][0]["plugin"].as_str().unwrap();
    assert!(plugin.starts_with("sticky-session ") && plugin.contains(", least-connections "), "{plugin}");
    assert_eq!(play.said(&["--json"]), play.said(&["--json"]), "the same bytes, whatever is sealed");
}
