//! Where log lines go: readable on a terminal, one JSON object a line otherwise, both on standard error. Those that cannot be
//! written, since a disk is full or nobody reads, are counted and left out.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use super::journal::Scribe;

static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Lines that could not be written.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Standard error, which never fails.
struct Output;

impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if io::stderr().write_all(line).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many lines could not be written since the start.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Starts logging at `level` (`error` to `trace`); `SLUICE_LOG` (as in `info,plugin=debug`) wins. Called once.
pub fn start(level: &str) {
    let (filter, handle) = reload::Layer::new(filter(level));
    // Called once, so it is not set.
    let _ = FILTER.set(handle);
    let lines = fmt::layer().log_internal_errors(false).with_writer(|| Output);
    let lines = match io::stderr().is_terminal() {
        true => lines.compact().with_filter(filter).boxed(),
        false => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    // What is not logged may be asked for all the same.
    tracing_subscriber::registry().with(lines).with(Scribe.with_filter(filter_fn(Scribe::wants))).init();
}

/// Logs at another level from now on, unless `SLUICE_LOG` says otherwise.
pub fn set_level(level: &str) {
    if let Some(handle) = FILTER.get() {
        // It fails only where logging has ended.
        let _ = handle.reload(filter(level));
    }
}

fn filter(level: &str) -> EnvFilter {
    // What hyper and h2 warn of is what clients do: some could fill a disk with it.
    let wanted = std::env::var("SLUICE_LOG").unwrap_or_else(|_| format!("{level},h2=error,hyper=error"));
    EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("info"))
}
