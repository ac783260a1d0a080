//! What a component is, as far as its bytes say it, and whether this gateway takes it. Bytes are read before anything is compiled, so
//! a component that is refused is described as well.

mod bytes;

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::workshop::{self, usual_limits};
use super::{AuthorError, Workshop};
use crate::plugin::{Digest, Hook, Host, Plugin, StateDir, check_import};
use bytes::Contents;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// As it was asked for.
    pub plugin: String,
    /// Bytes of the component.
    pub size: usize,
    /// SHA-256 of the component.
    pub sha256: String,
    /// Why this gateway does not take it; none: it does.
    pub refused: Option<String>,
    /// What it says of itself, if it is taken.
    pub says: Option<Says>,
    /// The hooks that it exports.
    pub hooks: Vec<String>,
    /// The versions of the contract that it was built for.
    pub contract: Vec<String>,
    /// What it imports, in order.
    pub imports: Vec<Import>,
    /// What it was made with, by kind: `language`, `processed-by`, `sdk`.
    pub producers: Vec<Producer>,
    /// Bytes of memory before it does anything, as its modules ask for them.
    pub memory_asked: u64,
    /// Bytes of an instance's memory once it is made, if it is taken.
    pub memory_at_rest: Option<usize>,
    /// Milliseconds that compiling took, if it is taken.
    pub compiled_in_ms: Option<u64>,
    /// Bytes of compiled code, if it is taken.
    pub compiled_size: Option<u64>,
}

/// What a plugin says of itself.
#[derive(Debug, Serialize)]
pub struct Says {
    /// Its name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// What it does.
    pub summary: String,
    /// A JSON Schema of its configuration; null if it takes none.
    pub config_schema: serde_json::Value,
}

/// One import.
#[derive(Debug, Serialize)]
pub struct Import {
    /// Its name, with version.
    pub name: String,
    /// Why a component is refused for it; none: it may be imported.
    pub refused: Option<String>,
}

/// One entry of a `producers` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its version, or empty.
    pub version: String,
}

/// Looks at a plugin: a file, or a built-in one by its name.
///
/// # Errors
/// If there is no such plugin, it cannot be read, or the host does not start. A plugin that is refused is an inspection.
pub fn inspect(named: &str, state_dir: Option<PathBuf>) -> Result<Inspection, AuthorError> {
    let component = workshop::bytes(named)?;
    let contents = Contents::read(&component);
    let mut found = Inspection {
        plugin: named.to_owned(),
        size: component.len(),
        sha256: Digest::of(&component).hex(),
        refused: None,
        says: None,
        hooks: contents.hooks(),
        contract: contents.contract(),
        imports: contents.imports.iter().map(|name| Import::of(name)).collect(),
        producers: contents.producers,
        memory_asked: contents.memory,
        memory_at_rest: None,
        compiled_in_ms: None,
        compiled_size: None,
    };
    match compiled(named, &component, state_dir)? {
        Ok((plugin, time, size)) => {
            let description = &plugin.description;
            found.says = Some(Says {
                name: description.name.clone(),
                version: description.version.clone(),
                summary: description.summary.clone(),
                config_schema: serde_json::from_str(&description.config_schema).unwrap_or_default(),
            });
            found.hooks = HOOKS.iter().filter(|hook| plugin.has(**hook)).map(|hook| hook.as_str().to_owned()).collect();
            found.memory_at_rest = Some(plugin.memory_at_rest);
            found.compiled_in_ms = Some(time.as_millis() as u64);
            found.compiled_size = Some(size);
        }
        Err(reason) => found.refused = Some(reason),
    }
    Ok(found)
}

const HOOKS: [Hook; 6] = [Hook::Routing, Hook::Selection, Hook::Response, Hook::Feedback, Hook::Timer, Hook::State];

type Compiled = (std::sync::Arc<Plugin>, Duration, u64);

/// Compiles it as if it never had been, and takes it, or says why not.
fn compiled(
    named: &str,
    component: &[u8],
    state_dir: Option<PathBuf>,
) -> Result<Result<Compiled, String>, AuthorError> {
    let folder = format!("inspected-{}", std::process::id());
    let compiler = StateDir::open(state_dir)?.compiler_into(&folder).map_err(AuthorError::Host)?;
    let cache = compiler.cache().to_owned();
    let workshop = Workshop::with(Host::new(compiler))?;
    let began = Instant::now();
    let loaded = workshop.load_bytes(named, component, &usual_limits());
    let took = began.elapsed();
    let sizes = fs::read_dir(&cache).into_iter().flatten().flatten();
    let size = sizes.filter_map(|entry| entry.metadata().ok()).map(|about| about.len()).sum();
    // It belongs to this look only; what cannot be removed harms nobody.
    let _ = fs::remove_dir_all(&cache);
    match loaded {
        Ok(plugin) => Ok(Ok((plugin, took, size))),
        Err(AuthorError::Plugin(_, reason)) => Ok(Err(reason.to_string())),
        Err(other) => Err(other),
    }
}

impl Import {
    fn of(name: &str) -> Self {
        Self { name: name.to_owned(), refused: check_import(name).err().map(|error| error.to_string()) }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: &[String]| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
        match &self.says {
            Some(Says { name, version, summary, .. }) => writeln!(f, "{name} {version}: {summary}")?,
            None => writeln!(f, "{}", self.plugin)?,
        }
        writeln!(f, "  component  {} bytes, sha256 {}", self.size, self.sha256)?;
        writeln!(f, "  hooks      {}", list(&self.hooks))?;
        writeln!(f, "  contract   {}", list(&self.contract))?;
        for (position, import) in self.imports.iter().enumerate() {
            let label = if position == 0 { "imports" } else { "" };
            let verdict = import.refused.as_ref().map_or(String::new(), |_| ": refused".to_owned());
            writeln!(f, "  {label:9}  {}{verdict}", import.name)?;
        }
        for Producer { kind, name, version } in &self.producers {
            writeln!(f, "  {kind:12} {name} {version}")?;
        }
        let memory = self.memory_at_rest.unwrap_or(self.memory_asked as usize);
        writeln!(f, "  memory     {} KiB at rest", memory / 1024)?;
        if let (Some(time), Some(size)) = (self.compiled_in_ms, self.compiled_size) {
            writeln!(f, "  compiled   in {time} ms, {} KiB", size / 1024)?;
        }
        if let Some(Says { config_schema, .. }) = &self.says {
            match config_schema {
                serde_json::Value::Null => writeln!(f, "  config     none")?,
                schema => writeln!(f, "  config     {schema}")?,
            }
        }
        match &self.refused {
            Some(reason) => write!(f, "refused: {reason}"),
            None => f.write_str("taken"),
        }
    }
}
