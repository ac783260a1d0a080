//! Builds the default plugins, `plugins/*`, as components, and writes the table by which `plugin::builtin` embeds them. Cargo
//! itself decides what has to be built anew; this only runs again when something below changed.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

const TARGET: &str = "wasm32-wasip2";

fn main() {
    if let Err(error) = build() {
        println!("cargo::error={error}");
        exit(1);
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let gateway = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = gateway.parent().ok_or("the gateway has no parent folder")?;
    for input in ["plugins", "plugin-sdk", "wit", "Cargo.lock", "Cargo.toml"] {
        // From the package's folder: a target folder may serve several checkouts, and each has to look at its own files.
        println!("cargo::rerun-if-changed=../{input}");
    }
    have_target()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // <target>/<profile>/build/<this package>/out
    let folder = out.ancestors().nth(4).ok_or("OUT_DIR is not where cargo puts it")?.join("plugins");
    let names = plugins(&root.join("plugins"))?;
    cargo(root, &folder, &names)?;
    let table = table(&folder.join(TARGET).join("plugin"), &out, &names)?;
    Ok(fs::write(out.join("built_in.rs"), table)?)
}

/// The folders of `plugins/`, in order.
fn plugins(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// A fresh machine lacks the target, and rustup may be set not to install what `rust-toolchain.toml` names.
fn have_target() -> Result<(), Box<dyn Error>> {
    let there = || -> Result<bool, Box<dyn Error>> {
        let rustc = env::var("RUSTC")?;
        let output = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output()?;
        Ok(Path::new(String::from_utf8(output.stdout)?.trim()).is_dir())
    };
    if there()? {
        return Ok(());
    }
    // Whatever it says or does: what counts is whether the target is there afterwards.
    let _ = Command::new("rustup").args(["target", "add", TARGET]).output();
    match there()? {
        true => Ok(()),
        false => Err(format!("the target {TARGET} is missing: run `rustup target add {TARGET}`").into()),
    }
}

fn cargo(root: &Path, folder: &Path, names: &[String]) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.current_dir(root).args(["build", "--locked", "--profile", "plugin", "--target", TARGET]);
    cargo.arg("--target-dir").arg(folder);
    for name in names {
        // By place, since a package of the registry may have the same name.
        cargo.arg("--package").arg(format!("path+file://{}", root.join("plugins").join(name).display()));
    }
    // What is meant for the gateway's own build (flags, wrappers, target, profile) is not meant for the plugins'.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let meant = ["CARGO_ENCODED_", "CARGO_BUILD_", "CARGO_TARGET_", "CARGO_PROFILE_", "RUSTC", "RUSTFLAGS"];
        if meant.iter().any(|prefix| name.starts_with(prefix)) {
            cargo.env_remove(&*name);
        }
    }
    // Messages of a panic name source files; without this they would differ from machine to machine.
    let home = env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")));
    let mut flags = vec![format!("--remap-path-prefix={}=sluice", root.display())];
    flags.extend(home.map(|home| format!("--remap-path-prefix={home}=cargo")));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    let output = cargo.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed");
        return Err(format!("the default plugins do not build: {line}").into());
    }
    Ok(())
}

/// A Rust expression: `&[("round-robin", include_bytes!("…")), …]`. Of copies, since another checkout that shares the target
/// folder may build its own plugins there.
fn table(folder: &Path, out: &Path, names: &[String]) -> Result<String, Box<dyn Error>> {
    let mut table = String::from("&[\n");
    for name in names {
        let file = out.join(format!("{name}.wasm"));
        fs::copy(folder.join(format!("{}.wasm", name.replace('-', "_"))), &file)?;
        writeln!(table, "    ({name:?}, include_bytes!({:?})),", file.display().to_string())?;
    }
    table.push_str("]\n");
    Ok(table)
}
