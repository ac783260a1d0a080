//! How far it is, for who waits at a terminal: a bar that appears when it takes longer.

use std::time::{Duration, Instant};

/// What is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_millis(500);
/// Its length in characters.
const WIDTH: usize = 40;

/// A bar of progress.
#[derive(Debug)]
pub struct Bar {
    is_wanted: bool,
    began: Instant,
    /// What it shows, percent; none: it is not there yet.
    shows: Option<u32>,
}

impl Bar {
    /// From now on, if anybody looks.
    pub fn begin(is_wanted: bool) -> Self {
        Self { is_wanted, began: Instant::now(), shows: None }
    }

    /// So great a part is over: what to print for that, if it is something else than before.
    pub fn at(&mut self, part: f64) -> Option<String> {
        let percent = (part * 100.0) as u32;
        if !self.is_wanted || self.shows == Some(percent) || self.began.elapsed() < PATIENCE {
            return None;
        }
        self.shows = Some(percent);
        let done = WIDTH * percent.min(100) as usize / 100;
        Some(format!("\r[{}{}] {percent:3} %", "#".repeat(done), " ".repeat(WIDTH - done)))
    }

    /// What to print so that nothing of it stays.
    pub fn end(&self) -> &'static str {
        if self.shows.is_some() { "\r\x1b[K" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_appears_when_it_takes_longer_and_says_each_percent_once() {
        let mut quick = Bar::begin(true);
        assert_eq!((quick.at(0.5), quick.end()), (None, ""));
        let began = Instant::now().checked_sub(PATIENCE).unwrap();
        let mut bar = Bar { is_wanted: true, began, shows: None };
        let half = format!("\r[{}{}]  50 %", "#".repeat(20), " ".repeat(20));
        assert_eq!((bar.at(0.501), bar.at(0.509), bar.end()), (Some(half), None, "\r\x1b[K"));
        let mut unseen = Bar { is_wanted: false, began, shows: None };
        assert_eq!((unseen.at(0.5), unseen.end()), (None, ""));
    }
}
