//! One instance of a plugin: a store of its own, the hooks that it exports, and the one way into it. A call that fails
//! poisons the store, so whoever owns the instance drops it then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Store, Trap};

use super::bindings::exports::sluice::plugin as exports;
use super::context::{Context, Phase, Wishes};
use super::deadline::{Stop, TICK, Ticker};
use super::guest_log::short;
use super::uses::Use;
use super::{Failure, Issue, LoadError, Plugin};
use crate::endpoint::Members;

/// CPU time for making an instance and configuring it.
const CONFIGURE: Duration = Duration::from_millis(500);
/// CPU time for taking in a new set of endpoints.
const SET_ENDPOINTS: Duration = Duration::from_millis(50);
/// Mistakes in a configuration that are told at once.
const MOST_ISSUES: usize = 32;
/// Handles that a guest may hold.
const MOST_HANDLES: usize = 64;

/// What an instance has done since it was made; instructions and calls in metered code only.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Meters {
    /// In units of the engine's fuel: one for most instructions.
    pub instructions: u64,
    /// Calls of the contract's imports.
    pub host_calls: u64,
    /// How often its memory was made larger, and by how many bytes: in other code too.
    pub grown: (u64, usize),
}

/// The exports of one instance.
pub(super) struct Guests {
    pub(super) lifecycle: exports::lifecycle::Guest,
    pub(super) routing: Option<exports::routing::Guest>,
    pub(super) selection: Option<exports::selection::Guest>,
    pub(super) response: Option<exports::response::Guest>,
    pub(super) feedback: Option<exports::feedback::Guest>,
    pub(super) timer: Option<exports::timer::Guest>,
    pub(super) state: Option<exports::state::Guest>,
}

/// One instance.
pub(super) struct Instance {
    pub(super) store: Store<Context>,
    pub(super) guests: Guests,
    ticker: Arc<Ticker>,
    /// Bytes of memory from which on it is worn.
    worn_at: usize,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("use", &self.store.data().use_name()).finish_non_exhaustive()
    }
}

impl Instance {
    /// Makes an instance, configures it, and tells it of its endpoints.
    pub(super) fn start(plugin: &Plugin, owner: &Arc<Use>, slot: usize, trial: bool) -> Result<Self, LoadError> {
        let mut instance = Self::bare(plugin, owner, slot, trial)?;
        let config = &owner.config;
        let configured = instance
            .call(Phase::Configuring, CONFIGURE, |guests, store| guests.lifecycle.call_configure(store, config));
        match configured {
            Ok(Ok(())) => {}
            Ok(Err(issues)) => {
                let issue =
                    |issue: exports::lifecycle::Issue| Issue { at: short(&issue.at), message: short(&issue.message) };
                return Err(LoadError::Configure(issues.into_iter().take(MOST_ISSUES).map(issue).collect()));
            }
            Err(failure) => return Err(LoadError::Failed("configure", failure)),
        }
        if let Some(upstream) = &owner.upstream {
            let known = instance.know(&upstream.set.snapshot());
            known.map_err(|failure| LoadError::Failed("set-endpoints", failure))?;
        }
        // What this took is nobody's share of a worker.
        instance.take_looks();
        instance.begin_to_wear();
        Ok(instance)
    }

    /// From here on three quarters of the memory that it may still take make it worn.
    pub(super) fn begin_to_wear(&mut self) {
        let (used, most) = (self.memory(), self.store.data().owner.limits.memory);
        self.worn_at = used + most.saturating_sub(used) / 4 * 3;
    }

    /// Makes an instance that has not been configured.
    pub(super) fn bare(plugin: &Plugin, owner: &Arc<Use>, slot: usize, trial: bool) -> Result<Self, LoadError> {
        let context = Context::new(owner.clone(), slot, trial);
        let mut store = Store::new(plugin.pre.engine(), context);
        store.limiter(|context| &mut context.limits);
        store.set_hostcall_fuel(owner.limits.host_call);
        store.set_max_component_handles(MOST_HANDLES);
        let ticker = plugin.ticker.clone();
        store.epoch_deadline_callback({
            let ticker = ticker.clone();
            move |mut store| {
                ticker.mark();
                Ok(store.data_mut().budget.look())
            }
        });
        if plugin.metered {
            // Without fuel it would not run; with all there is it never ends.
            store.set_fuel(u64::MAX).map_err(|error| LoadError::Host(format!("{error:#}")))?;
        }
        store.data_mut().budget.begin(CONFIGURE);
        store.set_epoch_deadline(1);
        ticker.mark();
        // What a start function does is a call as well. The store is dropped after any failure.
        let made = catch_unwind(AssertUnwindSafe(|| plugin.pre.instantiate(&mut store)));
        let failed = match made {
            Ok(Ok(made)) => {
                // Here the types of exports are held against the contract; those of imports were when it was loaded.
                let guests = plugin.hooks.load(&mut store, &made);
                let guests = guests.map_err(|error| LoadError::Shape(short(&format!("{error:#}"))))?;
                return Ok(Self { store, guests, ticker, worn_at: usize::MAX });
            }
            Ok(Err(error)) => failure(&mut store, &error),
            Err(panic) => Failure::HostPanic(panic_text(panic.as_ref())),
        };
        Err(LoadError::Failed("start", failed))
    }

    /// Bytes of its memories.
    pub(super) fn memory(&self) -> usize {
        self.store.data().limits.used()
    }

    /// What it has executed, if its code counts that.
    pub(super) fn meters(&self) -> Meters {
        let instructions = self.store.get_fuel().map_or(0, |left| u64::MAX - left);
        let Context { host_calls, limits, .. } = self.store.data();
        Meters { instructions, host_calls: *host_calls, grown: (limits.grown(), limits.used()) }
    }

    /// True if it has used up most of the memory that it may have beside what it began with. Some languages never give back:
    /// an instance of JavaScript ends after about a million calls.
    pub(super) fn is_worn(&self) -> bool {
        self.memory() >= self.worn_at
    }

    /// True if the last call used up a millisecond of CPU time or more.
    pub(super) fn was_slow(&self) -> bool {
        self.store.data().budget.spent() >= TICK
    }

    /// It stays, whatever it takes.
    pub(super) fn never_wears(&mut self) {
        self.worn_at = usize::MAX;
    }

    /// How often it was met at work since this was last asked.
    pub(super) fn take_looks(&mut self) -> u32 {
        self.store.data_mut().budget.take_looks()
    }

    /// What it asked for while it was configured.
    pub(super) fn wishes(&self) -> &Wishes {
        &self.store.data().wishes
    }

    /// Tells the guest of its endpoints if it does not know these yet.
    pub(super) fn know(&mut self, members: &Arc<Members>) -> Result<(), Failure> {
        if Arc::ptr_eq(&self.store.data().members, members) {
            return Ok(());
        }
        self.store.data_mut().members = members.clone();
        let count = members.endpoints.len() as u32;
        self.call(Phase::Running, SET_ENDPOINTS, |guests, store| match &guests.selection {
            Some(selection) => selection.call_set_endpoints(store, count),
            None => Ok(()),
        })
    }

    /// The one way into a guest: within a budget, and no panic comes out.
    pub(super) fn call<R>(
        &mut self,
        phase: Phase,
        cpu: Duration,
        call: impl FnOnce(&Guests, &mut Store<Context>) -> wasmtime::Result<R>,
    ) -> Result<R, Failure> {
        let context = self.store.data_mut();
        context.phase = phase;
        context.edits.clear();
        context.limits.refused = false;
        context.budget.begin(cpu);
        self.store.set_epoch_deadline(1);
        self.ticker.mark();
        // The store is dropped after any failure, so nothing half-done is ever seen again.
        let outcome = catch_unwind(AssertUnwindSafe(|| call(&self.guests, &mut self.store)));
        match outcome {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(failure(&mut self.store, &error)),
            Err(panic) => Err(Failure::HostPanic(panic_text(panic.as_ref()))),
        }
    }
}

/// Why a call failed, in words of the contract.
fn failure(store: &mut Store<Context>, error: &wasmtime::Error) -> Failure {
    let context = store.data_mut();
    context.wasi.lines.flush(&context.owner.name);
    match (context.budget.stopped, error.downcast_ref::<Trap>()) {
        (Some(Stop::CpuTime(limit)), _) => Failure::Deadline(limit),
        (Some(Stop::Wall(limit)), _) => Failure::WallStop(limit),
        _ if context.limits.refused => Failure::Memory(context.owner.limits.memory),
        (None, Some(trap)) => Failure::Trap(trap.to_string()),
        (None, None) => Failure::Trap(short(&format!("{error:#}"))),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    text.or(owned).unwrap_or("unknown panic").to_owned()
}
