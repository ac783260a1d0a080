//! The contract with plugins that exist: its items are recorded, and none can change unnoticed. The default plugins
//! keep to it like any other: they import and export nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::harness::guests::{built_in, built_ins, workspace};

/// Every item of every interface and world, one a line, without comments and with single spaces.
fn contract() -> BTreeSet<String> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(workspace().join("wit")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| items(&fs::read_to_string(file).unwrap())).collect()
}

fn items(text: &str) -> Vec<String> {
    let bare: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap()).collect();
    let bare = bare.join(" ").replace('{', " { ").replace('}', " } ");
    let mut items = Vec::new();
    collect(&bare.split_whitespace().collect::<Vec<_>>(), "", &mut items);
    items
}

/// Splits at `;` and at braces. What stands in interfaces, worlds and resources is an item each, named after where it
/// stands; records and the like are one item with all that is in them.
fn collect(words: &[&str], place: &str, items: &mut Vec<String>) {
    let mut start = 0;
    let mut at = 0;
    while at < words.len() {
        if words[at] == "{" && words[start..at].iter().all(|word| *word != "use") {
            let end = at + closing(&words[at..]);
            let head = words[start..at].join(" ");
            let inside = &words[at + 1..end];
            match words[start] {
                "interface" | "world" | "resource" => collect(inside, &format!("{place}{head} / "), items),
                _ => items.push(format!("{place}{head} {{ {} }}", inside.join(" "))),
            }
            (start, at) = (end + 1, end + 1);
        } else if words[at].ends_with(';') {
            items.push(format!("{place}{}", words[start..=at].join(" ").trim_end_matches([';', ' '])));
            (start, at) = (at + 1, at + 1);
        } else {
            at += 1;
        }
    }
}

fn closing(words: &[&str]) -> usize {
    let mut depth = 0;
    let end = words.iter().position(|word| {
        depth += i32::from(*word == "{") - i32::from(*word == "}");
        depth == 0
    });
    end.expect("as many closing braces as opening ones")
}

#[test]
fn the_contract_is_the_recorded_one() {
    let recorded = include_str!("recorded/contract.txt");
    let recorded: BTreeSet<String> =
        recorded.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let contract = contract();
    let gone: Vec<_> = recorded.difference(&contract).collect();
    assert!(gone.is_empty(), "plugins that exist rely on these, which are gone or changed:\n{gone:#?}");
    let new: Vec<_> = contract.difference(&recorded).collect();
    let frozen: Vec<_> = new.iter().filter(|item| exported().iter().any(|name| item.starts_with(name))).collect();
    assert!(
        frozen.is_empty(),
        "plugins that exist do not export these, and exported interfaces are frozen:\n{frozen:#?}"
    );
    assert!(new.is_empty(), "new imports break nobody; add them to tests/recorded/contract.txt:\n{new:#?}");
}

/// The interfaces that plugins export, as items begin.
fn exported() -> Vec<String> {
    let exports =
        contract().into_iter().filter_map(|item| item.split_once("/ export ").map(|(_, name)| name.to_owned()));
    exports.collect::<BTreeSet<_>>().iter().map(|name| format!("interface {name} /")).collect()
}

#[test]
fn every_item_of_the_contract_is_documented() {
    for entry in fs::read_dir(workspace().join("wit")).unwrap() {
        let file = entry.unwrap().path();
        let text = fs::read_to_string(&file).unwrap();
        let mut before = "";
        for (number, line) in text.lines().map(str::trim).enumerate() {
            let starts = |word: &str| line.starts_with(word);
            let is_item = ["interface ", "world ", "record ", "enum ", "variant ", "resource ", "type "]
                .iter()
                .any(|word| starts(word))
                || line.contains(": func(");
            let place = format!("{}:{}", file.display(), number + 1);
            // A group of alike functions may share what stands before the first.
            let explained = before.starts_with("///") || before.contains(": func(");
            assert!(!is_item || explained, "{place}: not documented: {line}");
            before = line;
        }
    }
}

#[test]
fn default_plugins_import_and_export_nothing_but_the_contract_and_inert_wasi() {
    let names = built_ins();
    assert!(names.len() >= 13, "{names:?}");
    for name in names {
        for (kind, found) in interfaces(&built_in(&name)) {
            let wasi = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
            let of_wasi = |package: &&str| found.starts_with(&format!("wasi:{package}/")) && found.contains("@0.2.");
            let of_contract = found.starts_with("sluice:plugin/") && found.ends_with("@0.1.0");
            let inert = kind == "import" && wasi.iter().any(of_wasi);
            assert!(of_contract || inert, "{name} has the {kind} {found}");
        }
    }
}

#[test]
fn each_default_plugin_is_what_its_documentation_promises() {
    let hooks = |name: &str| -> Vec<String> {
        let exports = interfaces(&built_in(name)).into_iter().filter(|(kind, _)| *kind == "export");
        let hook = |found: String| found.split(['/', '@']).nth(1).unwrap().to_owned();
        exports.map(|(_, found)| hook(found)).filter(|hook| hook != "lifecycle").collect()
    };
    for (name, expected) in [
        ("round-robin", &["selection"][..]),
        ("weighted-round-robin", &["selection"]),
        ("random", &["selection"]),
        ("power-of-two-choices", &["selection"]),
        ("least-connections", &["selection"]),
        ("consistent-hash", &["selection"]),
        ("least-response-time", &["selection"]),
        ("nearest-zone", &["selection"]),
        ("failover", &["routing", "selection"]),
        ("bandwidth", &["selection"]),
        ("reported-load", &["selection", "timer"]),
        ("sticky-session", &["response", "selection"]),
        ("session-table", &["response", "selection"]),
        ("traffic-split", &["routing"]),
        ("headers", &["response"]),
    ] {
        let mut found = hooks(name);
        found.sort();
        assert_eq!(found, expected, "{name}");
    }
}

/// Imports and exports of a component, by name.
fn interfaces(component: &[u8]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut depth = 0;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            wasmparser::Payload::Version { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            wasmparser::Payload::ComponentImportSection(section) if depth == 1 => {
                found.extend(section.into_iter().map(|import| ("import", import.unwrap().name.name.to_owned())));
            }
            wasmparser::Payload::ComponentExportSection(section) if depth == 1 => {
                found.extend(section.into_iter().map(|export| ("export", export.unwrap().name.name.to_owned())));
            }
            _ => {}
        }
    }
    found
}
