//! From the `[[plugin]]`s of a configuration to loaded versions.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustix::fs::OFlags;

use crate::config::model::{self, PluginSource};
use crate::plugin::{self, Host, LARGEST, LoadError, Plugin, SealingKeys};

/// The version that `live` gives, else what the source has now. All at once, since most of the time is the compiler's and each
/// has a process of its own. One outcome for each.
pub fn load_all(
    plugins: &[model::Plugin],
    host: &Host,
    keys: &SealingKeys,
    live: impl Fn(&model::Plugin) -> Option<Arc<Plugin>> + Sync,
) -> Vec<Result<Arc<Plugin>, LoadError>> {
    let load = |settings: &model::Plugin| match live(settings) {
        Some(live) => Ok(live),
        None => host.load(&settings.name, &read(&settings.source)?, &settings.limits, keys),
    };
    let load = &load;
    thread::scope(|scope| {
        let threads: Vec<_> = plugins.iter().map(|settings| scope.spawn(move || load(settings))).collect();
        let loaded = threads.into_iter().map(|thread| thread.join());
        loaded.map(|loaded| loaded.unwrap_or_else(|_| Err(LoadError::Host("the loader panicked".into())))).collect()
    })
}

/// Reads the bytes of a plugin, and holds them against the pinned digest.
pub fn read(source: &PluginSource) -> Result<Vec<u8>, LoadError> {
    match source {
        PluginSource::BuiltIn(name) => match plugin::builtin::bytes(name) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(LoadError::Unreadable(format!("no built-in plugin is called {name}"))),
        },
        PluginSource::File { path, sha256 } => {
            let bytes = read_file(path)?;
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

/// Reads a file, and waits for nobody: a pipe without a writer is no plugin, and neither is a device without an end.
fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |error: io::Error| LoadError::Unreadable(format!("{}: {error}", path.display()));
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(unreadable(io::Error::other("not a regular file")));
    }
    if about.len() > LARGEST as u64 {
        return Err(LoadError::TooLarge(about.len() as usize, LARGEST));
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    // Somebody may be writing to it.
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
