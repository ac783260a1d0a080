//! Compilation in a child process of the same binary, with limits, and a cache of the results by content. A compiler that
//! runs out of memory, or runs for minutes, takes nobody along. Compiled code is loaded from the private cache only.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::component::Component;
use wasmtime::{Config, Engine, OptLevel};

use super::LoadError;
use super::guest_log::short;
use super::load::Digest;

/// The argument that makes the binary a compiler.
pub const COMMAND: &str = "__compile";
/// The option that makes the code count what it executes.
const METERED: &str = "--metered";

/// Address space of the child: a Python guest of 18 MB needs about half of it.
const MEMORY: u64 = 4 * 1024 * 1024 * 1024;
/// CPU time of the child, seconds.
const CPU_SECONDS: u64 = 120;
/// What the child gets in all, on a machine that has other things to do.
const WALL: Duration = Duration::from_secs(4 * CPU_SECONDS);
/// Between two looks at the child.
const LOOK: Duration = Duration::from_millis(2);
/// Bytes of the child's complaint.
const MOST_SAID: u64 = 4 * 1024;
/// Wasm stack of a guest, bytes.
const STACK: usize = 256 * 1024;

/// What the compiling child and the running gateway must agree on. `metered`: the code counts what it executes, and is slower.
pub(super) fn engine_config(metered: bool) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(metered)
        .max_wasm_stack(STACK)
        .wasm_backtrace_max_frames(None)
        .wasm_memory64(false)
        .cranelift_opt_level(OptLevel::Speed);
    config
}

/// Where compiled code comes from.
#[derive(Debug)]
pub struct Compiler {
    program: PathBuf,
    cache: PathBuf,
    pub(super) metered: bool,
    temporary: AtomicU64,
}

impl Compiler {
    /// `program` is this binary; `cache` is made if it is missing, and must belong to this user alone.
    pub fn new(program: PathBuf, cache: PathBuf) -> Result<Self, LoadError> {
        private_folder(&cache).map_err(|error| LoadError::Host(format!("{}: {error}", cache.display())))?;
        Ok(Self { program, cache, metered: false, temporary: AtomicU64::new(0) })
    }

    /// Where the compiled code is.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The same for code that counts what it executes: for authors, never for traffic.
    pub fn metered(self) -> Self {
        Self { metered: true, ..self }
    }

    /// The compiled component, from the cache or from the child.
    pub(super) fn component(&self, engine: &Engine, bytes: &[u8], digest: &Digest) -> Result<Component, LoadError> {
        let file = self.place(engine, digest);
        if let Some(component) = load(engine, &file) {
            return Ok(component);
        }
        self.compile(bytes, &file)?;
        load(engine, &file).ok_or_else(|| LoadError::Compile("the compiled code does not load".into()))
    }

    /// Where the compiled code of such a component is kept.
    pub(super) fn place(&self, engine: &Engine, digest: &Digest) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.cache.join(format!("{}-{:016x}", digest.hex(), hasher.finish()))
    }

    fn compile(&self, bytes: &[u8], file: &Path) -> Result<(), LoadError> {
        let failed = |error: std::io::Error| LoadError::Compile(format!("{}: {error}", self.program.display()));
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let fresh = file.with_extension(format!("{}.{number}", std::process::id()));
        let mut child = Command::new(&self.program)
            .arg(COMMAND)
            .arg(&fresh)
            .args(self.metered.then_some(METERED))
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (input, error) = (child.stdin.take(), child.stderr.take());
        let (status, said) = thread::scope(|scope| {
            // The child reads and writes as it likes; neither may hold up the look at the clock.
            let writing = scope.spawn(move || input.map(|mut input| input.write_all(bytes)));
            let reading = scope.spawn(move || {
                let mut said = Vec::new();
                let read = error.map(|error| error.take(MOST_SAID).read_to_end(&mut said));
                read.transpose().map(|_| said).unwrap_or_default()
            });
            let status = wait(&mut child);
            drop(writing.join());
            (status, reading.join().unwrap_or_default())
        });
        let status = status.map_err(failed)?;
        if status.success() {
            fs::rename(&fresh, file).map_err(failed)
        } else {
            // It may have been killed before it wrote anything.
            let _ = fs::remove_file(&fresh);
            let said = String::from_utf8_lossy(&said);
            Err(LoadError::Compile(match said.trim() {
                "" => format!("the compiler was stopped ({}): too much memory or time", status),
                reason => short(reason),
            }))
        }
    }
}

/// Waits for the child's end; one that outlives all bounds is killed.
fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if started.elapsed() > WALL {
            child.kill()?;
            return child.wait();
        }
        thread::sleep(LOOK);
    }
}

fn load(engine: &Engine, file: &Path) -> Option<Component> {
    if !file.exists() {
        return None;
    }
    // SAFETY: the file was written by our own child into a directory that only this user may write to
    // (`Compiler::new` checks that), and its name carries the engine's compatibility hash.
    unsafe { Component::deserialize_file(engine, file) }.ok()
}

/// Makes a folder that is this user's alone, or says that it is not: compiled code is run as it stands.
pub(super) fn private_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let about = fs::metadata(folder)?;
    let (owner, user) = (about.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(io::Error::other(format!("belongs to user {owner}, and this is user {user}: run it as its owner")));
    }
    match about.mode() & 0o022 {
        0 => Ok(()),
        _ => Err(io::Error::other("others may write there, so nothing in it can be trusted")),
    }
}

/// The child: compiles what comes in on standard input into `output`. The error is for the parent to read.
pub fn child(output: &Path, metered: bool) -> Result<(), String> {
    limit();
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let engine = Engine::new(&engine_config(metered)).map_err(|error| format!("{error:#}"))?;
    let compiled = engine.precompile_component(&bytes).map_err(|error| format!("{error:#}"))?;
    fs::write(output, compiled).map_err(|error| format!("{}: {error}", output.display()))
}

/// Bounds of this process, and a low priority: traffic goes first. Where the system refuses, it compiles without.
fn limit() {
    let most = |most| Rlimit { current: Some(most), maximum: Some(most) };
    let _ = setrlimit(Resource::As, most(MEMORY));
    let _ = setrlimit(Resource::Cpu, most(CPU_SECONDS));
    let _ = setrlimit(Resource::Core, most(0));
    let _ = rustix::process::setpriority_process(None, 10);
    // Nobody waits for the result of a gateway that is gone.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}
