//! Where log lines go: readable on a terminal, one JSON object a line otherwise, both on standard error.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging at `level` (`error` to `trace`); `SLUICE_LOG` (as in `info,plugin=debug`) wins. Called once.
pub fn start(level: &str) {
    let (filter, handle) = reload::Layer::new(filter(level));
    // Called once, so it is not set.
    let _ = FILTER.set(handle);
    let registry = tracing_subscriber::registry().with(filter);
    if std::io::stderr().is_terminal() {
        registry.with(fmt::layer().compact().log_internal_errors(false).with_writer(std::io::stderr)).init();
    } else {
        registry
            .with(fmt::layer().json().flatten_event(true).log_internal_errors(false).with_writer(std::io::stderr))
            .init();
    }
}

/// Logs at another level from now on, unless `SLUICE_LOG` says otherwise.
pub fn set_level(level: &str) {
    if let Some(handle) = FILTER.get() {
        // It fails only where logging has ended.
        let _ = handle.reload(filter(level));
    }
}

fn filter(level: &str) -> EnvFilter {
    let wanted = std::env::var("SLUICE_LOG").unwrap_or_else(|_| level.to_owned());
    EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("info"))
}
