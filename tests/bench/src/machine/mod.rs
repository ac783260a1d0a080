//! The machine: which cores there are and who gets them, whether it is quiet, the tools that must be there, and
//! (in `process`) programs that run on given cores, with what they use up.

mod cores;
mod process;
mod usage;

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

pub(crate) use cores::Cores;
pub(crate) use process::{Running, finish};

/// More of the machine's time than this, used by others, spoils figures.
const QUIET: f64 = 0.10;
const LOOK: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);

/// Descriptors that the idle connections need, on either side.
const DESCRIPTORS: u64 = 4096;

/// What must be there, and the package of Debian that has it.
const TOOLS: [(&str, &str); 5] = [
    ("nginx", "nginx"),
    ("wrk", "wrk"),
    ("h2load", "nghttp2-client"),
    ("taskset", "util-linux"),
    ("setpriv", "util-linux"),
];

/// Who runs where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placement {
    /// The proxy's core.
    pub(crate) proxy: usize,
    /// The origin's core; the load has it too if there are but two.
    pub(crate) origin: usize,
    /// The load's cores.
    pub(crate) load: Vec<usize>,
}

impl Placement {
    fn of(cores: &[usize]) -> Result<Self> {
        match *cores {
            [proxy, origin] => Ok(Self { proxy, origin, load: vec![origin] }),
            [proxy, origin, ref load @ ..] => Ok(Self { proxy, origin, load: load.to_vec() }),
            _ => bail!("two cores are needed, one for the proxy and one for origin and load; there is {}", cores.len()),
        }
    }

    /// The cores of a proxy with so many workers.
    pub(crate) fn workers(&self, count: usize) -> Vec<usize> {
        [self.proxy, self.origin][..count].to_vec()
    }

    /// Takes this process and what it starts to the load's cores, so that it is in nobody's way.
    pub(crate) fn step_aside(&self) -> Result<()> {
        let mut set = CpuSet::new();
        self.load.iter().for_each(|&core| set.set(core));
        sched_setaffinity(None, &set).context("cannot move to the load's cores")
    }
}

/// Looks at the machine: the cores that this process may use, and whether all tools are there.
pub(crate) fn look() -> Result<Placement> {
    let missing = TOOLS.iter().filter(|(tool, _)| find(tool).is_none());
    let missing: Vec<String> = missing.map(|(tool, package)| format!("{tool} (apt install {package})")).collect();
    if !missing.is_empty() {
        bail!("not installed: {}", missing.join(", "));
    }
    allow_descriptors()?;
    let set = sched_getaffinity(None).context("cannot see which cores there are")?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect();
    Placement::of(&cores)
}

/// A program of that name, as a shell would find it, or where Debian keeps servers.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Waits until nobody else uses the machine; gives up with the reason, or goes on with `force`.
pub(crate) fn wait_for_quiet(force: bool) -> Result<()> {
    let begin = Instant::now();
    loop {
        let before = Cores::now()?;
        sleep(LOOK);
        let busy = Cores::now()?.busy_since(&before);
        let mean = busy.iter().sum::<f64>() / busy.len().max(1) as f64;
        if mean <= QUIET || force {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            bail!(
                "the machine is busy: something else uses {:.0} % of it, for {} s now; wait, or measure with --force",
                mean * 100.0,
                PATIENCE.as_secs()
            );
        }
    }
}

/// In a word or two each: processor, cores, system.
pub(crate) fn description() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let information = read("/proc/cpuinfo");
    let model = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let cores = information.lines().filter(|line| line.starts_with("processor")).count();
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    format!("{cores} cores of {model}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}

fn allow_descriptors() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|maximum| maximum < DESCRIPTORS) {
        bail!("{DESCRIPTORS} open files are needed; the limit (ulimit -Hn) is lower");
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).context("cannot have more open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_has_a_core_of_its_own() {
        for (cores, expected) in
            [(&[0, 1][..], (0, 1, vec![1])), (&[2, 5, 6], (2, 5, vec![6])), (&[0, 1, 2, 3], (0, 1, vec![2, 3]))]
        {
            let placement = Placement::of(cores).unwrap();
            assert_eq!((placement.proxy, placement.origin, placement.load), expected);
        }
        assert!(Placement::of(&[0]).is_err());
    }
}
