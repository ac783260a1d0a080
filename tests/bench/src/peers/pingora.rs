//! A proxy made with Pingora, from `peers/pingora`. It is built here, and so as well as this machine builds it.

use std::process::Command;

use anyhow::Result;

use super::{Program, Site};
use crate::workshop;

/// As its crate's lock has it; the program itself has none.
pub(super) const VERSION: &str = "0.9.1";

pub(super) fn find() -> Result<Program> {
    Ok(Program { path: workshop::pingora()?, filter: None })
}

pub(super) fn command(site: &Site<'_>, program: &Program) -> Result<Command> {
    let mut command = Command::new(&program.path);
    command.args([site.plain, site.secure].map(|address| address.to_string()));
    command.arg(site.certificate).arg(site.key);
    command.args(site.endpoints.map(|address| address.to_string()));
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::VERSION;

    #[test]
    fn the_version_is_that_of_the_lock() {
        let lock = include_str!("../../peers/pingora/Cargo.lock");
        assert!(lock.contains(&format!("name = \"pingora\"\nversion = \"{VERSION}\"")), "{VERSION}");
    }
}
