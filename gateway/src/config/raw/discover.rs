//! Keys of an upstream whose members are found elsewhere, and the list that files and services answer with.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Endpoint;
use crate::config::units::Time;

/// Where an upstream's members are found: exactly one of the sources.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Discover {
    /// A file with `endpoints = [...]` as here, in TOML, or in JSON if its name ends in `.json`, where the list alone will do. It is
    /// watched.
    pub(in crate::config) file: Option<PathBuf>,
    /// How long the gateway waits for the first answer when it starts. Then it serves all the same, and answers 503 where nobody is
    /// known.
    #[serde(default = "wait")]
    pub(in crate::config) wait: Time,
}

fn wait() -> Time {
    Time(Duration::from_secs(5))
}

/// A list of endpoints, with a name around it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Endpoints {
    /// Members of an upstream, as in the configuration; there may be none.
    pub(in crate::config) endpoints: Vec<Endpoint>,
}
