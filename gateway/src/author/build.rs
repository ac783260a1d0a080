//! Builds a plugin's project with the tools of its language, and says in one line how to get a tool that is missing.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::new::Language;

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nothing in the folder says what it is.
    #[error("{}: no plugin's project: there is no Cargo.toml, package.json, plugin.py or plugin.c", .0.display())]
    NoProject(PathBuf),
    /// A tool is missing.
    #[error("{0} is missing; this installs it:\n  {1}")]
    Missing(String, &'static str),
    /// A tool said no; it has said why.
    #[error("{0} failed")]
    Failed(String),
    /// A file cannot be read or written.
    #[error("{file}: {1}", file = .0.display())]
    File(PathBuf, io::Error),
}

/// Builds the project in that folder: the component's file, in the folder.
///
/// # Errors
/// If it is none, a tool is missing, or it does not build. What tools say is in the error.
pub fn build(folder: &Path) -> Result<PathBuf, BuildError> {
    let tools = Tools { folder };
    match language(folder)? {
        Language::Rust => tools.rust(),
        Language::Javascript => tools.javascript(),
        Language::Python => tools.python(),
        Language::C => tools.c(),
    }?;
    component(folder)
}

/// The file that [`build`] makes.
///
/// # Errors
/// If it is no plugin's project.
pub fn component(folder: &Path) -> Result<PathBuf, BuildError> {
    let tools = Tools { folder };
    let name = match language(folder)? {
        Language::Rust => tools.key("Cargo.toml", "name = ")?,
        Language::Javascript => tools.key("package.json", "\"name\": ")?,
        Language::Python | Language::C => tools.name()?,
    };
    Ok(folder.join(format!("{name}.wasm")))
}

fn language(folder: &Path) -> Result<Language, BuildError> {
    let has = |file: &str| folder.join(file).is_file();
    match () {
        () if has("Cargo.toml") => Ok(Language::Rust),
        () if has("package.json") => Ok(Language::Javascript),
        () if has("plugin.py") => Ok(Language::Python),
        () if has("plugin.c") => Ok(Language::C),
        () => Err(BuildError::NoProject(folder.to_owned())),
    }
}

struct Tools<'a> {
    folder: &'a Path,
}

impl Tools<'_> {
    fn rust(&self) -> Result<(), BuildError> {
        const TARGET: &str = "wasm32-wasip2";
        let folder = self.run("rustc", ["--print", "target-libdir", "--target", TARGET], "https://rustup.rs");
        let folder = folder?.stdout();
        if !Path::new(folder.trim()).is_dir() {
            return Err(BuildError::Missing(format!("the target {TARGET}"), Language::Rust.install()));
        }
        // In the project's own folder, whatever the user's settings say.
        let arguments = ["build", "--release", "--target", TARGET, "--target-dir", "target"];
        self.run("cargo", arguments, "https://rustup.rs")?.shown()?;
        let made = self.folder.join("target").join(TARGET).join("release");
        let made = made.join(format!("{}.wasm", self.key("Cargo.toml", "name = ")?.replace('-', "_")));
        fs::copy(&made, component(self.folder)?).map_err(|error| BuildError::File(made, error))?;
        Ok(())
    }

    fn javascript(&self) -> Result<(), BuildError> {
        if !self.folder.join("node_modules").is_dir() {
            return Err(BuildError::Missing("what package.json asks for".into(), Language::Javascript.install()));
        }
        self.run("npm", ["run", "build"], "https://nodejs.org")?.shown()
    }

    fn python(&self) -> Result<(), BuildError> {
        let component = component(self.folder)?;
        let tool = self.local(".venv/bin/componentize-py", "componentize-py");
        let world = ["-d", "wit", "-w", "plugin", "componentize", "plugin", "-o"].map(OsStr::new);
        let file = component.file_name().unwrap_or_default();
        self.run(&tool, world.into_iter().chain([file]), Language::Python.install())?.shown()
    }

    fn c(&self) -> Result<(), BuildError> {
        let component = component(self.folder)?;
        let install = Language::C.install();
        let bindings = ["c", "wit", "--world", "plugin", "--out-dir", "generated"];
        self.run("wit-bindgen", bindings, install)?.shown()?;
        // Nothing of WASI is needed, so nothing of it is imported: a reactor that only allocates.
        let compile = [
            "cc",
            "-target",
            "wasm32-wasi",
            "-mexec-model=reactor",
            "-O2",
            "-s",
            "-Wall",
            "-Werror",
            "-Igenerated",
            "-o",
            "generated/core.wasm",
            "plugin.c",
            "generated/plugin.c",
            "generated/plugin_component_type.o",
        ];
        let python = self.folder.join(".venv/bin/python");
        let compiled = match python.is_file() {
            true => self.run(".venv/bin/python", ["-m", "ziglang"].into_iter().chain(compile), install),
            false => self.run("zig", compile, install),
        };
        compiled?.shown()?;
        let file = component.file_name().unwrap_or_default();
        let wrap = ["component", "new", "generated/core.wasm", "-o"].map(OsStr::new);
        self.run("wasm-tools", wrap.into_iter().chain([file]), install)?.shown()
    }

    /// That of the folder.
    fn name(&self) -> Result<String, BuildError> {
        let full = self.folder.canonicalize().map_err(|error| BuildError::File(self.folder.to_owned(), error))?;
        Ok(full.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    /// The text after the first such key of a file that a project begins with.
    fn key(&self, file: &str, key: &str) -> Result<String, BuildError> {
        let file = self.folder.join(file);
        let text = fs::read_to_string(&file).map_err(|error| BuildError::File(file.clone(), error))?;
        let quoted = text.lines().find_map(|line| line.trim_start().strip_prefix(key)?.split('"').nth(1));
        let missing = || BuildError::File(file, io::Error::other(format!("no line begins with `{key}`")));
        quoted.map(str::to_owned).ok_or_else(missing)
    }

    /// The tool of the project, else that of the path.
    fn local(&self, here: &str, elsewhere: &str) -> String {
        if self.folder.join(here).is_file() { here.to_owned() } else { elsewhere.to_owned() }
    }

    fn run<S: AsRef<OsStr>>(
        &self,
        tool: &str,
        arguments: impl IntoIterator<Item = S>,
        install: &'static str,
    ) -> Result<Ran, BuildError> {
        // A path with a slash is of the project's folder, not of the one where this was started.
        let program = if tool.contains('/') { self.folder.join(tool) } else { PathBuf::from(tool) };
        let program = if program.is_relative() && tool.contains('/') { absolute(&program) } else { program };
        match Command::new(program).args(arguments).current_dir(self.folder).output() {
            Ok(output) => Ok(Ran { tool: tool.to_owned(), output }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BuildError::Missing(tool.to_owned(), install)),
            Err(error) => Err(BuildError::File(tool.into(), error)),
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

struct Ran {
    tool: String,
    output: std::process::Output,
}

impl Ran {
    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// What it said, if it failed.
    fn shown(&self) -> Result<(), BuildError> {
        if self.output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&self.output.stderr);
        Err(BuildError::Failed(format!("{}{}\n{}", self.stdout(), said.trim_end(), self.tool)))
    }
}
