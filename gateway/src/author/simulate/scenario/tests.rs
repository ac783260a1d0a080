//! What a scenario's file may say, and what is said of one that is wrong.

use std::fs;

use super::*;

fn read(text: &str) -> Result<Scenario, Problems> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), text).unwrap();
    fs::write(folder.path().join("access.json"), "{}\n").unwrap();
    Scenario::read(&folder.path().join("s.toml"), &["random", "round-robin"])
}

/// Line and message of each problem.
fn told(text: &str) -> Vec<(usize, String)> {
    let Problems(problems) = read(text).unwrap_err();
    problems.into_iter().map(|problem| (problem.line, format!("{}: {}", problem.key, problem.message))).collect()
}

const PLAIN: &str = "for = \"10s\"\narrivals = { load = [0.5, 0.9] }\nservice = { mean = \"20ms\" }\n[[endpoint]]\nid = \"a\"\ncount = 2\nservers = 2\nspeed = 0.5\n[[endpoint]]\nid = \"b\"\n";

#[test]
fn a_short_scenario_is_a_whole_one() {
    let scenario = read(PLAIN).unwrap();
    let ids: Vec<&str> = scenario.endpoints.iter().map(|endpoint| &*endpoint.settings.id).collect();
    assert_eq!(ids, ["a-1", "a-2", "b"]);
    // Two with two servers of half the speed and one with one, 20 ms each.
    let rates: Vec<f64> = scenario.levels.iter().map(|level| level.rate).collect();
    assert_eq!((rates, scenario.axis), (vec![75.0, 135.0], Axis::Load));
    assert_eq!((scenario.gateways.len(), scenario.gateways[0].workers, scenario.seed), (1, 1, 1));
}

#[test]
fn changes_name_endpoints_and_kinds_and_come_in_their_order() {
    let changes = "[[change]]\nat = \"5s\"\nendpoints = [\"b\"]\nspeed = 0.1\n[[change]]\nat = \"2s\"\nendpoints = [\"a\"]\nstate = \"down\"\n[[change]]\nat = \"3s\"\narrivals = 2\n";
    let scenario = read(&format!("{PLAIN}{changes}")).unwrap();
    let told: Vec<_> = scenario.changes.iter().map(|change| (change.endpoints.clone(), &*change.said)).collect();
    let due = [(vec![0, 1], "a: down"), (vec![], "arrivals × 2"), (vec![2], "b: speed 0.1")];
    assert_eq!(told, due);
}

#[test]
fn every_mistake_has_its_line() {
    let shape = told("for = \"10s\"\narivals = {}\nservice = { mean = 20 }\n[[endpoint]]\nid = \"a\"\nserver = 2\n");
    let lines: Vec<usize> = shape.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [0, 2, 3, 6], "{shape:?}");
    let cases = [
        ("warm-up = \"10s\"", (1, "warm-up: it must be shorter than the run")),
        ("arrivals.think = \"1s\"", (1, "arrivals.think: only for `process = \"closed\"`")),
        ("keys = { in = \"path\", name = \"x\" }", (1, "keys.name: only for `in = \"header\"`")),
        ("service.tail = 2.0", (1, "service.tail: only for `time = \"pareto\"`")),
        ("arrivals.process = \"closed\"", (4, "arrivals.load: not for `process = \"closed\"`")),
        ("arrivals.rate = [5]", (1, "arrivals.rate: one of these lists is enough")),
        ("arrivals.log = \"access.json\"", (1, "arrivals.log: neither arrivals nor service times")),
        ("service.time = \"recorded\"", (3, "arrivals.log: what is \"recorded\" needs it")),
    ];
    for (line, (at, message)) in cases {
        let plain = PLAIN.replace("arrivals = { load = [0.5, 0.9] }", "arrivals.load = [0.5, 0.9]");
        let plain = plain.replace("service = { mean = \"20ms\" }", "service.mean = \"20ms\"");
        let told = told(&format!("{line}\n{plain}"));
        let found = told.iter().any(|(line, told)| (*line == at || at == 4) && told.contains(message));
        assert!(found, "{line}: {told:?}");
    }
    let cases = [
        ("[[endpoint]]\nid = \"a-1\"\n", (12, "another endpoint is called \"a-1\"")),
        ("[[change]]\nat = \"5s\"\nendpoints = [\"c\"]\nstate = \"up\"\n", (13, "no endpoint is called \"c\"")),
        ("[[change]]\nat = \"5s\"\nendpoints = [\"a\"]\n", (11, "nothing changes")),
        ("[[change]]\nat = \"15s\"\narrivals = 2\n", (12, "it is over by then")),
        ("[[policy]]\nname = \"p\"\nplugin = \"rundom\"\n", (13, "no such file, and no built-in plugin")),
        ("[[policy]]\nname = \"p\"\n", (11, "expected one of plugin, chain")),
        ("[[policy]]\nname = \"p\"\nplugin = \"random\"\nchain = [{ plugin = \"random\" }]\n", (11, "expected one of")),
        (
            "[[policy]]\nname = \"p\"\nchain = [{ plugin = \"random\" }, { plugin = \"rundom\" }]\n",
            (13, "no such file"),
        ),
        (
            "[[policy]]\nname = \"p\"\nplugin = \"random\"\n[[policy]]\nname = \"p\"\nplugin = \"random\"\n",
            (15, "another policy"),
        ),
    ];
    for (lines, (at, message)) in cases {
        let told = told(&format!("{PLAIN}{lines}"));
        assert!(told.len() == 1 && told[0].0 == at && told[0].1.contains(message), "{lines}: {told:?}");
    }
}

#[test]
fn more_requests_than_can_be_kept_are_refused() {
    let long = PLAIN.replace("10s", "100d");
    assert!(told(&long).iter().all(|(line, told)| *line == 2 && told.contains("arrivals.load[")), "{:?}", told(&long));
    let closed = "arrivals = { process = \"closed\", clients = [10], think = \"1s\" }";
    assert!(read(&PLAIN.replace("arrivals = { load = [0.5, 0.9] }", closed)).is_ok());
    let busy = PLAIN.replace("arrivals = { load = [0.5, 0.9] }", &closed.replace(", think = \"1s\"", ""));
    assert!(told(&busy.replace("10s", "100d"))[0].1.contains("arrivals.clients[0]: some 1296000000 requests"));
}

/// The keys of a schema: of tables those in them as well.
fn keys(schema: &serde_json::Value, found: &mut Vec<String>) {
    let schema = schema["items"].as_object().map_or(schema, |_| &schema["items"]);
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        found.push(key.clone());
        keys(inner, found);
    }
}

#[test]
fn the_manual_has_every_key() {
    let settings =
        schemars::generate::SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<raw::File>().to_value();
    let mut found = Vec::new();
    keys(&schema, &mut found);
    assert!(found.len() > 40, "{found:?}");
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/simulator.md");
    let manual = fs::read_to_string(manual).unwrap();
    let is_told = |key: &String| {
        [format!("`{key}`"), format!(".{key}`"), format!("[{key}]"), format!("{key} = ")]
            .iter()
            .any(|form| manual.contains(form))
    };
    let missing: Vec<&String> = found.iter().filter(|key| !is_told(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
