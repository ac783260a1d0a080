//! What the host functions of one instance see and change: the data of its store. A call puts the request in hand here
//! and takes it out again; the other files of this folder implement one host interface each over it.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use wasmtime::component::Resource;
use wasmtime::{ResourceLimiter, Result, bail};

use super::Moment;
use super::bindings::sluice::plugin::types::KeySource;
use super::deadline::Budget;
use super::edits::{Edits, PreparedEdit};
use super::opened::Opened;
use super::uses::Use;
use super::wasi;
use super::witness::Witness;
use crate::endpoint::{Endpoint, Members};
use crate::message::RequestHead;
use crate::observe::metrics::Metric;

/// The contract's `request`: there is at most one in hand, so the handle carries nothing.
#[derive(Debug)]
#[allow(unreachable_pub)] // The bindings name it.
pub struct Request;

/// The contract's `response-head`, likewise.
#[derive(Debug)]
#[allow(unreachable_pub)] // The bindings name it.
pub struct Response;

/// The head of a response on its way to the client, as hooks see it.
#[derive(Debug, Default)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// All fields.
    pub headers: HeaderMap,
    /// Who answered; none where the gateway did.
    pub endpoint: Option<Arc<Endpoint>>,
}

/// What an instance may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// `configure`: `setup` answers.
    Configuring,
    /// The routing hook: the request can be edited.
    Routing,
    /// Any other call.
    Running,
}

/// When a use in a routing or selection chain is asked for responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RespondWhen {
    /// Not at all.
    Never,
    /// For exchanges to which it attached a tag.
    Tagged,
    /// For all.
    Always,
}

/// What an instance asked for while it was configured.
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) keys: Vec<KeySource>,
    pub(super) see_request: bool,
    pub(super) respond: RespondWhen,
    pub(super) hold_body: usize,
    pub(super) tick_ms: u32,
    pub(super) keep_draining: bool,
    pub(super) prepared: Vec<Vec<PreparedEdit>>,
}

/// The data of one instance's store.
pub(super) struct Context {
    pub(super) owner: Arc<Use>,
    /// The state that it works on: the use's own, or throw-away copies in a trial.
    pub(super) state: Arc<super::shared::Shared>,
    /// Which slot of its use it sits in.
    pub(super) slot: usize,
    pub(super) trial: bool,
    pub(super) phase: Phase,
    pub(super) wishes: Wishes,
    /// The endpoints that the guest knows of.
    pub(super) members: Arc<Members>,
    /// Those that this exchange has already tried.
    pub(super) tried: Vec<Arc<Endpoint>>,
    pub(super) request: Option<Arc<RequestHead>>,
    pub(super) response: Option<ResponseHead>,
    pub(super) edits: Edits,
    pub(super) cells: Vec<Arc<std::sync::atomic::AtomicI64>>,
    /// As they were opened.
    pub(super) cell_names: Vec<Box<str>>,
    /// Watches the call at hand.
    pub(super) witness: Option<Box<Witness>>,
    pub(super) metrics: Vec<Arc<Metric>>,
    pub(super) opened: Opened,
    pub(super) budget: Budget,
    pub(super) limits: Limits,
    pub(super) wasi: wasi::Inert,
    /// Calls of the contract's imports; counted in metered code only.
    pub(super) host_calls: u64,
}

impl Context {
    pub(super) fn new(owner: Arc<Use>, slot: usize, trial: bool) -> Self {
        let state = if trial { Arc::new(owner.shared.copy()) } else { owner.shared.clone() };
        let members = Arc::new(Members::default());
        Self {
            state,
            slot,
            trial,
            phase: Phase::Running,
            wishes: Wishes {
                keys: Vec::new(),
                see_request: false,
                respond: RespondWhen::Tagged,
                hold_body: 0,
                tick_ms: 0,
                keep_draining: false,
                prepared: Vec::new(),
            },
            members,
            tried: Vec::new(),
            request: None,
            response: None,
            edits: Edits::new(owner.limits.output),
            cells: Vec::new(),
            cell_names: Vec::new(),
            witness: None,
            metrics: Vec::new(),
            opened: Opened::default(),
            budget: Budget::default(),
            limits: Limits { memory: owner.limits.memory, used: 0, grown: 0, refused: false },
            wasi: wasi::Inert::new(&owner, slot, trial),
            host_calls: 0,
            owner,
        }
    }

    /// The call that begins is watched by whom the moment brings, if by anybody.
    pub(super) fn watch(&mut self, moment: Moment<'_>) {
        if let Some(watching) = moment.watching {
            self.witness = watching.lend();
        }
    }

    /// It is over.
    pub(super) fn watched(&mut self, moment: Moment<'_>) {
        if let Some(watching) = moment.watching {
            watching.give_back(self.witness.take());
        }
    }

    /// What imports get.
    pub(super) fn itself(&mut self) -> &mut Self {
        self
    }

    /// What they get in metered code: the context, and one call more.
    pub(super) fn counted(&mut self) -> &mut Self {
        self.host_calls += 1;
        self
    }

    /// The request in hand. Only a call that has one hands out the handle, so the guest cannot be without.
    pub(super) fn request(&self) -> Result<&RequestHead> {
        match &self.request {
            Some(head) => Ok(head),
            None => bail!("no request in hand"),
        }
    }

    /// The response in hand.
    pub(super) fn response(&self) -> Result<&ResponseHead> {
        match &self.response {
            Some(head) => Ok(head),
            None => bail!("no response in hand"),
        }
    }

    /// The name of this plugin's use, for log lines.
    pub(super) fn use_name(&self) -> &str {
        &self.owner.name
    }
}

/// A handle for the request in hand.
pub(super) fn request_handle() -> Resource<Request> {
    Resource::new_borrow(1)
}

/// A handle for the response in hand.
pub(super) fn response_handle() -> Resource<Response> {
    Resource::new_borrow(2)
}

/// Bounds of memory and tables. What is refused fails in the guest as `memory.grow` does; `refused` tells the failure
/// that usually follows why.
pub(super) struct Limits {
    memory: usize,
    /// By all memories of the component.
    used: usize,
    /// How often a memory was made larger.
    grown: u64,
    pub(super) refused: bool,
}

impl Limits {
    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn grown(&self) -> u64 {
        self.grown
    }

    /// Elements of all tables of an instance, each.
    const TABLE: usize = 10_000;
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, now: usize, desired: usize, _most: Option<usize>) -> Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(now));
        let allowed = used <= self.memory;
        if allowed {
            self.used = used;
            self.grown += 1;
        }
        self.refused |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _now: usize, desired: usize, _most: Option<usize>) -> Result<bool> {
        Ok(desired <= Self::TABLE)
    }

    // One component may be made of several modules (Python, JavaScript); this admits those and no hoard.
    fn instances(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        8
    }

    fn tables(&self) -> usize {
        64
    }
}
