//! Where a key comes from, as the configurations of several plugins spell it.

use crate::KeySource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A list of key sources in a configuration, of which the first that a request has is taken: `["client-ip"]`, which is the
/// default, or `[{ header = "x-user" }, { cookie = "user" }, { query-param = "user" }, "authority", "path"]`. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "Vec<KeySource>")]
pub struct KeySources(Vec<KeySource>);

impl Default for KeySources {
    fn default() -> Self {
        Self(vec![KeySource::ClientIp])
    }
}

impl TryFrom<Vec<KeySource>> for KeySources {
    type Error = &'static str;

    fn try_from(sources: Vec<KeySource>) -> Result<Self, Self::Error> {
        if sources.is_empty() { Err("expected at least one source") } else { Ok(Self(sources)) }
    }
}

impl std::ops::Deref for KeySources {
    type Target = [KeySource];

    fn deref(&self) -> &[KeySource] {
        &self.0
    }
}
