//! What cannot be played is said, with its place, and nothing hangs.

use super::Play;
use crate::harness::component;

const PLAIN: &str =
    "for = \"2s\"\narrivals.load = [0.5]\nservice.mean = \"10ms\"\n[[endpoint]]\nid = \"e\"\ncount = 2\n";

/// What is said of it, with exit code 1.
fn told(play: &Play, arguments: &[&str]) -> String {
    let output = play.run(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{said}");
    said
}

#[test]
fn a_scenario_is_told_all_its_mistakes_with_their_lines() {
    let play = Play::of(&PLAIN.replace("[[endpoint]]", "sed = 7\n[[endpoint]]").replace("count", "cuont"));
    let said = told(&play, &["--policy", "random"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].contains("scenario.toml:4: sed: unknown key \"sed\"; did you mean \"seed\"?"), "{said}");
    assert!(
        lines[1].contains("scenario.toml:7: endpoint[0].cuont: unknown key \"cuont\"; did you mean \"count\"?"),
        "{said}"
    );
    let policy = "[[policy]]\nname = \"p\"\nplugin = \"consistent-hash\"\nconfig = { key = [\"client-ip\"],\n load-bound = 0.5 }\n";
    let said = told(&Play::of(&format!("{PLAIN}{policy}")), &[]);
    assert!(said.contains("scenario.toml:11: policy[0].config.load-bound: expected more than 1"), "{said}");
}

#[test]
fn a_policy_that_is_none_is_refused() {
    let play = Play::of(PLAIN);
    let text = play.file("text.wasm", "no component");
    let cases = [
        (&["--policy", "rundom"][..], "rundom: no such file"),
        (&["--policy", &text], "text.wasm"),
        (&["--policy", "headers"], "no selection hook"),
        (&[], "`--policy` is required"),
    ];
    for (arguments, expected) in cases {
        let said = told(&play, arguments);
        assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn a_policy_that_loops_or_traps_ends_the_run_with_the_moment_and_the_seed() {
    let play = Play::of(PLAIN);
    for (guest, expected) in [("spin_always", "deadline: more than 5ms of CPU time"), ("trap_always", "trap: ")] {
        let file = play.file(&format!("{guest}.wasm"), component(guest));
        let said = told(&play, &["--policy", &file, "--seed", "9"]);
        assert!(said.contains(expected) && said.contains("s into the run at load 0.5, seed 9"), "{guest}: {said}");
    }
}
