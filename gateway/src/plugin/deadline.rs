//! How long a call may take: CPU time of its thread, with a wall stop. The engine's epoch interrupts a guest about once a
//! millisecond and asks the [`Budget`] whether it may go on; a call that is over sooner pays one load for all of this.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rustix::thread::ClockId;
use rustix::time::clock_gettime;
use wasmtime::{Engine, UpdateDeadline};

/// A call that makes slow progress stops here: others wait behind it. One that has hardly begun goes on, since it is over
/// as soon as its thread gets to run, and to stop it would help nobody.
const WALL_STOP: Duration = Duration::from_millis(50);

/// Between two looks at a running guest.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a guest before the ticker rests.
const IDLE_TICKS: u32 = 100;

/// Why a guest was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It used up its CPU time: its own fault.
    CpuTime(Duration),
    /// Its thread did not get to run: not its fault.
    Wall(Duration),
}

/// What one call may use. Counting starts at the first look, at most a tick after the call began: reading the thread's
/// clock is a system call, and nearly every call is over before.
#[derive(Debug, Default)]
pub(super) struct Budget {
    cpu: Duration,
    started: Option<(Duration, Instant)>,
    pub(super) stopped: Option<Stop>,
    /// Looks since they were last counted.
    looks: u32,
}

impl Budget {
    /// For a call that begins now.
    pub(super) fn begin(&mut self, cpu: Duration) {
        self.cpu = cpu;
        self.started = None;
        self.stopped = None;
    }

    /// How often the epoch has met the guest at work since this was last asked: about once a millisecond of work.
    pub(super) fn take_looks(&mut self) -> u32 {
        std::mem::take(&mut self.looks)
    }

    /// CPU time of the call since the first look at it; none if it was over before.
    pub(super) fn spent(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |(cpu, _)| thread_time().saturating_sub(cpu))
    }

    /// The engine's question, about once a millisecond.
    pub(super) fn look(&mut self) -> UpdateDeadline {
        self.looks += 1;
        let (cpu, wall) = (thread_time(), Instant::now());
        let (cpu_start, wall_start) = *self.started.get_or_insert((cpu, wall));
        // Calls with a longer deadline than usual get a later wall stop as well.
        let wall_stop = WALL_STOP.max(self.cpu * 4);
        let used = cpu.saturating_sub(cpu_start);
        if used >= self.cpu {
            self.stopped = Some(Stop::CpuTime(self.cpu));
        } else if wall.duration_since(wall_start) >= wall_stop && used >= self.cpu / 5 {
            self.stopped = Some(Stop::Wall(wall_stop));
        }
        match self.stopped {
            Some(_) => UpdateDeadline::Interrupt,
            None => UpdateDeadline::Continue(1),
        }
    }
}

/// CPU time of the calling thread. A system call.
pub(super) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The thread that advances the engine's epoch, and rests when no guest has run for a while.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    /// A guest ran since the last tick.
    running: AtomicBool,
    resting: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    /// Starts the thread; it ends when the ticker is dropped.
    pub(super) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            running: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let body = {
            let shared = shared.clone();
            move || shared.tick(&engine)
        };
        let handle = thread::Builder::new().name("sluice-epoch".into()).spawn(body)?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Says that a guest runs. One load, unless the ticker has looked since.
    pub(super) fn mark(&self) {
        if self.shared.running.load(Ordering::Relaxed) {
            return;
        }
        // Pairs with `tick`: either it sees this mark before it rests, or this sees that it rests.
        self.shared.running.store(true, Ordering::SeqCst);
        if self.shared.resting.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Shared {
    fn tick(&self, engine: &Engine) {
        let mut idle = 0;
        while !self.stop.load(Ordering::Relaxed) {
            thread::sleep(TICK);
            engine.increment_epoch();
            idle = if self.running.swap(false, Ordering::Relaxed) { 0 } else { idle + 1 };
            if idle >= IDLE_TICKS {
                self.rest();
                idle = 0;
            }
        }
    }

    fn rest(&self) {
        self.resting.store(true, Ordering::SeqCst);
        while !self.running.load(Ordering::SeqCst) && !self.stop.load(Ordering::SeqCst) {
            thread::park();
        }
        self.resting.store(false, Ordering::SeqCst);
    }
}
