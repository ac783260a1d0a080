//! Lines that come from guests, by the contract's `log` or by what they print: bounded in number and length, control
//! characters escaped, so that a plugin can neither flood nor forge the log.

use std::time::{Duration, Instant};

use tracing::Level;

/// Lines of one instance in a second.
const MOST_LINES: u32 = 100;
/// Bytes of one line.
const LONGEST: usize = 1024;

/// True if the log takes lines of that level from plugins.
pub(super) fn enabled(level: Level) -> bool {
    match level {
        Level::TRACE => tracing::enabled!(target: "guest", Level::TRACE),
        Level::DEBUG => tracing::enabled!(target: "guest", Level::DEBUG),
        Level::INFO => tracing::enabled!(target: "guest", Level::INFO),
        Level::WARN => tracing::enabled!(target: "guest", Level::WARN),
        Level::ERROR => tracing::enabled!(target: "guest", Level::ERROR),
    }
}

/// The lines of one instance.
#[derive(Debug)]
pub(super) struct Lines {
    since: Instant,
    written: u32,
    left_out: u64,
    /// Printed, and not yet ended by a line feed.
    partial: Vec<u8>,
    /// Nobody has asked it anything in earnest.
    trial: bool,
}

impl Lines {
    /// Those of an instance on trial are for its author: they come at level `debug` at most.
    pub(super) fn new(trial: bool) -> Self {
        Self { since: Instant::now(), written: 0, left_out: 0, partial: Vec::new(), trial }
    }

    /// Writes one line.
    pub(super) fn write(&mut self, use_name: &str, level: Level, message: &str) {
        let level = if self.trial { level.max(Level::DEBUG) } else { level };
        if !enabled(level) || !self.may_write(use_name) {
            return;
        }
        let message = short(message);
        match level {
            Level::TRACE => tracing::trace!(target: "guest", r#use = use_name, "{message}"),
            Level::DEBUG => tracing::debug!(target: "guest", r#use = use_name, "{message}"),
            Level::INFO => tracing::info!(target: "guest", r#use = use_name, "{message}"),
            Level::WARN => tracing::warn!(target: "guest", r#use = use_name, "{message}"),
            Level::ERROR => tracing::error!(target: "guest", r#use = use_name, "{message}"),
        }
    }

    /// Takes what a guest prints; a line feed or too many bytes end a line.
    pub(super) fn print(&mut self, use_name: &str, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let room = LONGEST.saturating_sub(self.partial.len());
            let take = piece.strip_suffix(b"\n").unwrap_or(piece);
            self.partial.extend(take.iter().take(room));
            if piece.ends_with(b"\n") {
                self.flush(use_name);
            }
        }
    }

    /// Ends a line that was printed without line feed.
    pub(super) fn flush(&mut self, use_name: &str) {
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            self.write(use_name, Level::INFO, &String::from_utf8_lossy(&line));
        }
    }

    fn may_write(&mut self, use_name: &str) -> bool {
        if self.written >= MOST_LINES {
            if self.since.elapsed() < Duration::from_secs(1) {
                self.left_out += 1;
                return false;
            }
            let left_out = std::mem::take(&mut self.left_out);
            if left_out > 0 {
                tracing::warn!(target: "guest", r#use = use_name, left_out, "too many lines");
            }
            self.since = Instant::now();
            self.written = 0;
        }
        self.written += 1;
        true
    }
}

/// What a plugin says, or makes the engine say, as part of a line: escaped, and no longer than a line of its own may be.
pub(super) fn short(message: &str) -> String {
    let (message, _) = message.split_at(message.floor_char_boundary(LONGEST));
    escape(message)
}

/// Control characters, ANSI escapes and line separators among them, as `\u{1b}`.
pub(super) fn escape(message: &str) -> String {
    let mut escaped = String::with_capacity(message.len());
    for c in message.chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}
