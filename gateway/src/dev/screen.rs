//! Where an author looks: lines, one under the other, and on a terminal a table below them that is drawn anew. Log lines that go to
//! the same terminal stand among the others.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::observe::log;

/// A table that is too wide is cut, and not wrapped: its lines are counted.
const CUT: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// A copy shows to the same.
#[derive(Clone)]
pub struct Screen {
    inner: Arc<Mutex<Inner>>,
    /// Whether a table can be drawn, and whether log lines come to the same place.
    kinds: (bool, bool),
}

struct Inner {
    out: Box<dyn Write + Send>,
    table: String,
    last: String,
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

impl Screen {
    /// What is written to `out`, which may be a terminal, and that of log lines as well.
    pub fn new(out: impl Write + Send + 'static, is_terminal: bool, shows_log: bool) -> Self {
        let inner = Inner { out: Box::new(out), table: String::new(), last: String::new() };
        Self { inner: Arc::new(Mutex::new(inner)), kinds: (is_terminal, is_terminal && shows_log) }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.kinds.0
    }

    /// What is logged would stand in the table: it comes here, if it is a warning.
    pub(super) fn share_with_log(&self) {
        if self.kinds.1 {
            let screen = self.clone();
            log::divert("warn", move |line| screen.put(&String::from_utf8_lossy(line)));
        }
    }

    /// One more line, or several.
    pub(super) fn say(&self, text: &str) {
        if let Ok(mut inner) = self.inner.lock() {
            inner.last = text.lines().next().unwrap_or_default().to_owned();
        }
        self.put(&format!("{}\n", text.trim_end()));
    }

    fn put(&self, lines: &str) {
        self.write(|inner| format!("{}{lines}{}", erased(&inner.table), drawn(&inner.table)));
    }

    /// Another table, with what was said last below it.
    pub(super) fn show(&self, table: &str) {
        self.write(|inner| {
            let table = format!("{}\nlast: {}\n", table.trim_end(), inner.last);
            let text = format!("{}{}", erased(&inner.table), drawn(&table));
            inner.table = table;
            text
        });
    }

    fn write(&self, text: impl FnOnce(&mut Inner) -> String) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let text = text(&mut inner);
        // Nobody may look any more, and the gateway serves on.
        let _: io::Result<()> = inner.out.write_all(text.as_bytes()).and_then(|()| inner.out.flush());
    }
}

/// Up to where the table begins, and all below it gone.
fn erased(table: &str) -> String {
    match table.lines().count() {
        0 => String::new(),
        lines => format!("\x1b[{lines}F\x1b[J"),
    }
}

fn drawn(table: &str) -> String {
    if table.is_empty() { String::new() } else { format!("{CUT}{table}{WRAP}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_table_is_drawn_over_the_one_before_and_lines_stand_above_it() {
        let out = Shared::default();
        let written = || String::from_utf8(std::mem::take(&mut *out.0.lock().unwrap())).unwrap();
        let screen = Screen::new(out.clone(), true, false);
        screen.say("built");
        screen.show("a\nb\n");
        assert_eq!(written(), "built\n\x1b[?7la\nb\nlast: built\n\x1b[?7h");
        screen.say("test failed:\n  why\n");
        assert_eq!(written(), "\x1b[3F\x1b[Jtest failed:\n  why\n\x1b[?7la\nb\nlast: built\n\x1b[?7h");
        screen.show("c\n");
        assert_eq!(written(), "\x1b[3F\x1b[J\x1b[?7lc\nlast: test failed:\n\x1b[?7h");
    }
}
