//! A version in the making: built where there is a project, tested by its scenarios, and known by its bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::Screen;
use crate::author::build::build;
use crate::author::kit::{Test, test};
use crate::author::{Workshop, component};
use crate::plugin::Digest;

/// Exchanges that have to stay within time and memory: fewer than before a release, since somebody waits.
const CALLS: u64 = 20_000;

/// Makes versions.
#[derive(Debug, Clone)]
pub(super) struct Maker {
    workshop: Arc<Workshop>,
    file: PathBuf,
    folder: Option<PathBuf>,
    tests: bool,
}

impl Maker {
    pub(super) fn new(workshop: Workshop, file: PathBuf, folder: Option<PathBuf>, tests: bool) -> Self {
        Self { workshop: Arc::new(workshop), file, folder, tests }
    }

    /// The component, if all is good with it; else why it is not is said.
    pub(super) fn make(&self, scenarios: &[PathBuf], screen: &Screen) -> Option<Vec<u8>> {
        if let Some(folder) = &self.folder {
            let began = Instant::now();
            screen.say(&format!("building {}", folder.display()));
            if let Err(error) = build(folder) {
                screen.say(&format!("build failed: {error}"));
                return None;
            }
            screen.say(&format!("built in {:.1} s", began.elapsed().as_secs_f64()));
        }
        let read = || component(&self.file.to_string_lossy());
        let version = read().map_err(|error| screen.say(&format!("no component: {error}"))).ok()?;
        if !self.tests {
            return Some(version);
        }
        let of_none = [None];
        let of_each: Vec<Option<&Path>> = scenarios.iter().map(|file| Some(&**file)).collect();
        let all = if scenarios.is_empty() { &of_none[..] } else { &of_each };
        let good = all.iter().all(|scenario| self.keeps(*scenario, &version, screen));
        good.then_some(version)
    }

    /// Whether that version keeps a scenario, or without one what every plugin must keep.
    fn keeps(&self, scenario: Option<&Path>, version: &[u8], screen: &Screen) -> bool {
        let began = Instant::now();
        let asked = Test {
            plugin: self.file.to_string_lossy().into_owned(),
            config: None,
            scenario: scenario.map(Path::to_owned),
            seed: None,
            calls: CALLS,
        };
        let named =
            scenario.map_or("no scenario".into(), |file| file.file_name().unwrap_or_default().to_string_lossy());
        match test(&self.workshop, &asked) {
            // It was written over meanwhile, and is about to be looked at again.
            Ok(report) if report.sha256 != Digest::of(version).hex() => false,
            Ok(report) if report.passed => {
                let took = began.elapsed().as_secs_f64();
                screen.say(&format!("test passed: {named}: {} checks in {took:.1} s", report.checks.len()));
                true
            }
            Ok(report) => {
                let seed = report.seed;
                let broken = report.checks.iter().filter(|check| !check.passed);
                let told = broken.map(|check| {
                    let event = check.event.map_or(String::new(), |event| format!("event {event}: "));
                    format!("\n  {}: {event}{} (seed {seed})", check.name, check.found)
                });
                screen.say(&format!("test failed: {named}:{}", told.collect::<String>()));
                false
            }
            Err(error) => {
                screen.say(&format!("test failed: {named}: {error}"));
                false
            }
        }
    }
}
