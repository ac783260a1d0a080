//! Programs on given cores: those that serve, until they are dropped, and those that come to an end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::usage::Usage;

/// How long a program gets to end when it is asked to.
const FAREWELL: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(10);

/// A program that serves.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it on those cores; what it says goes to a file in that folder. It ends with the bench, however that ends.
    pub(crate) fn start(command: &Command, cores: &[usize], folder: &Path) -> Result<Self> {
        let log = folder.join("log");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut pinned = pinned(command, cores);
        pinned.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = pinned.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child, log })
    }

    /// Its last words, if it has ended.
    pub(crate) fn last_words(&mut self) -> Result<Option<String>> {
        Ok(self.child.try_wait()?.map(|status| format!("it has ended ({status}): {}", self.tail())))
    }

    /// The end of what it has said, in one line.
    pub(crate) fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match lines[lines.len().saturating_sub(4)..].join(" | ") {
            nothing if nothing.is_empty() => "it said nothing".to_owned(),
            said => said,
        }
    }

    /// What it and its children have used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself. A server that forks must end its own: so it is asked first.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < FAREWELL {
            sleep(TICK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a tool on those cores to its end, and gives what it printed. One that takes longer than it may has failed.
pub(crate) fn finish(command: &Command, cores: &[usize], limit: Duration) -> Result<String> {
    let name = command.get_program().display().to_string();
    let mut pinned = pinned(command, cores);
    pinned.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pinned.spawn().with_context(|| format!("cannot start {name}"))?;
    let begin = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if begin.elapsed() > limit => {
                child.kill()?;
                child.wait()?;
                bail!("{name} was not done after {} s: answers are missing", limit.as_secs());
            }
            None => sleep(TICK),
        }
    };
    // Both fit a pipe: these tools print a page.
    let (mut printed, mut said) = (String::new(), String::new());
    child.stdout.take().context("a pipe was asked for")?.read_to_string(&mut printed)?;
    child.stderr.take().context("a pipe was asked for")?.read_to_string(&mut said)?;
    if !status.success() {
        bail!("{name} failed ({status}): {} {}", printed.trim(), said.trim());
    }
    Ok(printed)
}

/// The same command on those cores, ended when the bench is.
fn pinned(command: &Command, cores: &[usize]) -> Command {
    let list = cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let mut pinned = Command::new("setpriv");
    pinned.args(["--pdeathsig", "TERM", "taskset", "--cpu-list", &list]);
    pinned.arg(command.get_program()).args(command.get_args());
    let set = |(name, value): (_, Option<_>)| Some((OsString::from(name), OsString::from(value?)));
    pinned.envs(command.get_envs().filter_map(set));
    if let Some(folder) = command.get_current_dir() {
        pinned.current_dir(folder);
    }
    pinned
}
