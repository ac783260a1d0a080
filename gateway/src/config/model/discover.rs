//! Where members of upstreams are found that the configuration does not name.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where an upstream's members are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discover {
    /// Who is asked.
    pub source: Finder,
    /// How long the start of the gateway waits for the first answer. Default 5 s.
    pub wait: Duration,
}

/// Who is asked for endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finder {
    /// A file that lists them.
    File(PathBuf),
}

impl fmt::Display for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finder::File(path) => write!(f, "file {}", path.display()),
        }
    }
}
