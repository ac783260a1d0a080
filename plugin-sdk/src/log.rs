//! Log lines. The host adds the use and its plugin, escapes control characters, and writes at most 100 lines a second of a
//! use on each worker, 1 KiB each; what is left out is counted. A line that would not be written is not made.

use crate::host;
use std::fmt::Arguments;

pub use crate::bindings::imports::sluice::plugin::log::Level;

/// True if a line of that level would be written, at the cost of one host call.
pub fn enabled(level: Level) -> bool {
    host::log::enabled(level)
}

/// Writes a line, if one of that level is wanted. The macros [`info!`](crate::info) and its like call this.
pub fn write(level: Level, message: Arguments<'_>) {
    if enabled(level) {
        match message.as_str() {
            Some(text) => host::log::write(level, text),
            None => host::log::write(level, &message.to_string()),
        }
    }
}

/// Writes a log line for who follows every step, formatted like `format!`.
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Trace, format_args!($($message)+)) };
}

/// Writes a log line for who looks for a fault, formatted like `format!`.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Debug, format_args!($($message)+)) };
}

/// Writes a log line that an operator wants to see, formatted like `format!`.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Info, format_args!($($message)+)) };
}

/// Writes a log line about something that speaks against how things are, formatted like `format!`.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Warn, format_args!($($message)+)) };
}

/// Writes a log line about something that failed, formatted like `format!`.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Error, format_args!($($message)+)) };
}
