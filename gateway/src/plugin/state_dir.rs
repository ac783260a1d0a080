//! The folder that outlives the process: compiled plugins, and a key of sealed cookies where the configuration names none. And
//! the files of the keys that it names.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::compile::{Compiler, private_folder};
use super::sealing::SealingKeys;
use super::{Host, LoadError};
use crate::config::model::SealingFiles;

/// Bytes of a sealing key. Fewer could be guessed.
const SHORTEST_KEY: usize = 32;

/// A file or folder that the gateway needs for itself and cannot have.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct FileError {
    /// Which.
    pub file: PathBuf,
    /// Why.
    pub reason: io::Error,
}

/// The state folder, which belongs to this user alone.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// The folder that is given; else what systemd gives a service (`STATE_DIRECTORY`), or one of the user's. It is made if it
    /// is missing.
    ///
    /// # Errors
    /// If it cannot be made, or is open to others; and if none is given and the user has no home.
    pub fn open(given: Option<PathBuf>) -> Result<Self, FileError> {
        let folder = given.or_else(usual).ok_or_else(|| FileError {
            file: "--state-dir".into(),
            reason: io::Error::other("is needed where HOME is not set"),
        })?;
        match private_folder(&folder) {
            Ok(()) => Ok(Self(folder)),
            Err(reason) => Err(FileError { file: folder, reason }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// An engine whose compiled code is kept here.
    ///
    /// # Errors
    /// If there is no place for the code, or the engine does not start.
    pub fn host(&self) -> Result<Host, LoadError> {
        Host::new(self.compiler()?)
    }

    /// What puts compiled code here.
    ///
    /// # Errors
    /// If there is no place for the code.
    pub fn compiler(&self) -> Result<Compiler, LoadError> {
        self.compiler_into("compiled")
    }

    /// The same for a folder of that name here.
    ///
    /// # Errors
    /// If there is no place for the code.
    pub fn compiler_into(&self, folder: &str) -> Result<Compiler, LoadError> {
        let program = if cfg!(target_os = "linux") {
            // This very program, also when another version has been installed over it.
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe().map_err(|error| LoadError::Host(format!("this program: {error}")))?
        };
        Compiler::new(program, self.0.join(folder))
    }

    /// The key that is kept here, made when it is first asked for.
    ///
    /// # Errors
    /// If it cannot be made or read.
    pub fn sealing_keys(&self) -> Result<SealingKeys, FileError> {
        let file = self.0.join("sealing-key");
        if !file.exists() {
            make_key(&file).map_err(|reason| FileError { file: file.clone(), reason })?;
        }
        Ok(SealingKeys { current: read_key(&file)?, previous: None })
    }
}

impl SealingKeys {
    /// From the files that the configuration names.
    ///
    /// # Errors
    /// If one cannot be read or is too short.
    pub fn read(files: &SealingFiles) -> Result<Self, FileError> {
        let previous = files.previous.as_deref().map(read_key).transpose()?;
        Ok(Self { current: read_key(&files.current)?, previous })
    }

    /// Keys that nobody has and nothing is kept under, for a try.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn of_the_moment() -> Result<Self, LoadError> {
        let mut key = vec![0; SHORTEST_KEY];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| LoadError::Sealing)?;
        Ok(Self { current: key, previous: None })
    }
}

/// Reads one key of sealed cookies, 32 bytes or more.
///
/// # Errors
/// If it cannot be read or is too short.
pub fn read_key(file: &Path) -> Result<Vec<u8>, FileError> {
    let failed = |reason| FileError { file: file.to_owned(), reason };
    let key = fs::read(file).map_err(failed)?;
    match key.len() {
        SHORTEST_KEY.. => Ok(key),
        length => Err(failed(io::Error::other(format!("{length} bytes; a sealing key has {SHORTEST_KEY} or more")))),
    }
}

/// Written aside and linked to its name, so that a gateway that starts beside this one finds a whole key or none.
fn make_key(file: &Path) -> io::Result<()> {
    let mut key = [0; SHORTEST_KEY];
    aws_lc_rs::rand::fill(&mut key).map_err(io::Error::other)?;
    let fresh = file.with_extension(std::process::id().to_string());
    // One that was cut off in the middle of this may have had our number.
    let _ = fs::remove_file(&fresh);
    let mut open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    io::Write::write_all(&mut open, &key)?;
    open.sync_all()?;
    let linked = fs::hard_link(&fresh, file);
    fs::remove_file(&fresh)?;
    match linked {
        // Another gateway was quicker, and its key is as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn usual() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = variable("STATE_DIRECTORY");
    let state = state.or_else(|| Some(variable("XDG_STATE_HOME")?.join("sluice")));
    state.or_else(|| Some(variable("HOME")?.join(".local/state/sluice")))
}
