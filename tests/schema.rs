//! `sluice schema` lets editors tell what is wrong before anything runs, in plugins' configurations too.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::component;
use crate::harness::guests::{built_in, target, workspace};

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn schema(configuration: &Path) -> Output {
    let mut sluice = Command::new(env!("CARGO_BIN_EXE_sluice"));
    sluice.args(["schema", "--state-dir"]).arg(target().join("sluice-state")).arg("--config").arg(configuration);
    sluice.output().unwrap()
}

/// What an editor says of a configuration.
fn mistakes(schema: &Value, configuration: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    validator.iter_errors(configuration).map(|error| error.instance_path().to_string()).collect()
}

#[test]
fn the_schema_knows_the_plugins_configurations() {
    let text = "[[plugin]]\nname = 'mine'\npath = 'mine.wasm'\n[[plugin]]\nname = 'bare'\npath = 'bare.wasm'\n";
    let mine = built_in("sticky-session");
    let bare = component("stamp_v1");
    let folder = folder(&[("sluice.toml", text.as_bytes()), ("mine.wasm", &mine), ("bare.wasm", &bare)]);
    let said = schema(&folder.path().join("sluice.toml"));
    let all: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));

    let example = fs::read_to_string(workspace().join("docs/sluice.example.toml")).unwrap();
    let example: Value = toml::from_str(&example).unwrap();
    assert_eq!(mistakes(&all, &example), Vec::<String>::new());

    let with = |place: &str, used: Value| {
        let mut changed = example.clone();
        *changed.pointer_mut(place).unwrap() = used;
        mistakes(&all, &changed)
    };
    let wrong = [
        ("/use/0", json!({ "name": "u", "plugin": "headers", "config": { "sett": {} } })),
        ("/route/0/routing/0", json!({ "plugin": "traffic-split", "config": { "shares": { "app": "many" } } })),
        ("/route/0/routing/0", json!({ "plugin": "traffic-split" })),
        ("/route/0/response/0", json!({ "plugin": "headers", "config": { "preset": "secret" } })),
        ("/upstream/0/selection/0", json!({ "plugin": "sticky-session", "config": { "ttl": 5 } })),
        ("/upstream/0/selection/0", json!({ "plugin": "ip-hash", "config": { "key": ["ip"] } })),
        ("/upstream/0/selection/0", json!({ "plugin": "round-robin", "config": { "a": 1 } })),
        ("/upstream/0/selection/0", json!({ "plugin": "nearest-zone", "config": { "zones": { "a": { "b": 1 } } } })),
        ("/upstream/0/selection/0", json!({ "plugin": "mine", "config": { "cokie": "a" } })),
        ("/upstream/0/selection/0", json!({ "plugin": "bare", "config": { "a": 1 } })),
        ("/timeouts/connect", json!("3")),
        ("/listener/0/address", json!("localhost:8443")),
        ("/log/level", json!("inf")),
    ];
    for (place, used) in wrong {
        assert!(!with(place, used.clone()).is_empty(), "{used} at {place} is taken");
    }
    let right = [
        json!({ "plugin": "ip-hash", "config": { "load-bound": 1.25 } }),
        json!({ "plugin": "consistent-hash", "config": { "key": [{ "header": "x" }, "client-ip"] } }),
        json!({ "plugin": "nearest-zone", "config": { "zones": { "a": { "clients": ["10.0.0.0/8"] } } } }),
        json!({ "plugin": "mine", "config": { "cookie": "a" } }),
        json!({ "plugin": "unknown here", "config": { "a": 1 } }),
        json!({ "plugin": "bare" }),
    ];
    for used in right {
        assert_eq!(with("/upstream/0/selection/0", used.clone()), Vec::<String>::new(), "{used}");
    }
}

#[test]
fn a_schema_of_plugins_that_cannot_be_read_is_refused() {
    let text = "[[plugin]]\nname = 'mine'\npath = 'mine.wasm'\n";
    let folder = folder(&[("sluice.toml", text.as_bytes()), ("mine.wasm", b"text")]);
    let said = schema(&folder.path().join("sluice.toml"));
    let reason = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.stdout.is_empty() && said.status.code() == Some(1), "{reason}");
    assert!(
        reason.contains("sluice.toml:3: plugin[0].path: ") && reason.contains("not a WebAssembly component"),
        "{reason}"
    );
}
