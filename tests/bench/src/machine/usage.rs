//! CPU time and memory of a process and all that descend from it, from `/proc/PID/stat`.

use std::fs;
use std::ops::Sub;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::param::{clock_ticks_per_second, page_size};

/// What a family of processes has used up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// Bytes of memory; pages that two processes share count twice.
    pub(crate) resident: u64,
}

/// The part of `/proc/PID/stat` that matters. CPU times are in ticks, of all threads, and of children that have ended.
#[derive(Debug, Clone, PartialEq)]
struct Process {
    pid: u32,
    parent: u32,
    user: u64,
    system: u64,
    pages: u64,
}

impl Usage {
    /// Of that process and its descendants.
    pub(crate) fn of(root: u32) -> Result<Self> {
        let mut all = Vec::new();
        for entry in fs::read_dir("/proc").context("cannot read /proc")?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(|first: char| first.is_ascii_digit()) {
                // A process may end while it is looked at.
                all.extend(fs::read_to_string(entry.path().join("stat")).ok().and_then(|text| parse(&text)));
            }
        }
        let family = family(root, &all);
        let ticks = |count: u64| Duration::from_secs_f64(count as f64 / clock_ticks_per_second() as f64);
        Ok(Self {
            user: ticks(family.iter().map(|process| process.user).sum()),
            system: ticks(family.iter().map(|process| process.system).sum()),
            resident: family.iter().map(|process| process.pages).sum::<u64>() * page_size() as u64,
        })
    }
}

impl Sub for Usage {
    type Output = Self;

    /// The time between two looks; memory is as the later one saw it.
    fn sub(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            resident: self.resident,
        }
    }
}

fn parse(text: &str) -> Option<Process> {
    // The name of a program stands in parentheses, and may have some itself.
    let (begin, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Numbered as in proc(5), where `state`, the first behind the name, is 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Process {
        pid: begin.split_whitespace().next()?.parse().ok()?,
        parent: field(4)? as u32,
        user: field(14)? + field(16)?,
        system: field(15)? + field(17)?,
        pages: field(24)?,
    })
}

fn family(root: u32, all: &[Process]) -> Vec<&Process> {
    let mut family: Vec<&Process> = all.iter().filter(|process| process.pid == root).collect();
    let mut looked_at = 0;
    while let Some(parent) = family.get(looked_at).map(|process| process.pid) {
        family.extend(all.iter().filter(|process| process.parent == parent));
        looked_at += 1;
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32) -> Process {
        Process { pid, parent, user: 0, system: 0, pages: 0 }
    }

    #[test]
    fn a_name_may_have_anything_in_it() {
        let line = "77 (a) b (c) S 12 77 77 0 -1 4194560 1 2 3 4 500 60 7 8 20 0 3 0 999 123456 321 18446744073709551615 1 1\n";
        assert_eq!(parse(line), Some(Process { pid: 77, parent: 12, user: 507, system: 68, pages: 321 }));
    }

    #[test]
    fn something_else_is_not_taken_for_a_process() {
        for text in ["", "77 (a", "77 (a) S 1", "x (a) S 12 77 77 0 -1 4 1 2 3 4 500 60 7 8 20 0 3 0 999 1 2 3 4"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn grandchildren_belong_to_the_family_and_neighbours_do_not() {
        let all = [process(1, 0), process(5, 1), process(9, 7), process(7, 5), process(8, 1)];
        let pids: Vec<u32> = family(5, &all).iter().map(|process| process.pid).collect();
        assert_eq!(pids, [5, 7, 9]);
        assert!(family(4, &all).is_empty());
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident > 100_000, "{usage:?}");
    }
}
