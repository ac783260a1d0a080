//! The configuration of zones: who stands where, and which zones take over from which.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::{Amount, Cidr, Issues, pointer};
use std::{collections::BTreeMap, num::NonZeroU32};

/// The zones, and when one of them is left.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    /// What is known of each zone.
    pub(crate) zones: BTreeMap<String, Zone>,
    /// How many endpoints of a zone must be healthy for it to be used: a number, or a share of the zone.
    pub(crate) min_healthy: Amount,
    /// Requests in flight for each endpoint of a zone, on average, from which on it is full. Unset: no bound.
    pub(crate) max_in_flight: Option<NonZeroU32>,
}

/// One zone.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Zone {
    /// The networks whose clients stand here; the narrowest that fits decides.
    pub(crate) clients: Vec<Cidr>,
    /// The zones that take over, nearest first. After them all endpoints do.
    pub(crate) spill_to: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { zones: BTreeMap::new(), min_healthy: Amount::Share(50), max_in_flight: None }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), Issues> {
        let mut issues = Issues::new();
        let mut networks: Vec<(Cidr, &str)> = Vec::new();
        for (name, zone) in &self.zones {
            if name.is_empty() {
                issues.add("/zones", "a zone needs a name");
            }
            for (position, network) in zone.clients.iter().enumerate() {
                if let Some((_, other)) = networks.iter().find(|(known, _)| known == network) {
                    let at = pointer(["zones", name, "clients", &position.to_string()]);
                    issues.add(at, format!("the same network as one of `{other}`"));
                }
                networks.push((*network, name));
            }
            for (position, next) in zone.spill_to.iter().enumerate() {
                if next == name || zone.spill_to[..position].contains(next) {
                    let at = pointer(["zones", name, "spill-to", &position.to_string()]);
                    issues.add(at, format!("`{next}` comes before"));
                }
            }
        }
        issues.result()
    }
}
