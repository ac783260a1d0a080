//! The configurations that documents show pass `sluice check`. A part is completed by as little as it needs; files that
//! are named are made.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

use super::blocks::{Block, documents};
use super::{START, plugins};
use crate::harness::guests::target;
use crate::harness::{Gateway, certificates, component};

/// What stands before lines of a table.
fn opening(table: &str) -> &'static str {
    match table {
        "listener" => "[[listener]]\naddress = \"127.0.0.1:0\"\n",
        "plugin" => "[[plugin]]\nname = \"own\"\npath = \"own.wasm\"\n",
        "route" => "[[route]]\nname = \"part\"\nupstream = \"app\"\n",
        "upstream" => "[[upstream]]\nname = \"app\"\nendpoints = [{ address = \"127.0.0.1:1\" }]\n",
        other => panic!("no part of a configuration is called {other}"),
    }
}

/// The configuration in a block, with all that it lacks.
fn complete(block: &Block) -> Table {
    let opening = block.setting("part").map_or("", opening);
    let text = format!("{opening}{}", block.text);
    let mut file: Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", block.place));
    if block.kind() != "toml" || !opening.is_empty() {
        add(&mut file, "listener", "address = \"127.0.0.1:0\"");
        for upstream in wanted_upstreams(&file) {
            let table = format!("name = \"{upstream}\"\nendpoints = [{{ address = \"127.0.0.1:1\" }}]");
            push(&mut file, "upstream", &table);
        }
        add(&mut file, "upstream", "name = \"app\"\nendpoints = [{ address = \"127.0.0.1:1\" }]");
        let first = names(&file, "upstream").remove(0);
        add(&mut file, "route", &format!("name = \"rest\"\nupstream = \"{first}\""));
        if block.setting("part") == Some("plugin") {
            let upstream = tables(&mut file, "upstream").first_mut().unwrap();
            upstream.as_table_mut().unwrap().insert("selection".into(), Value::Array(vec!["own".into()]));
        }
        for plugin in plugins::names() {
            if mentions(&file, &plugin) && !names(&file, "plugin").contains(&plugin) {
                push(&mut file, "plugin", &format!("name = \"{plugin}\"\npath = \"{plugin}.wasm\""));
            }
        }
    }
    file
}

fn tables<'a>(file: &'a mut Table, name: &str) -> &'a mut Vec<Value> {
    file.entry(name).or_insert_with(|| Value::Array(Vec::new())).as_array_mut().unwrap()
}

fn push(file: &mut Table, name: &str, text: &str) {
    tables(file, name).push(Value::Table(text.parse().unwrap()));
}

/// If there is none.
fn add(file: &mut Table, name: &str, text: &str) {
    if tables(file, name).is_empty() {
        push(file, name, text);
    }
}

fn names(file: &Table, table: &str) -> Vec<String> {
    let tables = file.get(table).and_then(Value::as_array).cloned().unwrap_or_default();
    tables.iter().map(|table| table["name"].as_str().unwrap().to_owned()).collect()
}

/// The upstreams that routes name and nobody makes.
fn wanted_upstreams(file: &Table) -> BTreeSet<String> {
    let routes = file.get("route").and_then(Value::as_array).cloned().unwrap_or_default();
    let more = |route: &Value| route.get("upstreams").and_then(Value::as_array).cloned().unwrap_or_default();
    let named = routes.iter().flat_map(|route| more(route).into_iter().chain([route["upstream"].clone()]));
    let known = names(file, "upstream");
    named.map(|name| name.as_str().unwrap().to_owned()).filter(|name| !known.contains(name)).collect()
}

/// True if some chain names that plugin.
fn mentions(file: &Table, plugin: &str) -> bool {
    file.to_string().contains(&format!("\"{plugin}\""))
}

/// Makes every file that is named in `value`; digests become those of the files.
fn make_files(value: &mut Value, folder: &Path) {
    let Value::Table(table) = value else {
        if let Value::Array(values) = value {
            values.iter_mut().for_each(|value| make_files(value, folder));
        }
        return;
    };
    let file = |table: &Table, key: &str| table.get(key).and_then(Value::as_str).map(|name| folder.join(name));
    let write = |path: &Path, content: &[u8]| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    if let (Some(certificate), Some(key)) = (file(table, "certificate"), file(table, "key")) {
        let site = certificates::site(&["shop.example.com"]);
        write(&certificate, site.certificate.as_bytes());
        write(&key, site.key.as_bytes());
    }
    for authority in ["client-ca", "ca"].iter().filter_map(|key| file(table, key)) {
        write(&authority, certificates::authority_pem().as_bytes());
    }
    for key in ["current-file", "previous-file"].iter().filter_map(|key| file(table, key)) {
        write(&key, &[7; 32]);
    }
    if let Some(token) = file(table, "token-file") {
        write(&token, b"a-token-of-the-documents");
    }
    if let Some(path) = file(table, "path").filter(|path| path.extension().is_some_and(|end| end == "wasm")) {
        let name = table["name"].as_str().unwrap();
        let content = if plugins::names().iter().any(|known| known == name) {
            plugins::component(name)
        } else {
            component("stamp_v1")
        };
        write(&path, &content);
        if let Some(digest) = table.get_mut("sha256") {
            *digest = plugins::sha256(&content).into();
        }
    }
    table.iter_mut().for_each(|(_, value)| make_files(value, folder));
}

fn is_configuration(block: &Block) -> bool {
    block.words[0] == "toml" && block.setting("scenario").is_none()
}

/// A scenario is passed by the plugin that its fence names.
#[test]
fn every_scenario_is_passed() {
    let folder = tempfile::tempdir().unwrap();
    for block in documents().iter().flat_map(|document| &document.blocks) {
        let Some(plugin) = block.setting("scenario") else { continue };
        let file = folder.path().join("scenario.toml");
        fs::write(&file, &block.text).unwrap();
        let mut sluice = Command::new(env!("CARGO_BIN_EXE_sluice"));
        sluice.args(["plugin", "test", plugin, "--calls", "1000", "--scenario"]).arg(&file);
        let output = sluice.arg("--state-dir").arg(target().join("sluice-state")).output().unwrap();
        let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
        assert!(output.status.success(), "{}: {said}", block.place);
    }
}

#[test]
fn every_configuration_passes_the_check() {
    for document in documents().iter().filter(|document| !document.path.ends_with(START)) {
        for block in document.blocks.iter().filter(|block| is_configuration(block)) {
            if block.setting("file").is_some() {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            let mut file = Value::Table(complete(block));
            make_files(&mut file, folder.path());
            fs::write(folder.path().join("sluice.toml"), toml::to_string(&file).unwrap()).unwrap();
            let output = Gateway::check_in(folder.path());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {said}\n{}", block.place, toml::to_string(&file).unwrap());
        }
    }
}
