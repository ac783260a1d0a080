//! The page of the contract, `docs/contract.md`: made from `wit/`, whose comments are part of the contract. After a change there,
//! `WRITE_DOCS=1 cargo test -p sluice-gateway --test promises contract_page` writes it anew.

use std::fmt::Write;
use std::fs;

use crate::harness::guests::workspace;

/// What stands before the tables.
const OPENING: &str = "# The contract\n\n\
    What a plugin exports and what it may import, made from the comments in [wit/](../wit), which are part of the contract. \
    What each call\ncosts and what it is bounded by stands in the [plugin guide](plugin-guide.md#the-contract-page-by-page).\n";

/// The pages: what plugins export, then what they import.
const PAGES: [&str; 18] = [
    "lifecycle",
    "routing",
    "selection",
    "response",
    "feedback",
    "timer",
    "state",
    "types",
    "setup",
    "members",
    "endpoints",
    "reports",
    "upstreams",
    "cells",
    "store",
    "sealing",
    "metrics",
    "log",
];

#[test]
fn the_page_is_what_the_comments_say() {
    let mut made = OPENING.to_owned();
    for name in PAGES {
        page(&fs::read_to_string(workspace().join(format!("wit/{name}.wit"))).unwrap(), &mut made);
    }
    let path = workspace().join("docs/contract.md");
    if std::env::var_os("WRITE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(made.lines()).find(|(found, made)| found != made);
    assert!(found == made, "it says {differs:?}; see the top of this file for how to write it anew");
}

#[test]
fn every_interface_has_a_page() {
    let mut found: Vec<String> = Vec::new();
    for entry in fs::read_dir(workspace().join("wit")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let names = text.lines().filter_map(|line| line.strip_prefix("interface ")?.strip_suffix(" {"));
        found.extend(names.map(str::to_owned));
    }
    found.sort();
    let mut pages = PAGES.map(str::to_owned);
    pages.sort();
    assert_eq!(found, pages);
}

/// One interface: its comment, and a table of its items. What is inside of another item is named after it.
fn page(text: &str, made: &mut String) {
    let (mut comment, mut around): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim) {
        if let Some(said) = line.strip_prefix("///") {
            comment.push(said.trim());
        } else if let Some(name) = line.strip_prefix("interface ").and_then(|rest| rest.strip_suffix(" {")) {
            let comment = std::mem::take(&mut comment).join("\n");
            writeln!(made, "\n## {name}\n\n{comment}\n\n| item | meaning |\n|---|---|").unwrap();
        } else if line == "}" {
            around.pop();
        } else if !line.is_empty()
            && !line.starts_with("//")
            && !line.starts_with("use ")
            && !line.starts_with("package ")
        {
            let opens = line.ends_with('{');
            let item = line.trim_end_matches(['{', ';', ',', ' ']);
            let inside = around.last().map(|name| format!("{name}: ")).unwrap_or_default();
            let comment = std::mem::take(&mut comment).join(" ").replace('|', "\\|");
            writeln!(made, "| `{inside}{item}` | {comment} |").unwrap();
            if opens {
                around.push(item.split(' ').nth(1).unwrap_or(item).to_owned());
            }
        }
    }
}
