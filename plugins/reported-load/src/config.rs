//! What may be configured: how often shares follow the reports, whose reports count yet, and what a report is worth.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::{HumanDuration, Issues, pointer};
use std::time::Duration;

/// The shortest time between two looks at the reports, as in gRPC.
const QUICKEST: Duration = Duration::from_millis(100);

/// How reports become shares.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    /// How often shares follow the reports; at least 100ms.
    pub(crate) update: HumanDuration,
    /// An endpoint must have reported for so long, without a pause and in use, before that counts.
    pub(crate) blackout: HumanDuration,
    /// What errors per request add to the utilization. 0: nothing.
    pub(crate) error_penalty: f64,
    /// Figures of which the largest counts where an endpoint reports no utilization of its own, as ORCA writes them:
    /// `cpu_utilization`, `mem_utilization`, `utilization.x`, `named_metrics.x`. Without them, or any of them, it is that of the CPU.
    pub(crate) utilization: Vec<Figure>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            update: HumanDuration(Duration::from_secs(1)),
            blackout: HumanDuration(Duration::from_secs(10)),
            error_penalty: 1.0,
            utilization: Vec::new(),
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), Issues> {
        let mut issues = Issues::new();
        if self.update.0 < QUICKEST {
            issues.add("/update", "expected at least 100ms");
        }
        if !(0.0..=1e6).contains(&self.error_penalty) {
            issues.add("/error-penalty", "expected a number from 0 to 1000000");
        }
        for (position, figure) in self.utilization.iter().enumerate() {
            if let Figure::Named(name) = figure
                && name.is_empty()
            {
                issues.add(pointer(["utilization", &position.to_string()]), "expected a name behind the full stop");
            }
        }
        issues.result()
    }
}

/// A figure of a report.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(crate) enum Figure {
    Cpu,
    Memory,
    /// By the name under which the gateway keeps it.
    Named(String),
}

impl TryFrom<String> for Figure {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "cpu_utilization" => Ok(Self::Cpu),
            "mem_utilization" => Ok(Self::Memory),
            _ if text.starts_with("utilization.") => Ok(Self::Named(text)),
            _ => match text.strip_prefix("named_metrics.") {
                Some(name) => Ok(Self::Named(name.to_owned())),
                None => Err(format!(
                    "`{text}` is no figure: expected `cpu_utilization`, `mem_utilization`, `utilization.x` or `named_metrics.x`"
                )),
            },
        }
    }
}
