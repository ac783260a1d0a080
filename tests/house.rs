//! The house is as its map says: rooms import in one direction, the sandbox has one room, and the README names every
//! room.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::guests::workspace;

/// From the door to the cellar: a room imports only rooms further down. Rooms in one brace do not know each other.
const ORDER: &[&[&str]] = &[
    &["main"],
    &["dev"],
    &["demo", "start", "check"],
    &["server", "control", "author"],
    &["proxy"],
    &["state"],
    &["route", "plugin", "upstream"],
    &["tls", "message", "endpoint", "observe", "socket", "supervisor"],
    &["config"],
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The room that a file stands in: the first folder or file below `src`.
fn room(source: &Path, file: &Path) -> String {
    let first = file.strip_prefix(source).unwrap().components().next().unwrap();
    Path::new(first.as_os_str()).file_stem().unwrap().to_string_lossy().into_owned()
}

fn depth(room: &str) -> usize {
    let found = ORDER.iter().position(|rooms| rooms.contains(&room));
    found.unwrap_or_else(|| {
        panic!("the room `{room}` has no place in the order of imports: give it one, here and in the README")
    })
}

/// Code without comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let line = |line: &str| line.split("//").next().unwrap().to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The rooms that a text names after `crate::`, alone or in braces.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for after in code.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            found.push(word(after));
            continue;
        };
        let mut level = 0;
        let mut item = String::new();
        for character in list.chars() {
            match character {
                '{' => level += 1,
                '}' if level == 0 => break,
                '}' => level -= 1,
                ',' if level == 0 => found.push(word(&std::mem::take(&mut item))),
                _ => {}
            }
            if level == 0 && character != ',' {
                item.push(character);
            }
        }
        found.push(word(&item));
    }
    // A name in capitals is an item of the crate's root, and macros of a room are called from there.
    found.retain(|name| name.starts_with(|first: char| first.is_ascii_lowercase()));
    found
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '_').collect()
}

#[test]
fn rooms_import_in_one_direction() {
    let source = workspace().join("gateway/src");
    let mut wrong = Vec::new();
    for file in sources(&source) {
        let here = room(&source, &file);
        if here == "lib" {
            continue;
        }
        for there in imports(&code(&file)) {
            if there != here && depth(&there) <= depth(&here) {
                wrong.push(format!("{}: `{here}` imports `{there}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_plugin_room_names_the_sandbox() {
    let source = workspace().join("gateway/src");
    for file in sources(&source) {
        let names_it = code(&file).contains("wasmtime");
        assert!(!names_it || room(&source, &file) == "plugin", "{} names wasmtime", file.display());
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let code = "use crate::config::model; use crate::{tls, observe::{metrics, log}, endpoint::Set}; pub(crate) fn a(b: crate::route::Table) {} crate::CONSTANT";
    assert_eq!(imports(code), ["config", "tls", "observe", "endpoint", "route"]);
}

#[test]
fn the_readme_names_every_room_and_stays_short() {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("a README");
    assert!(readme.lines().count() < 200, "{} lines", readme.lines().count());
    for folder in [workspace(), workspace().join("gateway/src")] {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            // Of the top level, folders; what git or a build makes there is no room.
            let in_workspace = folder == workspace();
            let hidden = name.starts_with('.') || ["target", "sluice-demo"].contains(&&*name);
            if hidden || in_workspace && !entry.path().is_dir() {
                continue;
            }
            let shown = name.trim_end_matches(".rs");
            assert!(readme.contains(shown), "the README's map does not name `{name}` of {}", folder.display());
        }
    }
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let folders = ["gateway/src", "plugin-sdk/src", "plugins", "tests"].map(|folder| workspace().join(folder));
    for file in folders.iter().flat_map(|folder| sources(folder)) {
        let text = fs::read_to_string(&file).unwrap();
        let opening = text.lines().next().unwrap_or_default();
        assert!(opening.starts_with("//!"), "{} opens with {opening:?}", file.display());
    }
}
