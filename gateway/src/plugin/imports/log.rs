//! `sluice:plugin/log`: a plugin's lines in the gateway's log, bounded and escaped.

use wasmtime::Result;

use crate::plugin::bindings::sluice::plugin::log::{Host, Level};
use crate::plugin::context::Context;
use crate::plugin::guest_log;

impl Host for Context {
    fn enabled(&mut self, level: Level) -> Result<bool> {
        Ok(guest_log::enabled(severity(level)))
    }

    fn write(&mut self, level: Level, message: String) -> Result<()> {
        let owner = &self.owner;
        self.wasi.lines.write(&owner.name, severity(level), &message);
        Ok(())
    }
}

fn severity(level: Level) -> tracing::Level {
    match level {
        Level::Trace => tracing::Level::TRACE,
        Level::Debug => tracing::Level::DEBUG,
        Level::Info => tracing::Level::INFO,
        Level::Warn => tracing::Level::WARN,
        Level::Error => tracing::Level::ERROR,
    }
}
