//! Where log lines go: readable on a terminal, one JSON object a line otherwise, both on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// Starts logging at `level` (`error` to `trace`); `SLUICE_LOG` (as in `info,plugin=debug`) wins. Called once.
pub fn start(level: &str) {
    let wanted = std::env::var("SLUICE_LOG").unwrap_or_else(|_| level.to_owned());
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    if std::io::stderr().is_terminal() {
        registry.with(fmt::layer().compact().log_internal_errors(false).with_writer(std::io::stderr)).init();
    } else {
        registry
            .with(fmt::layer().json().flatten_event(true).log_internal_errors(false).with_writer(std::io::stderr))
            .init();
    }
}
