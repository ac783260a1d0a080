//! The loader of plugins: of whatever bytes it makes a plugin or an error that can be printed, the same each time; what it takes imports
//! and exports only what it may, as another reader reads it; and whatever is taken can be called without hurting the host.
#![no_main]

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use libfuzzer_sys::fuzz_target;
use sluice_fuzz::{PLANTED, head, place};
use sluice_gateway::config::model::PluginLimits;
use sluice_gateway::message::RequestHead;
use sluice_gateway::plugin::{
    Ended, Failure, FailureKind, Hook, Host, LoadError, Moment, Plugin, ResponseHead, Slot, Use, UseSettings,
};
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

thread_local! {
    static HOST: Host = place::host();
    static SKIPPED: Cell<u32> = const { Cell::new(0) };
}

/// Of what another reader finds broken already, this part is given to the loader: each costs a process.
const BROKEN_TRIED: u32 = 64;

fn limits() -> PluginLimits {
    PluginLimits {
        memory: 16 << 20,
        deadline: Duration::from_millis(20),
        worker_share_per_mille: 1_000,
        host_call: 1 << 20,
        output: 16 << 10,
    }
}

fn check(data: &[u8]) {
    let is_valid = Validator::new_with_features(features()).validate_all(data).is_ok();
    if !is_valid {
        let count = SKIPPED.get();
        SKIPPED.set(count.wrapping_add(1));
        if !count.is_multiple_of(BROKEN_TRIED) {
            return;
        }
    }
    HOST.with(|host| {
        let load = || host.load("fuzz", data, &limits(), &place::keys());
        let found = load();
        match &found {
            Err(LoadError::Failed(_, Failure::HostPanic(panic))) => panic!("the host panicked: {panic}"),
            // As if an interface of a later contract were taken.
            Err(LoadError::Contract { .. }) if PLANTED => _ = names(data),
            Err(error) => {
                let said = error.to_string();
                assert!(!said.is_empty() && said.len() < 4096 && !said.contains(char::is_control), "{said:?}");
            }
            Ok(plugin) => {
                assert!(is_valid, "taken, and no component");
                check_world(data, plugin);
                check_calls(plugin);
            }
        }
        // Once more, now from the cache where it compiles; what a plugin does in time may differ.
        let again = load();
        let in_time = |found: &Result<Arc<Plugin>, LoadError>| matches!(found, Err(LoadError::Failed(..)));
        assert!(found.is_ok() == again.is_ok() || in_time(&found) || in_time(&again), "{found:?}, then {again:?}");
    });
    for entry in std::fs::read_dir(place::compiled()).expect("the cache") {
        std::fs::remove_file(entry.expect("an entry").path()).expect("its own file");
    }
}

/// What the engine has, as its documentation says: the standard, and no 64-bit memories.
fn features() -> WasmFeatures {
    WasmFeatures::all()
}

/// The names of what the outermost component exports. All its imports must be of the contract or of inert WASI.
fn names(data: &[u8]) -> Vec<String> {
    let (mut depth, mut exports) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(data) {
        match payload.expect("it was validated") {
            Payload::ComponentSection { .. } | Payload::ModuleSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    let name = import.expect("it was validated").name.name;
                    let contract = name.starts_with("sluice:plugin/") && name.contains("@0.1.");
                    let wasi = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
                    let inert = wasi.iter().any(|package| name.starts_with(&format!("wasi:{package}/")))
                        && name.contains("@0.2.");
                    assert!(contract || inert, "imports {name}");
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports
                    .extend(section.into_iter().map(|export| export.expect("it was validated").name.name.to_owned()));
            }
            _ => {}
        }
    }
    exports
}

/// What it exports is what the gateway has found.
fn check_world(data: &[u8], plugin: &Plugin) {
    let exports = names(data);
    let exports_hook =
        |name: &str| exports.iter().any(|export| export.starts_with(&format!("sluice:plugin/{name}@0.1.")));
    assert!(exports_hook("lifecycle"), "{exports:?}");
    let hooks = [Hook::Routing, Hook::Selection, Hook::Response, Hook::Feedback, Hook::Timer, Hook::State];
    for hook in hooks {
        assert_eq!(plugin.has(hook), exports_hook(hook.as_str()), "{}", hook.as_str());
    }
    assert!(hooks[..3].iter().any(|hook| plugin.has(*hook)));
    let said = [&plugin.description.name, &plugin.description.version, &plugin.description.summary];
    assert!(said.iter().all(|said| said.chars().count() <= 200 && !said.contains(char::is_control)));
}

/// A few exchanges; whatever it does, it is the plugin that fails.
fn check_calls(plugin: &Arc<Plugin>) {
    let settings = UseSettings {
        name: "fuzz".into(),
        plugin: "fuzz".into(),
        config: "{}".into(),
        on_error: None,
        limits: limits(),
        upstream: None,
        upstreams: Vec::new(),
        zone: "".into(),
        seed: 0,
        slots: 1,
    };
    let owner = Use::new(settings, &place::keys()).expect("keys");
    let (notices, _receiver) = tokio::sync::mpsc::channel(1);
    let slot = Slot::new(owner.clone(), plugin.clone(), 0, notices);
    for number in 0..3_u64 {
        if slot.fill().is_err() {
            break;
        }
        let moment = Moment::new(number, (1 << 50) + number * 100_000_000);
        let mut head = Arc::new(request());
        let mut response = ResponseHead { status: StatusCode::OK, headers: HeaderMap::new(), endpoint: None };
        let ended = Ended { tag: 1, attempts: 1, upstream: Duration::from_millis(1) };
        let _ = slot.route(&mut head, moment);
        let _ = slot.select(&head, &Arc::default(), &[], moment);
        let _ = slot.respond(&head, &mut response, &ended, moment);
        let _ = slot.observe();
        let _ = slot.tick(moment.now_us);
    }
    assert_eq!(owner.counters().failures(FailureKind::HostPanic), 0, "the host panicked");
}

fn request() -> RequestHead {
    let mut headers = HeaderMap::new();
    headers.insert("x-misbehave", http::HeaderValue::from_static("routing selection response"));
    head::for_plugins(headers)
}

fuzz_target!(
    init: place::compile_if_asked(),
    |data: &[u8]| check(data)
);
