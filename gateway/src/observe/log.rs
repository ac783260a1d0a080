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
static ELSEWHERE: OnceLock<Elsewhere> = OnceLock::new();

/// Takes a line.
type Taker = dyn Fn(&[u8]) + Send + Sync;

/// Where lines go in place of standard error, and which of them.
struct Elsewhere {
    line: Box<Taker>,
    level: &'static str,
}

/// Lines that could not be written.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Standard error, which never fails.
struct Output;

impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(elsewhere) = ELSEWHERE.get() {
            (elsewhere.line)(line);
        } else if io::stderr().write_all(line).is_err() {
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

/// Lines at `level`, whatever configurations say, go to somebody who shares the terminal with them. Said before [`start`].
pub fn divert(level: &'static str, line: impl Fn(&[u8]) + Send + Sync + 'static) {
    // Said once, so it is not set.
    let _ = ELSEWHERE.set(Elsewhere { line: Box::new(line), level });
}

/// Starts logging at `level` (`error` to `trace`); `SLUICE_LOG` (as in `info,plugin=debug`) wins. Where it has started, only the
/// level is another one.
pub fn start(level: &str) {
    if FILTER.get().is_some() {
        return set_level(level);
    }
    let (filter, handle) = reload::Layer::new(filter(level));
    // Looked at above, and only the main thread starts it.
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
    let level = ELSEWHERE.get().map_or(level, |elsewhere| elsewhere.level);
    // What hyper and h2 warn of is what clients do: some could fill a disk with it.
    let wanted = std::env::var("SLUICE_LOG").unwrap_or_else(|_| format!("{level},h2=error,hyper=error"));
    EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new("info"))
}
