//! The program itself: started as a child with a configuration of the test's, known by its log, stopped by a signal.
//! Dropping it asserts what is promised in every test: it is alive unless it was stopped, and nothing in it has
//! panicked.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::log::{Event, Log};
use super::{Configuration, eventually, guests};

/// A running gateway.
pub struct Gateway {
    /// Where the TLS listener listens.
    pub secure: SocketAddr,
    /// Where the plain listener listens.
    pub plain: SocketAddr,
    /// What it says.
    pub log: Log,
    child: Child,
    /// Shared with those that take over from it.
    folder: Arc<TempDir>,
    stopped: bool,
}

impl Gateway {
    /// Starts it, and waits until it listens.
    pub async fn start(configuration: &Configuration) -> Self {
        Self::start_by(configuration, |command| command).await
    }

    /// The same by another command, made of the usual one.
    pub async fn start_by(configuration: &Configuration, by: impl FnOnce(Command) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        configuration.write(folder.path());
        let command = by(command(folder.path()));
        Self::listening(command, Arc::new(folder)).await
    }

    /// Another one takes its place; waits until that one serves. This one ends by itself.
    pub async fn successor(&mut self) -> Self {
        self.successor_by(|command| command).await
    }

    /// The same by another command.
    pub async fn successor_by(&mut self, by: impl FnOnce(Command) -> Command) -> Self {
        let mut command = command(self.folder.path());
        command.arg("--take-over");
        let successor = Self::listening(by(command), self.folder.clone()).await;
        self.log.wait_for("draining", |_| true).await;
        self.stopped = true;
        successor
    }

    /// This one drains, and another one begins at once, by another command than the usual one, as a service that is
    /// restarted; neither knows of the other.
    pub async fn restarted_by(&mut self, by: impl FnOnce(Command) -> Command) -> Self {
        self.terminate();
        self.log.wait_for("draining", |_| true).await;
        Self::listening(by(command(self.folder.path())), self.folder.clone()).await
    }

    /// Another one that must not come up: what it said.
    pub fn refused_successor(&self) -> Output {
        command(self.folder.path()).arg("--take-over").output().unwrap()
    }

    /// Starts it by another command, and does not wait: nobody knows yet where it listens.
    pub fn begin_by(configuration: &Configuration, by: impl FnOnce(Command) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        configuration.write(folder.path());
        let command = by(command(folder.path()));
        Self::begin(command, Arc::new(folder))
    }

    fn begin(mut command: Command, folder: Arc<TempDir>) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::read(child.stderr.take().unwrap());
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { secure: nowhere, plain: nowhere, log, child, folder, stopped: false }
    }

    async fn listening(command: Command, folder: Arc<TempDir>) -> Self {
        let mut gateway = Self::begin(command, folder);
        for listener in [0, 1] {
            let event = gateway.log.wait_for("listening", |event| event.0["listener"] == listener).await;
            let address = event.text("address").parse().unwrap();
            *(if listener == 0 { &mut gateway.secure } else { &mut gateway.plain }) = address;
        }
        gateway.log.wait_for("ready", |_| true).await;
        gateway
    }

    /// Starts one that must not come up, and gives what it said.
    pub fn refuse(configuration: &Configuration) -> Output {
        let folder = tempfile::tempdir().unwrap();
        configuration.write(folder.path());
        command(folder.path()).output().unwrap()
    }

    /// Only checks a configuration.
    pub fn check(configuration: &Configuration) -> Output {
        let folder = tempfile::tempdir().unwrap();
        configuration.write(folder.path());
        Self::check_in(folder.path())
    }

    /// The same for a folder with a `sluice.toml`.
    pub fn check_in(folder: &Path) -> Output {
        command_of("check", folder).output().unwrap()
    }

    /// The folder of the configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file of a plugin.
    pub fn file(&self, plugin: &str) -> PathBuf {
        self.folder.path().join(format!("{plugin}.wasm"))
    }

    /// Saves a plugin's file.
    pub fn save(&self, plugin: &str, content: &[u8]) {
        self.put(&format!("{plugin}.wasm"), content);
    }

    /// Saves a file as a good tool does: written aside, then renamed over the old one.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let aside = self.folder.path().join(format!(".{name}.new"));
        fs::write(&aside, content).unwrap();
        fs::rename(&aside, self.folder.path().join(name)).unwrap();
    }

    /// Asks it to look at its files, as an operator does.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// It is about to end by itself, as it should.
    pub fn may_end(&mut self) {
        self.stopped = true;
    }

    /// Saves another configuration and waits until it is served. Gives the event.
    pub async fn reload(&self, configuration: &str) -> Event {
        let before = self.log.filter("reload", |_| true).len();
        self.put("sluice.toml", configuration);
        self.hang_up();
        self.log.wait_for_all("reload", before + 1, |_| true).await.remove(before)
    }

    /// Saves another configuration and gives what is said against it.
    pub async fn refused_reload(&self, configuration: &str) -> Vec<Event> {
        let before = self.log.filter("reload refused", |_| true).len();
        self.put("sluice.toml", configuration);
        self.hang_up();
        self.log.wait_for_all("reload refused", before + 1, |_| true).await.split_off(before)
    }

    /// Saves a plugin's file and waits until each of those uses has switched.
    pub async fn swap(&self, plugin: &str, content: &[u8], uses: &[&str]) {
        let before: Vec<usize> = uses.iter().map(|name| self.swaps(name).len()).collect();
        self.save(plugin, content);
        for (name, before) in uses.iter().zip(before) {
            let swaps = self.log.wait_for_all("swap", before + 1, |event| event.text("use") == *name).await;
            assert_eq!(swaps[before].text("new"), guests::digest(content), "{name} switched to something else");
        }
    }

    /// The swaps of a use so far.
    pub fn swaps(&self, name: &str) -> Vec<Event> {
        self.log.filter("swap", |event| event.text("use") == name)
    }

    /// Saves a plugin's file and gives the reason why it is refused.
    pub async fn refused_swap(&self, plugin: &str, content: &[u8]) -> String {
        let about = |event: &Event| event.text("plugin") == plugin;
        let before = self.log.filter("swap refused", about).len();
        self.save(plugin, content);
        self.log.wait_for_all("swap refused", before + 1, about).await[before].text("reason").to_owned()
    }

    /// The access lines of that many exchanges; more may have come.
    pub async fn exchanges(&self, count: usize) -> Vec<Event> {
        self.log.wait_for_all("exchange", count, |_| true).await
    }

    /// The access line of the exchange with that path.
    pub async fn exchange(&self, path: &str) -> Event {
        self.log.wait_for("exchange", |event| event.text("path") == path).await
    }

    /// The line that says how a plugin of that use failed.
    pub async fn failure(&self, name: &str, hook: &str) -> Event {
        self.log.wait_for("plugin failed", |event| event.text("use") == name && event.text("hook") == hook).await
    }

    /// Asks it to stop, as a supervisor does.
    pub fn terminate(&mut self) {
        self.stopped = true;
        self.signal(Signal::TERM);
    }

    /// Waits until it has stopped.
    pub async fn ended(&mut self) -> ExitStatus {
        assert!(self.stopped, "nobody asked it to stop");
        eventually("the end of the gateway", async || self.child.try_wait().unwrap()).await
    }

    /// Starts it where it gets only so many descriptors.
    pub async fn start_with_descriptors(configuration: &Configuration, descriptors: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        configuration.write(folder.path());
        let sluice = command(folder.path());
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!("ulimit -n {descriptors} && exec \"$0\" \"$@\""))
            .arg(sluice.get_program())
            .args(sluice.get_args());
        shell.env_remove("SLUICE_LOG").env("RUST_BACKTRACE", "1").stdin(Stdio::null());
        Self::listening(shell, Arc::new(folder)).await
    }

    /// From now on it gets no more descriptors than it has, and so many.
    #[cfg(target_os = "linux")]
    pub fn leave_descriptors(&self, more: u64) {
        use rustix::process::{Resource, Rlimit, prlimit};
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count() as u64;
        let limit = Rlimit { current: Some(open + more), maximum: Some(open + more) };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap();
    }

    /// What it has spent on processors, where the system tells.
    pub fn processor_time(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // Behind the name in parentheses: utime and stime are the 12th and 13th, in hundredths of a second.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11).map(|field| field.parse::<u64>().unwrap());
        Some(Duration::from_millis(10 * (fields.next()? + fields.next()?)))
    }

    /// Resident memory in bytes, where the system tells.
    pub fn resident(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().unwrap() * 1024)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let early = self.child.try_wait().unwrap().filter(|_| !self.stopped);
        // It may have ended by itself; there is nothing to do then.
        let _ = self.child.kill();
        self.child.wait().unwrap();
        self.log.finish();
        if std::thread::panicking() {
            eprintln!("the gateway's last lines:\n{}", self.log.tail());
            return;
        }
        assert_eq!(early, None, "the gateway ended by itself:\n{}", self.log.tail());
        assert_eq!(self.log.panics(), Vec::<String>::new());
    }
}

/// `sluice run` with the configuration in that folder. Compiled plugins are kept from run to run, beside the program.
fn command(folder: &Path) -> Command {
    command_of("run", folder)
}

fn command_of(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args([name, "--config"]).arg(folder.join("sluice.toml"));
    command.arg("--state-dir").arg(guests::target().join("sluice-state"));
    command.env_remove("SLUICE_LOG").env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command
}
