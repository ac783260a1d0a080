//! From bytes to a [`Plugin`]: what it is, compiled, its imports looked at one by one, linked, its exports found. Nothing
//! of a plugin runs here but `describe`.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use super::compile::Compiler;
use super::context::{Context, Phase};
use super::deadline::Ticker;
use super::guest_log::short;
use super::hooks::{Hook, Hooks};
use super::instance::Instance;
use super::sealing::SealingKeys;
use super::uses::{Use, UseSettings};
use super::{CONTRACT, LoadError, PACKAGE, bindings, compile, wasi};
use crate::config::model::{PluginLimits, PluginSource};

/// Most bytes of a component file.
pub const LARGEST: usize = 64 * 1024 * 1024;

/// SHA-256 of a component; prints as its first twelve digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut array = [0; 32];
        array.copy_from_slice(digest.as_ref());
        Self(array)
    }

    /// True if what was read from one source may serve for another: the same file, and not against its pin.
    pub fn may_come_from(&self, known: &PluginSource, source: &PluginSource) -> bool {
        match (known, source) {
            (PluginSource::File { path: known, .. }, PluginSource::File { path, sha256 }) => {
                known == path && sha256.is_none_or(|pinned| pinned == self.0)
            }
            _ => known == source,
        }
    }

    /// All 64 digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// What it does.
    pub summary: String,
    /// JSON Schema of its configuration, or empty.
    pub config_schema: String,
}

/// One version of a component, ready to make instances.
pub struct Plugin {
    /// Its name in the configuration.
    pub name: String,
    /// Its content.
    pub digest: Digest,
    /// What it says of itself.
    pub description: Description,
    pub(super) pre: InstancePre<Context>,
    pub(super) hooks: Hooks,
    pub(super) ticker: Arc<Ticker>,
    /// Its code counts what it executes.
    pub(super) metered: bool,
    /// Bytes of an instance's memories before it is configured.
    pub memory_at_rest: usize,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plugin({} {})", self.name, self.digest)
    }
}

impl Plugin {
    /// True if it exports that hook.
    pub fn has(&self, hook: Hook) -> bool {
        self.hooks.has(hook)
    }

    fn describe(&mut self, limits: &PluginLimits, keys: &SealingKeys) -> Result<(), LoadError> {
        let nobody = UseSettings {
            name: format!("{}/describe", self.name).into(),
            plugin: self.name.clone(),
            config: String::new(),
            on_error: None,
            limits: limits.clone(),
            upstream: None,
            upstreams: Vec::new(),
            zone: "".into(),
            seed: 0,
            slots: 1,
        };
        let mut instance = Instance::bare(self, &Use::new(nobody, keys)?, 0, true)?;
        let described = instance
            .call(Phase::Running, Duration::from_millis(500), |guests, store| guests.lifecycle.call_describe(store));
        self.memory_at_rest = instance.memory();
        let said = described.map_err(|failure| LoadError::Failed("describe", failure))?;
        let brief = |text: String| text.chars().filter(|c| !c.is_control()).take(200).collect();
        self.description = Description {
            name: brief(said.name),
            version: brief(said.version),
            summary: brief(said.summary),
            config_schema: said.config_schema,
        };
        Ok(())
    }
}

/// The engine with everything that plugins may import.
pub struct Host {
    engine: Engine,
    contract: Linker<Context>,
    ticker: Arc<Ticker>,
    compiler: Compiler,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Host {
    /// An engine whose plugins are compiled by `compiler`.
    pub fn new(compiler: Compiler) -> Result<Self, LoadError> {
        let broken = |error: wasmtime::Error| LoadError::Host(format!("{error:#}"));
        let engine = Engine::new(&compile::engine_config(compiler.metered)).map_err(broken)?;
        let mut contract = Linker::new(&engine);
        let reach = if compiler.metered { Context::counted } else { Context::itself };
        bindings::Complete::add_to_linker::<_, HasSelf<Context>>(&mut contract, reach).map_err(broken)?;
        let ticker = Ticker::start(engine.clone()).map_err(|error| LoadError::Host(error.to_string()))?;
        Ok(Self { engine, contract, ticker: Arc::new(ticker), compiler })
    }

    /// Loads one version of a plugin. Compiles it in a child process unless it is in the cache; blocks for that long.
    pub fn load(
        &self,
        name: &str,
        bytes: &[u8],
        limits: &PluginLimits,
        keys: &SealingKeys,
    ) -> Result<Arc<Plugin>, LoadError> {
        look_at(bytes)?;
        let digest = Digest::of(bytes);
        let component = self.compiler.component(&self.engine, bytes, &digest)?;
        let linker = self.link(&component)?;
        let shape = |error: wasmtime::Error| LoadError::Shape(short(&format!("{error:#}")));
        let pre = linker.instantiate_pre(&component).map_err(shape)?;
        let mut plugin = Plugin {
            name: name.to_owned(),
            digest,
            description: Description {
                name: String::new(),
                version: String::new(),
                summary: String::new(),
                config_schema: String::new(),
            },
            hooks: Hooks::find(&pre)?,
            pre,
            ticker: self.ticker.clone(),
            metered: self.compiler.metered,
            memory_at_rest: 0,
        };
        plugin.describe(limits, keys)?;
        Ok(Arc::new(plugin))
    }

    /// The contract, and as much inert WASI as this component imports; anything else is refused by name.
    fn link(&self, component: &Component) -> Result<Linker<Context>, LoadError> {
        let shape = |error: wasmtime::Error| LoadError::Shape(short(&format!("{error:#}")));
        let mut linker = self.contract.clone();
        let component_type = component.component_type();
        for (import, item) in component_type.imports(&self.engine) {
            match item.ty {
                ComponentItem::ComponentInstance(instance) if wasi::is_inert(import) => {
                    wasi::link(&mut linker, &self.engine, import, &instance).map_err(shape)?;
                }
                _ => check_contract(import)?,
            }
        }
        for (export, _) in component_type.exports(&self.engine) {
            if export.starts_with(PACKAGE) {
                check_contract(export)?;
            }
        }
        Ok(linker)
    }
}

/// What kind of file this is, by its first bytes.
fn look_at(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > LARGEST {
        return Err(LoadError::TooLarge(bytes.len(), LARGEST));
    }
    match bytes.first_chunk::<8>() {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Err(LoadError::CoreModule),
        _ => Err(LoadError::NotWasm),
    }
}

/// Whether a component may import this.
///
/// # Errors
/// What the gateway says of it.
pub fn check_import(name: &str) -> Result<(), LoadError> {
    if wasi::is_inert(name) { Ok(()) } else { check_contract(name) }
}

/// An interface of the contract has to be of a version that this gateway speaks.
fn check_contract(name: &str) -> Result<(), LoadError> {
    let Some((_, version)) = name.strip_prefix(PACKAGE).and_then(|name| name.split_once('@')) else {
        return Err(LoadError::Import(short(name)));
    };
    let speaks = version.strip_prefix(CONTRACT).is_some_and(|patch| patch.starts_with('.'));
    match speaks {
        true => Ok(()),
        false => Err(LoadError::Contract { found: short(name), speaks: CONTRACT }),
    }
}
