//! The tools of an author: what a component is, whether it keeps what it promises, what it costs.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::guests::{self, built_guest, built_ins, workspace};

/// What is asked of `sluice plugin`, with compiled code kept for all tests.
fn plugin(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.arg("plugin").args(arguments).arg("--state-dir").arg(guests::target().join("sluice-state"));
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap_or_else(|error| panic!("{error}: {}{}", out(output), err(output)))
}

/// A scenario in a folder of its own.
fn scenario(content: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    std::fs::write(&file, content).unwrap();
    let name = text(&file).to_owned();
    (folder, name)
}

#[test]
fn every_default_plugin_passes_its_own_scenario() {
    std::thread::scope(|scope| {
        let tests = built_ins().into_iter().map(|name| {
            scope.spawn(move || {
                let file = workspace().join("plugins").join(&name).join("scenario.toml");
                let output = plugin(&["test", &name, "--scenario", text(&file), "--calls", "20000"]);
                assert!(output.status.success(), "{}{}", out(&output), err(&output));
            })
        });
        let tests: Vec<_> = tests.collect();
        tests.into_iter().for_each(|test| test.join().unwrap());
    });
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let ask = |seed| plugin(&["test", "random", "--seed", seed, "--calls", "2000", "--json"]);
    let (first, again, other) = (ask("7"), ask("7"), ask("8"));
    assert!(first.status.success(), "{}", err(&first));
    assert_eq!(out(&first), out(&again));
    assert_eq!((json(&first)["seed"].as_u64(), json(&other)["seed"].as_u64()), (Some(7), Some(8)));
}

#[test]
fn a_promise_that_is_not_kept_names_the_event_and_the_seed() {
    let (_folder, file) =
        scenario("\n\n[[step]]\nname = \"never b\"\nrequest = { times = 5 }\nexpect = { never = [\"b\"] }\n");
    let output = plugin(&["test", "round-robin", "--scenario", &file, "--seed", "11", "--calls", "10"]);
    assert_eq!(output.status.code(), Some(1));
    let said = out(&output);
    assert!(said.contains("FAILED  steps"), "{said}");
    let broke = "event 2: step 1 at line 3 (never b): expected never b, went there (seed 11)";
    assert!(said.contains(broke), "{said}");
    let output = plugin(&["test", "round-robin", "--scenario", &file, "--calls", "10", "--json"]);
    let report = json(&output);
    let steps = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "steps").unwrap();
    assert_eq!((report["passed"].as_bool(), steps["event"].as_u64()), (Some(false), Some(2)));
}

#[test]
fn all_mistakes_of_a_scenario_are_told_with_their_lines() {
    let (_folder, file) = scenario(
        "sede = 1\n[claims]\naffinity = { header = \"x\", cookie = \"y\" }\n[[step]]\nhealth = { nobody = \"unhealthy\" }\n\
         [[step]]\nexpect = { only = [\"a\"] }\n",
    );
    let output = plugin(&["test", "random", "--scenario", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains(":1: sede: unknown key \"sede\"; did you mean \"seed\"?"), "{}", err(&output));
    let content = std::fs::read_to_string(&file).unwrap().replace("sede", "seed");
    std::fs::write(&file, content).unwrap();
    let said = err(&plugin(&["test", "random", "--scenario", &file]));
    for part in
        [":3: claims.affinity: expected one of", ":5: step[0].health.nobody: no endpoint", ":7: step[1].expect: "]
    {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn a_plugin_that_is_wrong_is_told_in_words_and_hangs_nobody() {
    let (_folder, not_wasm) = scenario("no component");
    let cases = [(not_wasm.as_str(), "not a WebAssembly component"), ("/nowhere/mine.wasm", "no such file")];
    for (file, reason) in cases {
        let output = plugin(&["test", file, "--calls", "100"]);
        assert_eq!(output.status.code(), Some(1), "{file}");
        let said = out(&output) + &err(&output);
        assert!(said.contains(reason), "{file}: {said}");
    }
    for (guest, reason) in [
        ("spin_at_start", "CPU time"),
        ("spin_in_configure", "CPU time"),
        ("trap_always", "event 1: `selection` failed: trap"),
        ("wants_http", "wasi:http"),
        ("newer", "contract"),
        ("refuses", "refuses its configuration"),
    ] {
        let file = built_guest(guest);
        let output = plugin(&["test", text(&file), "--calls", "100"]);
        assert_eq!(output.status.code(), Some(1), "{guest}");
        let said = out(&output) + &err(&output);
        assert!(said.contains(reason), "{guest}: {said}");
    }
}

#[test]
fn what_is_no_file_and_what_has_no_end_is_told_and_waited_for_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&folder.path().join(name)).to_owned();
    let pipe = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(pipe.success());
    std::fs::write(at("empty.wasm"), "").unwrap();
    std::fs::write(at("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::File::create(at("huge.wasm")).unwrap().set_len(200 << 20).unwrap();
    let cases = [
        (folder.path().to_str().unwrap().to_owned(), "not a regular file"),
        (at("pipe"), "not a regular file"),
        ("/dev/zero".to_owned(), "not a regular file"),
        (at("empty.wasm"), "not a WebAssembly component"),
        (at("core.wasm"), "a core WebAssembly module, not a component"),
        (at("huge.wasm"), "67108864 at most"),
    ];
    for (file, reason) in &cases {
        for command in ["inspect", "test", "bench"] {
            let output = plugin(&[command, file]);
            assert_eq!(output.status.code(), Some(1), "{command} {file}");
            assert!(err(&output).contains(reason), "{command} {file}: {}", err(&output));
        }
    }
    let scenarios = [(folder.path().to_str().unwrap().to_owned(), "a folder"), (at("pipe"), "not a regular file")];
    for (file, reason) in scenarios.into_iter().chain([("/dev/zero".to_owned(), "not a regular file")]) {
        let output = plugin(&["test", "random", "--scenario", &file]);
        assert_eq!(output.status.code(), Some(1), "{file}");
        assert!(err(&output).contains(reason), "{file}: {}", err(&output));
    }
}

#[test]
fn numbers_that_make_no_sense_are_told_before_anything_is_played() {
    for (line, reason) in [
        ("seed = nan", "a number without a finite value"),
        ("seed = -1", "from 0"),
        ("seed = 99999999999999999999", "more than 64 bits"),
        ("[[step]]\nin-flight = { a = 4294967295 }", "step[0].in-flight.a: at most 1000000"),
        (
            "[[step]]\nrequest = { hold = 4294967295 }",
            "step[0].request.hold: expected a whole number from 0 to 1000000",
        ),
        ("[[step]]\nrequest = { times = 4294967295 }", "step[0].request.times: "),
        ("[[step]]\nadvance = \"1000000d\"", "at most a year"),
        ("limits = { deadline = \"0ms\" }", "more than 0"),
        ("[[step]]\nrequest = {}\nexpect = { shares = { a = inf } }", "a number without a finite value"),
    ] {
        let (_folder, file) = scenario(line);
        let output = plugin(&["test", "random", "--scenario", &file]);
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(err(&output).contains(reason), "{line}: {}", err(&output));
    }
}

#[test]
fn a_policy_that_fails_at_some_request_is_found_by_the_step_that_sends_it() {
    let (_folder, file) = scenario(
        "[[step]]\nrequest = { times = 10 }\n[[step]]\nname = \"the bad one\"\n\
         request = { headers = { x-misbehave = \"selection\" } }\n",
    );
    for (guest, reason) in [
        ("spin", "`selection` failed: deadline: more than 5ms of CPU time"),
        ("out_of_range", "`selection` failed: invalid answer: endpoint"),
        ("recurse", "`selection` failed: trap"),
    ] {
        let guest = built_guest(guest);
        let output = plugin(&["test", text(&guest), "--scenario", &file, "--calls", "100"]);
        assert_eq!(output.status.code(), Some(1), "{guest:?}");
        let broke = format!("event 11: step 2 at line 3 (the bad one): {reason}");
        assert!(out(&output).contains(&broke), "{broke:?} is not in {}", out(&output));
    }
}

#[test]
fn what_a_component_is_stands_in_its_inspection() {
    let output = plugin(&["inspect", "sticky-session", "--json"]);
    assert!(output.status.success(), "{}", err(&output));
    let found = json(&output);
    assert_eq!(found["says"]["name"], "sticky-session");
    assert_eq!(found["hooks"], serde_json::json!(["selection", "response"]));
    assert_eq!(found["contract"], serde_json::json!(["0.1.0"]));
    assert!(found["says"]["config_schema"]["properties"]["cookie"].is_object(), "{found}");
    assert!(found["memory_at_rest"].as_u64() > Some(0) && found["compiled_size"].as_u64() > Some(0), "{found}");
    assert!(found["producers"].as_array().unwrap().iter().any(|made| made["name"] == "wit-component"), "{found}");
    assert!(found["imports"].as_array().unwrap().iter().all(|import| import["refused"].is_null()), "{found}");

    let wants = built_guest("wants_http");
    let output = plugin(&["inspect", text(&wants)]);
    assert_eq!(output.status.code(), Some(1));
    let refused = out(&output).lines().any(|line| line.contains("wasi:http") && line.contains(": refused"));
    assert!(refused && err(&output).contains("plugins do not get"), "{}{}", out(&output), err(&output));
}

#[test]
fn what_calls_cost_is_measured() {
    let output = plugin(&["bench", "least-connections", "--alone", "--json"]);
    assert!(output.status.success(), "{}", err(&output));
    let costs = json(&output);
    let rows = costs.as_array().unwrap();
    let sizes: Vec<_> = rows.iter().map(|row| row["endpoints"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [3, 100, 1_000]);
    for row in rows {
        let number = |key: &str| row[key].as_f64().unwrap();
        assert!(number("ns") > 0.0 && number("instructions") > 50.0 && number("host_calls") >= 1.0, "{row}");
    }
    assert!(rows.iter().all(|row| row["grows"].as_f64() == Some(0.0)), "it keeps nothing: {costs}");
    let instructions = |row: usize| rows[row]["instructions"].as_f64().unwrap();
    assert!(instructions(2) > instructions(0) * 10.0, "more endpoints, more to do: {costs}");
}
