//! Keys of plugins and of the places where they stand.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::texts::{Name, Sha256};
use crate::config::units::{Share, Size, Time};

/// A plugin of your own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Plugin {
    /// Its name in this file; no built-in plugin's.
    pub(in crate::config) name: Name,
    /// Its component, a `.wasm` file. It is watched: saving a new one swaps the plugin.
    pub(in crate::config) path: PathBuf,
    /// SHA-256 of the only content that is accepted. Default: any content.
    pub(in crate::config) sha256: Option<Sha256>,
    /// What an instance may use up.
    #[serde(default)]
    pub(in crate::config) limits: PluginLimits,
    /// Instances of each of its uses that all workers share, for languages whose instances are large; a worker waits while another
    /// one's call is in it. Default: one for each worker.
    #[schemars(range(min = 1, max = 256))]
    pub(in crate::config) slots: Option<usize>,
}

/// What an instance of a plugin may use up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct PluginLimits {
    /// Linear memory, 64KiB to 4GiB.
    pub(in crate::config) memory: Size,
    /// CPU time of one routing, selection or response call, 1ms to 10s.
    pub(in crate::config) deadline: Time,
    /// Of a worker's time in a second (of one worker's, where they share `slots`), at most this share; what comes beyond goes by
    /// `on-error` until the second is over.
    pub(in crate::config) worker_share: Share,
    /// What it may hand to the gateway in one call, answers and arguments of imported functions together, 4KiB to 64MiB.
    pub(in crate::config) host_call: Size,
    /// Names and values of all edits of one call, 1KiB to 1MiB.
    pub(in crate::config) output: Size,
}

impl Default for PluginLimits {
    fn default() -> PluginLimits {
        PluginLimits {
            memory: Size(64 << 20),
            deadline: Time(Duration::from_millis(5)),
            worker_share: Share(200),
            host_call: Size(1 << 20),
            output: Size(16 << 10),
        }
    }
}

/// A configured appearance of a plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct Use {
    /// What routes and upstreams call it; no plugin's name.
    pub(in crate::config) name: Name,
    /// A built-in plugin or one of yours.
    pub(in crate::config) plugin: String,
    /// What the plugin is told; its manual says what it understands. Default: nothing.
    pub(in crate::config) config: Option<Map<String, Value>>,
    /// What an exchange does when the plugin fails. Default: fallback in selection, pass elsewhere.
    pub(in crate::config) on_error: Option<OnError>,
}

/// A plugin at its place.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum UseHere {
    /// Name of a `[[use]]`, of a built-in plugin or of one of yours.
    Named(String),
    /// A use that belongs to this place.
    Inline(InlineUse),
}

/// A configured appearance of a plugin that belongs to its place.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::config) struct InlineUse {
    /// A built-in plugin or one of yours.
    pub(in crate::config) plugin: String,
    /// What the plugin is told; its manual says what it understands. Default: nothing.
    pub(in crate::config) config: Option<Map<String, Value>>,
    /// What an exchange does when the plugin fails. Default: fallback in selection, pass elsewhere.
    pub(in crate::config) on_error: Option<OnError>,
}

/// What an exchange does when a plugin fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum OnError {
    /// The gateway chooses: weighted random over what may be chosen.
    Fallback,
    /// As if the plugin had no opinion.
    Pass,
    /// 503.
    Fail,
}
