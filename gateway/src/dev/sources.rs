//! What a plugin is made of: the files of its project but for what tools make of them, or the component's own file; and the
//! scenarios that it has to keep.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::plugin::Digest;

/// Folders that tools fill.
const MADE: [&str; 4] = ["target", "node_modules", "generated", "__pycache__"];
/// Files that tools write beside the sources.
const WRITTEN: [&str; 2] = ["Cargo.lock", "package-lock.json"];
/// A project that has more was pointed at by mistake.
const MOST: usize = 10_000;

/// What files hold: those of the plugin, and the one that is looked at for a while.
pub(super) type Look = (Digest, Option<Digest>);

/// The files that a plugin comes from.
#[derive(Debug)]
pub(super) struct Sources {
    file: PathBuf,
    /// None: the component's file is all that there is.
    folder: Option<PathBuf>,
    scenarios: Vec<PathBuf>,
    also: Option<PathBuf>,
    /// As they were seen last.
    known: BTreeSet<PathBuf>,
}

impl Sources {
    pub(super) fn new(file: PathBuf, folder: Option<PathBuf>, scenarios: Vec<PathBuf>) -> Self {
        Self { file, folder, scenarios, also: None, known: BTreeSet::new() }
    }

    /// One more, for a while.
    pub(super) fn also(&mut self, file: PathBuf) {
        self.also = Some(absolute(&file));
    }

    /// Not that one any more.
    pub(super) fn no_more(&mut self) {
        self.also = None;
    }

    /// All of them, by their full names.
    pub(super) fn files(&mut self) -> BTreeSet<PathBuf> {
        self.known = self.found();
        self.known.iter().cloned().chain(self.also.clone()).collect()
    }

    /// True if there are others than were seen last.
    pub(super) fn have_come_or_gone(&self) -> bool {
        self.known != self.found()
    }

    fn found(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        match &self.folder {
            Some(folder) => walk(folder, &mut found),
            None => drop(found.insert(self.file.clone())),
        }
        found.extend(self.scenarios().iter().map(|file| absolute(file)));
        found
    }

    /// The scenarios that the plugin has to keep.
    pub(super) fn scenarios(&self) -> Vec<PathBuf> {
        if !self.scenarios.is_empty() {
            return self.scenarios.clone();
        }
        let beside = self.folder.as_deref().or_else(|| self.file.parent());
        let entries = beside.and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
        let is_one = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("scenario") && name.ends_with(".toml")
        };
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
        found.sort();
        found
    }

    /// What they hold now.
    pub(super) fn look(&self) -> Look {
        let mut all = Vec::new();
        for file in self.found() {
            all.extend(file.as_os_str().as_encoded_bytes());
            all.extend(digest(&file).0);
        }
        (Digest::of(&all), self.also.as_deref().map(digest))
    }
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// Of one file; one that cannot be read is one that has changed when it can.
fn digest(file: &Path) -> Digest {
    Digest::of(&fs::read(file).unwrap_or_default())
}

fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        // A link may lead in a circle.
        let Ok(kind) = entry.file_type() else { continue };
        let is_folder = kind.is_dir() && !MADE.contains(&&*name);
        let is_source = !kind.is_dir() && !WRITTEN.contains(&&*name) && !name.ends_with(".wasm");
        if name.starts_with('.') || found.len() >= MOST {
            continue;
        } else if is_folder {
            walk(&path, found);
        } else if is_source && path.is_file() {
            found.insert(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_make_is_no_source() {
        let folder = tempfile::tempdir().unwrap();
        let sources = ["src/lib.rs", "Cargo.toml", "wit/deps/sluice/types.wit", "scenario.toml", "scenario-2.toml"];
        let made = ["target/release/x.rs", "node_modules/a.js", "mine.wasm", "Cargo.lock", ".venv/x.py", ".git/HEAD"];
        for name in sources.into_iter().chain(made) {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, name).unwrap();
        }
        let mut seen = Sources::new(folder.path().join("mine.wasm"), Some(folder.path().to_owned()), Vec::new());
        let due: BTreeSet<PathBuf> = sources.iter().map(|name| folder.path().join(name)).collect();
        assert_eq!((seen.files(), seen.scenarios().len()), (due, 2));
        let before = seen.look();
        for name in made {
            fs::write(folder.path().join(name), "other").unwrap();
        }
        assert!(before == seen.look() && !seen.have_come_or_gone());
        fs::write(folder.path().join("src/more.rs"), "").unwrap();
        assert!(before != seen.look() && seen.have_come_or_gone());
    }
}
