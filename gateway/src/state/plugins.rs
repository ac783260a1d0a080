//! From the `[[plugin]]`s of a configuration to loaded versions.

use std::sync::Arc;
use std::thread;

use super::build::Builder;
use crate::config::Problem;
use crate::config::model::{self, PluginSource};
use crate::plugin::{self, LoadError, Plugin, SealingKeys};

impl Builder<'_> {
    /// The live version where nothing has changed, else what the source has now; a plugin that does not load is a problem. All at
    /// once, since most of the time is the compiler's and each has a process of its own.
    pub(super) fn load_all(
        &self,
        plugins: &[model::Plugin],
        keys: &SealingKeys,
        problems: &mut Vec<Problem>,
    ) -> Vec<Arc<Plugin>> {
        let load = |settings: &model::Plugin| match self.before.and_then(|before| before.live(settings)) {
            Some(live) => Ok(live.clone()),
            None => {
                let bytes = read(&settings.source)?;
                self.host.load(&settings.name, &bytes, &settings.limits, keys)
            }
        };
        let loaded: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = plugins.iter().map(|settings| scope.spawn(move || load(settings))).collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        let mut versions = Vec::with_capacity(plugins.len());
        for (settings, loaded) in plugins.iter().zip(loaded) {
            match loaded.unwrap_or_else(|_| Err(LoadError::Host("the loader panicked".into()))) {
                Ok(version) => versions.push(version),
                Err(error) => problems.push(Problem {
                    file: self.file.display().to_string(),
                    line: 0,
                    key: String::new(),
                    message: format!("plugin {}: {}: {error}", settings.name, settings.source),
                }),
            }
        }
        versions
    }
}

/// Reads the bytes of a plugin, and holds them against the pinned digest.
pub fn read(source: &PluginSource) -> Result<Vec<u8>, LoadError> {
    match source {
        PluginSource::BuiltIn(name) => match plugin::builtin::bytes(name) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(LoadError::Unreadable(format!("no built-in plugin is called {name}"))),
        },
        PluginSource::File { path, sha256 } => {
            let unreadable = |error| LoadError::Unreadable(format!("{}: {error}", path.display()));
            let bytes = std::fs::read(path).map_err(unreadable)?;
            let found = plugin::Digest::of(&bytes);
            match sha256 {
                Some(wanted) if *wanted != found.0 => {
                    Err(LoadError::Pinned { found: found.hex(), wanted: plugin::Digest(*wanted).hex() })
                }
                _ => Ok(bytes),
            }
        }
    }
}
