//! What the documents show is true: README.md and docs/. Every fenced block is of a kind that some test holds, every
//! link leads somewhere, and docs/start.md is followed step by step.
//!
//! The kinds, by what stands behind the fence:
//! - `toml`: a whole configuration; `toml part`: some tables of one; `toml part=route`: lines of that table. What is
//!   missing is added, the files that it names are made, and `sluice check` finds nothing wrong (`configurations`).
//! - `toml file=Cargo.toml`, `rust`: a plugin, compiled and loaded; `rust tests`: its tests, run; `rust fragment`:
//!   statements, compiled (`plugins`).
//! - `toml scenario=random`: a scenario that this built-in plugin passes (`configurations`).
//! - `python`, `js`: a plugin, built and loaded where the tool is installed (`plugins`).
//! - `sh`: commands whose programs are known and whose flags exist; `ini`: a systemd unit (`commands`).
//! - `json`: a line of the log, with the fields that the program writes (`events`).
//! - `text`: in docs/start.md what the commands before it print (`walk`); elsewhere a drawing, for the eye.

pub mod blocks;
mod cases;
mod commands;
mod configurations;
mod events;
mod figures;
mod plugins;
mod walk;

use blocks::{Document, documents, is_markdown};

use crate::harness::guests::workspace;

/// Followed as a whole by `walk`.
const START: &str = "docs/start.md";

const KINDS: [&str; 11] =
    ["toml", "toml part", "rust", "rust tests", "rust fragment", "python", "js", "sh", "ini", "json", "text"];

#[test]
fn every_block_is_of_a_kind_that_is_held() {
    for block in documents().iter().flat_map(|document| &document.blocks) {
        assert!(KINDS.contains(&&*block.kind()), "{}: nobody holds a block of {:?}", block.place, block.words);
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for document in documents() {
        for link in document.links().filter(|link| !link.starts_with("https://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = match file {
                "" => document.path.clone(),
                file => document.path.with_file_name(file),
            };
            let leads = path.exists() && (anchor.is_empty() || is_markdown(&path) && has_anchor(&path, anchor));
            if !leads {
                wrong.push(format!("{}: {link}", document.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A drawing that stands in two documents is the same in both.
#[test]
fn the_order_of_imports_is_told_alike_everywhere() {
    let order = |text: &str| {
        let from = text.find("main ->").unwrap_or_else(|| panic!("no order of imports in: {text}"));
        let to = from + text[from..].find("-> config").unwrap();
        text[from..to].split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let [readme, architecture] = ["README.md", "docs/architecture.md"].map(|name| workspace().join(name));
    let [readme, architecture] = [readme, architecture].map(|path| std::fs::read_to_string(path).unwrap());
    assert_eq!(order(&architecture), order(&readme));
}

fn has_anchor(path: &std::path::Path, anchor: &str) -> bool {
    Document::read(&path.to_string_lossy()).anchors().iter().any(|known| known == anchor)
}
