//! Where components are loaded for their authors, from files or from among the built-in ones, by the host that production has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Rig, Setting, Stage};
use crate::config::model::{PluginLimits, PluginSource};
use crate::config::{self, Problems};
use crate::plugin::{FileError, Host, LoadError, Plugin, SealingKeys, StateDir, builtin};
use crate::state;

/// Why a plugin is not to be had for its author.
#[derive(Debug, thiserror::Error)]
pub enum AuthorError {
    /// A file that says what is to be done is not good; one line for each problem.
    #[error("{0}")]
    File(#[from] Problems),
    /// The state folder is not to be had.
    #[error("{0}")]
    Folder(#[from] FileError),
    /// The plugin host does not start.
    #[error("plugins: {0}")]
    Host(LoadError),
    /// No plugin has that name, and no file.
    #[error("{0}: no such file, and no built-in plugin has that name (those are {1})")]
    Unknown(String, String),
    /// The plugin is not taken.
    #[error("{0}: {1}")]
    Plugin(String, LoadError),
}

/// Loads plugins and puts them on stages.
#[derive(Debug)]
pub struct Workshop {
    host: Host,
    keys: SealingKeys,
}

impl Workshop {
    /// With compiled code in the state folder, as for `sluice run`.
    ///
    /// # Errors
    /// If there is no state folder, or the host does not start.
    pub fn open(state_dir: Option<PathBuf>) -> Result<Self, AuthorError> {
        Self::with(StateDir::open(state_dir)?.host())
    }

    /// The same with code that counts what it executes ([`Rig::meters`]), and is slower.
    ///
    /// # Errors
    /// As [`Workshop::open`].
    pub fn metered(state_dir: Option<PathBuf>) -> Result<Self, AuthorError> {
        let compiler = StateDir::open(state_dir)?.compiler();
        Self::with(compiler.and_then(|compiler| Host::new(compiler.metered())))
    }

    pub(super) fn with(host: Result<Host, LoadError>) -> Result<Self, AuthorError> {
        let keys = SealingKeys::of_the_moment().map_err(AuthorError::Host)?;
        Ok(Self { host: host.map_err(AuthorError::Host)?, keys })
    }

    /// The plugin of a file, or the built-in one of that name. Compiles it in a process of its own if nobody did before.
    ///
    /// # Errors
    /// If there is none, or it is not taken: as the gateway says it.
    pub fn load(&self, named: &str, limits: &PluginLimits) -> Result<Arc<Plugin>, AuthorError> {
        self.load_bytes(named, &bytes(named)?, limits)
    }

    /// The plugin of these bytes.
    ///
    /// # Errors
    /// If it is not taken.
    pub fn load_bytes(&self, named: &str, bytes: &[u8], limits: &PluginLimits) -> Result<Arc<Plugin>, AuthorError> {
        let name = Path::new(named).file_stem().map_or(named.into(), |stem| stem.to_string_lossy());
        let loaded = self.host.load(&name, bytes, limits, &self.keys);
        loaded.map_err(|error| AuthorError::Plugin(named.to_owned(), error))
    }

    /// Puts a use of the plugin on a stage, with an instance for each worker.
    ///
    /// # Errors
    /// If it refuses its configuration, or fails in it.
    pub fn rig(&self, plugin: &Arc<Plugin>, stage: &Arc<Stage>, setting: Setting) -> Result<Rig, LoadError> {
        Rig::new(plugin, stage, setting, &self.keys)
    }
}

/// The component in a file, or the built-in one of that name.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn bytes(named: &str) -> Result<Vec<u8>, AuthorError> {
    if let Some(bytes) = builtin::bytes(named) {
        return Ok(bytes.to_vec());
    }
    let path = PathBuf::from(named);
    if !path.exists() {
        return Err(AuthorError::Unknown(named.to_owned(), builtin::names().join(", ")));
    }
    let read = state::read(&PluginSource::File { path, sha256: None });
    read.map_err(|error| AuthorError::Plugin(named.to_owned(), error))
}

/// What a plugin may use up where nothing is said: as in a configuration file.
pub(super) fn usual_limits() -> PluginLimits {
    config::built_in("").limits
}
