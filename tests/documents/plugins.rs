//! The plugins that documents show: compiled as a reader would, loaded by the gateway, and their tests run. All of them
//! are crates of one workspace in the target folder, beside a link `sluice` to this one, so that the paths in their
//! manifests hold.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::START;
use super::blocks::{Block, documents};
use crate::harness::guests::{cargo, released, target, workspace};
use crate::harness::{Configuration, Gateway};

/// A crate in the making.
#[derive(Default)]
struct Crate {
    manifest: String,
    source: String,
    place: String,
}

/// What stands before and behind a fragment.
const FRAGMENTS: &str = "#![allow(unused)]\nuse sluice_plugin::selection::Input;\nuse sluice_plugin::*;\n\
     use std::time::Duration;\n";
const FRAGMENT: &str = "(setup: &Setup, members: &Members, shares: &Shares, input: Input, request: &Request) {\n";

/// The crates of all documents but docs/start.md, by name. Their names are those of the plugins' types.
fn crates() -> BTreeMap<String, Crate> {
    let mut crates: BTreeMap<String, Crate> = BTreeMap::new();
    let (mut fragments, mut manifest) = (FRAGMENTS.to_owned(), String::new());
    for document in documents().into_iter().filter(|document| !document.path.ends_with(START)) {
        let mut last = String::new();
        let manifests = document.blocks.iter().find(|block| block.setting("file") == Some("Cargo.toml"));
        manifest = manifests.map_or(manifest, |block| block.text.clone());
        for (number, block) in document.blocks.iter().enumerate() {
            match block.kind().as_str() {
                "rust" => {
                    last = exported(block).0;
                    let (source, place) = (block.text.clone(), block.place.clone());
                    crates.insert(last.clone(), Crate { manifest: named(&manifest, &last), source, place });
                }
                "rust tests" => {
                    let tested = crates.get_mut(&last).unwrap_or_else(|| panic!("{}: tests of what?", block.place));
                    tested.source += &block.text;
                }
                "rust fragment" => fragments += &format!("fn fragment_{number}{FRAGMENT}{}}}\n", block.text),
                _ => {}
            }
        }
    }
    let fragments = Crate { manifest: named(&manifest, "fragments"), source: fragments, place: "fragments".into() };
    crates.insert("fragments".into(), fragments);
    crates
}

/// A manifest with a name of its own. One that shows only what to add begins below `[dependencies]`.
fn named(manifest: &str, name: &str) -> String {
    let whole = match manifest.starts_with("[package]") {
        true => manifest.to_owned(),
        false => format!("[package]\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n{manifest}"),
    };
    let mut whole: toml::Table = whole.parse().unwrap();
    let package = whole["package"].as_table_mut().unwrap();
    package.insert("name".into(), name.into());
    package.entry("description").or_insert_with(|| "From a document".into());
    toml::to_string(&whole).unwrap()
}

/// The name of the plugin that a block exports, and its hooks.
fn exported(block: &Block) -> (String, Vec<String>) {
    let export = block.text.split("sluice_plugin::export!(").nth(1).and_then(|rest| rest.split_once(");"));
    let (export, _) = export.unwrap_or_else(|| panic!("{}: Rust that is neither plugin nor fragment", block.place));
    let (plugin, hooks) = export.split_once(": ").unwrap();
    (kebab(plugin), hooks.split(", ").map(str::to_owned).collect())
}

/// `RateLimit` as `rate-limit`.
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(character.to_lowercase());
    }
    kebab
}

/// The folder in which documents are followed: a workspace of its own with this one's versions.
pub fn folder() -> PathBuf {
    let folder = target().join("documents");
    link(&folder);
    folder
}

/// Puts this workspace beside what is followed, as `sluice`.
fn link(folder: &Path) {
    let link = folder.join("sluice");
    fs::create_dir_all(folder).unwrap();
    if fs::read_link(&link).ok() != Some(workspace()) {
        // There is none, or another checkout with the same target folder has left its own.
        let _ = fs::remove_file(&link);
        // Another test of this run may have been quicker.
        let _ = symlink(workspace(), link);
    }
}

/// Writes what is not there yet, so that cargo builds only what has changed.
pub fn write(path: &Path, content: &str) {
    if fs::read_to_string(path).ok().as_deref() != Some(content) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// The workspace of the crates, written once.
fn written() -> &'static PathBuf {
    static WRITTEN: OnceLock<PathBuf> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let folder = folder().join("plugins");
        let crates = crates();
        let members: Vec<&String> = crates.keys().collect();
        write(
            &folder.join("Cargo.toml"),
            &format!("[workspace]\nresolver = \"3\"\nexclude = [\"sluice\"]\nmembers = {members:?}\n"),
        );
        write(&folder.join("Cargo.lock"), &fs::read_to_string(workspace().join("Cargo.lock")).unwrap());
        link(&folder);
        for (name, made) in &crates {
            write(&folder.join(name).join("Cargo.toml"), &made.manifest);
            write(&folder.join(name).join("src/lib.rs"), &made.source);
        }
        folder
    })
}

/// Builds the components once.
fn built() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = cargo(written());
        cargo.args(["build", "--quiet", "--offline", "--release", "--target", "wasm32-wasip2", "--workspace"]);
        assert!(cargo.args(["--exclude", "fragments"]).status().unwrap().success(), "a plugin does not build");
        released()
    })
}

/// The plugins that documents show.
pub fn names() -> Vec<String> {
    crates().into_keys().filter(|name| name != "fragments").collect()
}

/// The component of one of them.
pub fn component(name: &str) -> Vec<u8> {
    fs::read(built().join(format!("{}.wasm", name.replace('-', "_")))).unwrap()
}

/// The digest of a content, as configurations pin it.
pub fn sha256(content: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_plugin_is_loaded_and_tried() {
    for document in documents().iter().filter(|document| !document.path.ends_with(START)) {
        for block in document.blocks.iter().filter(|block| block.kind() == "rust") {
            let (name, hooks) = exported(block);
            if !block.text.contains("type Config = NoConfig") {
                // It stands in a configuration with what it wants, and so is tried there.
                assert!(document.blocks.iter().any(|block| block.text.contains(&format!("plugin = \"{name}\""))));
                continue;
            }
            let endpoint = [("a", "127.0.0.1:1".parse().unwrap()), ("b", "127.0.0.1:2".parse().unwrap())];
            let mut configuration = Configuration::at(&endpoint).plugin(&name, component(&name));
            let chain = format!("[{name:?}]");
            for hook in hooks {
                configuration = match hook.as_str() {
                    "Routing" => configuration.routing(&chain),
                    "Selection" => configuration.selection(&chain),
                    "Response" => configuration.response(&chain),
                    _ => configuration,
                };
            }
            let output = Gateway::check(&configuration);
            assert!(output.status.success(), "{}: {}", block.place, String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn the_tests_that_are_shown_pass_and_fragments_compile() {
    let places: Vec<String> = crates().into_values().map(|made| made.place).collect();
    let output = cargo(written()).args(["test", "--quiet", "--offline", "--workspace", "--lib"]).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{places:?}: {said}");
    assert!(said.contains("2 passed"), "{said}");
}

#[test]
fn what_other_languages_build_is_loaded() {
    for document in documents() {
        let files = document.blocks.iter().filter(|block| ["python", "js"].contains(&&*block.kind()));
        for (block, command) in files.map(|block| (block, command_behind(&document.blocks, block))) {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(block.setting("file").unwrap()), &block.text).unwrap();
            symlink(workspace().join("wit"), folder.path().join("wit")).unwrap();
            let words: Vec<&str> = command.split_whitespace().collect();
            let Ok(status) = Command::new(words[0]).args(&words[1..]).current_dir(folder.path()).status() else {
                eprintln!("{} is not installed: {} is not tried", words[0], block.place);
                continue;
            };
            assert!(status.success(), "{}: {command}", block.place);
            let made = fs::read(folder.path().join(words.last().unwrap())).unwrap();
            let endpoint = [("a", "127.0.0.1:1".parse().unwrap())];
            let configuration = Configuration::at(&endpoint).plugin("guest", made).selection(r#"["guest"]"#);
            let output = Gateway::check(&configuration);
            assert!(output.status.success(), "{}: {}", block.place, String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// The first line of the commands behind a block.
fn command_behind(blocks: &[Block], block: &Block) -> String {
    let behind = blocks.iter().skip_while(|other| other.place != block.place).find(|other| other.kind() == "sh");
    behind.unwrap_or_else(|| panic!("{}: how is it built?", block.place)).lines().remove(0)
}
