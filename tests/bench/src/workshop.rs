//! What cargo builds for the bench: the gateway, and the two peers that come as libraries.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The folder of this crate.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// The gateway as users build it.
pub(crate) fn sluice() -> Result<PathBuf> {
    let manifest = Path::new(HERE).join("../../Cargo.toml");
    build(&manifest, &["--release", "--package", "sluice-gateway", "--bin", "sluice"])
}

/// A proxy made with Pingora.
pub(crate) fn pingora() -> Result<PathBuf> {
    build_aside("pingora", &["--release"])
}

/// A filter for Envoy, in WebAssembly.
pub(crate) fn filter() -> Result<PathBuf> {
    build_aside("envoy-filter", &["--release", "--target", "wasm32-wasip1"])
}

/// A crate of `peers/`, which is none of the workspace's; what is built goes below the workspace's target folder.
fn build_aside(name: &str, arguments: &[&str]) -> Result<PathBuf> {
    let program = env::current_exe().context("the bench does not know where it is")?;
    let target = program.ancestors().nth(2).context("the bench is not where cargo puts programs")?;
    let target = target.join("bench-peers").display().to_string();
    let manifest = Path::new(HERE).join("peers").join(name).join("Cargo.toml");
    build(&manifest, &[arguments, &["--target-dir", &target]].concat())
}

/// One line of what `cargo build --message-format json` prints.
#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

fn build(manifest: &Path, arguments: &[&str]) -> Result<PathBuf> {
    let manifest = manifest.canonicalize().with_context(|| format!("{} is gone", manifest.display()))?;
    eprintln!("cargo build {} ({})", arguments.join(" "), manifest.display());
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--message-format", "json-render-diagnostics"]).args(arguments);
    cargo.arg("--manifest-path").arg(&manifest).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = cargo.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("it does not build");
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    made(&printed).context("cargo does not say what it built")
}

/// The program or component that was built last: that of the package itself, after all that it needs.
fn made(printed: &str) -> Option<PathBuf> {
    let messages = printed.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let mut artifacts =
        messages.filter(|message| message.reason == "compiler-artifact" && message.manifest_path.is_some());
    artifacts.next_back()?.filenames.into_iter().find(|file| file.extension().is_none_or(|kind| kind == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_last_is_what_was_asked_for() {
        let library = r#"{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","filenames":["/t/liba.rlib"]}"#;
        let program = r#"{"reason":"compiler-artifact","manifest_path":"/b/Cargo.toml","filenames":["/t/b"],"executable":"/t/b"}"#;
        let component = r#"{"reason":"compiler-artifact","manifest_path":"/c/Cargo.toml","filenames":["/t/c.wasm"]}"#;
        let end = r#"{"reason":"build-finished","success":true}"#;
        for (lines, expected) in [
            (vec![library, program, end], Some("/t/b")),
            (vec![library, component, end], Some("/t/c.wasm")),
            (vec![library, end], None),
            (vec!["no JSON", end], None),
        ] {
            assert_eq!(made(&lines.join("\n")), expected.map(PathBuf::from), "{lines:?}");
        }
    }
}
