//! Builds the guest of `plugin_answers`, as a component.

use std::env;
use std::path::PathBuf;
use std::process::Command;

const GUEST: &str = "obeys";
const TARGET: &str = "wasm32-wasip2";

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo says where this is"));
    let root = here.ancestors().nth(2).expect("tests/fuzz is in the workspace");
    for input in ["guests", "../plugin-sdk", "../wit"] {
        println!("cargo::rerun-if-changed=../{input}");
    }
    // <target>/<triple>/<profile>/build/<this package>/out
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo says where to write"));
    let folder = out.ancestors().nth(4).expect("OUT_DIR is not where cargo puts it").join("guests");
    let mut cargo = Command::new(env::var("CARGO").expect("cargo runs this"));
    cargo.current_dir(root).args(["build", "--locked", "--release", "--target", TARGET, "--package", "sluice-guests"]);
    cargo.args(["--example", GUEST, "--features", "wasm", "--target-dir"]).arg(&folder);
    // What is meant for the instrumented build is not meant for this one.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let meant = ["CARGO_ENCODED_", "CARGO_BUILD_", "CARGO_TARGET_", "CARGO_PROFILE_", "RUSTC", "RUSTFLAGS"];
        if meant.iter().any(|prefix| name.starts_with(prefix)) {
            cargo.env_remove(&*name);
        }
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the guest does not build");
    let guest = folder.join(TARGET).join("release/examples").join(format!("{GUEST}.wasm"));
    println!("cargo::rustc-env=SLUICE_FUZZ_GUEST={}", guest.display());
}
