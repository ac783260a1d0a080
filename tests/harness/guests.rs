//! The components that tests give to the gateway: the guests beside this folder, built once a run for `wasm32-wasip2`,
//! and what can be made of their bytes.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sluice_gateway::plugin::builtin;

/// The component of that guest.
pub fn component(name: &str) -> Vec<u8> {
    let file = built_guest(name);
    fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Its file.
pub fn built_guest(name: &str) -> PathBuf {
    built().join(format!("{name}.wasm"))
}

/// A component of the gateway's own, as its build embeds it.
pub fn built_in(name: &str) -> Vec<u8> {
    builtin::bytes(name).unwrap_or_else(|| panic!("no plugin {name}")).to_vec()
}

/// The names of the gateway's own components.
pub fn built_ins() -> Vec<String> {
    let entries = fs::read_dir(workspace().join("plugins")).unwrap().map(Result::unwrap);
    let packages = entries.filter(|entry| entry.path().join("Cargo.toml").exists());
    let mut names: Vec<String> = packages.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The same component with another digest: a custom section at its end that says nothing.
pub fn retouched(component: &[u8], mark: &str) -> Vec<u8> {
    let name = format!("mark:{mark}");
    let mut content = component.to_vec();
    content.extend([0, name.len() as u8 + 1, name.len() as u8]);
    content.extend(name.as_bytes());
    content
}

/// The digest of a component as logs show it.
pub fn digest(component: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, component);
    digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// The folder of all that cargo builds.
pub fn target() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_sluice"));
    program.ancestors().nth(2).unwrap().to_owned()
}

/// The workspace.
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Where the components are, built when they are first asked for.
fn built() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = cargo(&workspace());
        cargo.args(["build", "--quiet", "--release", "--target", "wasm32-wasip2"]);
        cargo.args(["--locked", "--package", "sluice-guests", "--examples", "--features", "wasm"]);
        let status = cargo.status().expect("cargo runs these tests, so it is there");
        assert!(status.success(), "the guests do not build");
        released().join("examples")
    })
}

/// The cargo that runs these tests, in that folder; what it builds goes to [`built_target`].
pub fn cargo(folder: &Path) -> Command {
    in_folder(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), folder)
}

/// A program that may call cargo, likewise.
pub fn in_folder(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    // What was meant for the native build is not meant for this one.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let meant_for_native = name.starts_with("CARGO_") && name != "CARGO_HOME" || name.starts_with("RUSTC");
        if meant_for_native || name == "RUSTFLAGS" || name == "RUSTDOCFLAGS" {
            command.env_remove(&*name);
        }
    }
    command.current_dir(folder).env("CARGO_TARGET_DIR", built_target());
    command
}

/// The folder of what is built for tests.
pub fn built_target() -> PathBuf {
    target().join("guests")
}

/// Where cargo puts components.
pub fn released() -> PathBuf {
    built_target().join("wasm32-wasip2/release")
}
