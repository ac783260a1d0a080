//! The commands that documents show: each program is known, `sluice` takes its arguments, and cargo and curl have the
//! flags. What can be run in passing is run by `walk`.

use std::fs;
use std::process::{Command, Output};

use super::blocks::{Block, documents};
use crate::harness::guests::workspace;

/// Programs whose arguments are their own business.
const TRUSTED: [&str; 16] = [
    "apt",
    "cd",
    "componentize-js",
    "componentize-py",
    "cp",
    "git",
    "install",
    "journalctl",
    "kill",
    "openssl",
    "pip",
    "python3",
    "rustup",
    "sed",
    "systemctl",
    "useradd",
];

fn output(program: &str, arguments: &[&str]) -> Option<Output> {
    Command::new(program).args(arguments).output().ok()
}

/// Without what a shell takes away.
fn words(line: &str) -> Vec<&str> {
    let line = line.split(" # ").next().unwrap_or(line).trim();
    let words = line.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    words.skip_while(|word| *word == "sudo").take_while(|word| *word != ">").collect()
}

/// `sluice` with `--help` at its end parses all that stands before, and does nothing.
fn check_sluice(place: &str, arguments: &[&str]) {
    let output = output(env!("CARGO_BIN_EXE_sluice"), &[arguments, &["--help"]].concat()).unwrap();
    assert!(output.status.success(), "{place}: {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The bench is no program of this package: its source says which arguments it takes.
fn check_bench(place: &str, arguments: &[&str]) {
    let source = |name: &str| fs::read_to_string(workspace().join("tests/bench/src").join(name)).unwrap();
    let (flags, cases, peers) = (source("arguments.rs"), source("case.rs"), source("peers/mod.rs"));
    let mut flag = "";
    for argument in arguments {
        if let Some(name) = argument.strip_prefix("--") {
            assert!(flags.contains(&format!("pub(crate) {name}: ")), "{place}: the bench has no {argument}");
            flag = name;
        } else if let Some(known) = [("case", &cases), ("peer", &peers)].iter().find(|(name, _)| *name == flag) {
            assert!(known.1.contains(&format!("\"{argument}\"")), "{place}: the bench has no {flag} {argument}");
        }
    }
}

/// Every flag stands in what the program says of itself; a program that is not installed is not tried.
fn check_flags(place: &str, program: &str, help: &[&str], arguments: &[&str]) {
    let Some(output) = output(program, help) else { return };
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    for flag in arguments.iter().filter(|argument| argument.starts_with("--")) {
        assert!(help.contains(flag), "{place}: {program} has no {flag}");
    }
}

fn check(place: &str, line: &str) {
    let words = words(line);
    match words.as_slice() {
        [] => {}
        ["sluice", arguments @ ..] => check_sluice(place, arguments),
        ["cargo", command, arguments @ ..] => {
            let end = arguments.iter().position(|argument| *argument == "--").unwrap_or(arguments.len());
            check_flags(place, "cargo", &[command, "-h"], &arguments[..end]);
            if *command == "run" {
                let own = arguments.get(end + 1..).unwrap_or_default();
                if arguments.contains(&"sluice-bench") { check_bench(place, own) } else { check_sluice(place, own) }
            }
            let path = arguments.iter().skip_while(|argument| **argument != "--path").nth(1);
            assert!(path.is_none_or(|path| workspace().join(path).exists()), "{place}: no folder {path:?}");
        }
        [script, ..] if script.starts_with("tests/") => {
            assert!(workspace().join(script).is_file(), "{place}: no {script}")
        }
        ["curl", arguments @ ..] => check_flags(place, "curl", &["--help", "all"], arguments),
        [program, ..] => assert!(TRUSTED.contains(program), "{place}: nobody knows the program {program:?}"),
    }
}

#[test]
fn every_command_is_known_and_takes_its_arguments() {
    for document in documents() {
        for block in document.blocks.iter().filter(|block| block.kind() == "sh") {
            block.lines().iter().for_each(|line| check(&block.place, line));
        }
    }
}

#[test]
fn the_unit_starts_what_there_is() {
    let documents = documents();
    let blocks = documents.iter().flat_map(|document| &document.blocks);
    let units: Vec<&Block> = blocks.filter(|block| block.kind() == "ini").collect();
    assert!(!units.is_empty());
    for unit in units {
        check_unit(&unit.place, &unit.text);
    }
    let file = workspace().join("docs/deploy/sluice.service");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\nExecStart="));
    check_unit("docs/deploy/sluice.service", &text);
    // What systemd itself says of it, where it is; that the program is not installed is no fault of the unit.
    if let Some(said) = output("systemd-analyze", &["verify", &file.to_string_lossy()]) {
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let mut faults =
            said.lines().filter(|line| line.contains("sluice.service") && !line.contains("is not executable"));
        assert_eq!(faults.next(), None);
    }
}

fn check_unit(place: &str, text: &str) {
    for start in text.lines().filter_map(|line| line.strip_prefix("ExecStart=")) {
        let (program, arguments) = start.split_once(' ').unwrap();
        assert!(program.ends_with("/sluice"), "{place}: {program}");
        check_sluice(place, &arguments.split(' ').collect::<Vec<_>>());
    }
}

/// The image starts what there is, and is built of what there is.
#[test]
fn the_container_starts_what_there_is() {
    let text = fs::read_to_string(workspace().join("docs/deploy/Containerfile")).unwrap();
    let line = |word: &str| text.lines().find_map(|line| line.strip_prefix(word)).unwrap().to_owned();
    let arguments: Vec<String> = serde_json::from_str(&line("CMD ")).unwrap();
    check_sluice("docs/deploy/Containerfile", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let toolchain = fs::read_to_string(workspace().join("rust-toolchain.toml")).unwrap();
    let version = line("FROM docker.io/library/rust:").split('-').next().unwrap().to_owned();
    assert!(toolchain.contains(&format!("channel = \"{version}")), "{version} is another toolchain");
}
