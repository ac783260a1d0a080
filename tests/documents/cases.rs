//! The table of cases in docs/reliability.md: each has a row, and the tests that it names are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::guests::workspace;

const CASES: [&str; 49] = [
    "A1", "A2", "A3", "A5", "A6", "A7", "A8", "A9", "A10", "A12", "A15", "B1", "B2", "B3", "B5", "B6", "B7", "B8",
    "B10", "B11", "C1", "C2", "C3", "C4", "D1", "D2", "D4", "E1", "E2", "E3", "E4", "E5", "E7", "E8", "F1", "F2", "F3",
    "F4", "F5", "F7", "F10", "F11", "F12", "G3", "G4", "G5", "G6", "G7", "G8",
];

/// The tests in a file of Rust, by name.
fn tests(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let attributed = text.split("\n").scan(false, |is_test, line| {
        let line = line.trim();
        let name = line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
        let found = name.filter(|_| *is_test).map(str::to_owned);
        *is_test = line == "#[test]" || line.starts_with("#[tokio::test") || *is_test && name.is_none();
        Some(found)
    });
    attributed.flatten().collect()
}

/// Where a test stands: `file::test` below tests/, `room::file::test` below gateway/src/.
fn place(path: &str) -> Option<PathBuf> {
    let candidates = ["tests", "gateway/src"].map(|root| workspace().join(root).join(format!("{path}.rs")));
    candidates.into_iter().find(|file| file.exists())
}

#[test]
fn every_case_has_a_row_and_its_tests_exist() {
    let text = fs::read_to_string(workspace().join("docs/reliability.md")).unwrap();
    let (_, section) = text.split_once("\n## The cases\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<Vec<&str>> =
        section.lines().filter(|line| line.starts_with("| ")).skip(1).map(|row| row.split(" | ").collect()).collect();
    let ids: Vec<&str> = rows.iter().map(|row| row[0].trim_start_matches("| ")).collect();
    assert_eq!(ids, CASES);
    for row in rows {
        let named: Vec<&str> = row[2].split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect();
        assert!(!named.is_empty(), "{} is held by nothing", row[0]);
        for name in named {
            let (path, test) = name.rsplit_once("::").unwrap();
            let file = place(&path.replace("::", "/")).unwrap_or_else(|| panic!("{name}: no such file"));
            assert!(tests(&file).contains(test), "{}: no test {test}", file.display());
        }
    }
}
