//! Why a plugin was not loaded, and why a call failed: causes as types, in words that an author can act on.

use std::time::Duration;

/// Why a call failed. Its store is gone then; the exchange goes on by the use's `on-error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The guest trapped: a panic, an abort, an illegal access, a call that the contract forbids.
    #[error("trap: {0}")]
    Trap(String),
    /// It used up its CPU time.
    #[error("deadline: more than {0:?} of CPU time")]
    Deadline(Duration),
    /// The call took too long although the guest did not get its CPU time.
    #[error("stopped after {0:?}: the worker got too little CPU time")]
    WallStop(Duration),
    /// It wanted more memory than it may have.
    #[error("memory: more than {0} bytes")]
    Memory(usize),
    /// Its answer makes no sense.
    #[error("invalid answer: {0}")]
    Invalid(String),
    /// The host panicked on its behalf.
    #[error("host panic: {0}")]
    HostPanic(String),
    /// The slot has lost its instance and the new one is not ready.
    #[error("no instance ready")]
    NoInstance,
    /// It failed too often and is left out for a while.
    #[error("bypassed after too many failures")]
    Bypassed,
    /// An operator has taken it out.
    #[error("disabled by an operator")]
    Disabled,
    /// It has had its share of the worker's time in this second.
    #[error("shed: it has had its share of the worker's time")]
    Shed,
}

impl Failure {
    /// True if the plugin failed now: it was asked, and what went wrong is its own doing.
    pub(super) fn is_its_own(&self) -> bool {
        !matches!(self, Self::WallStop(_) | Self::NoInstance | Self::Bypassed | Self::Disabled | Self::Shed)
    }

    /// What kind of failure it is, in one word: for figures.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Trap(_) => FailureKind::Trap,
            Self::Deadline(_) => FailureKind::Deadline,
            Self::WallStop(_) => FailureKind::WallStop,
            Self::Memory(_) => FailureKind::Memory,
            Self::Invalid(_) => FailureKind::Invalid,
            Self::HostPanic(_) => FailureKind::HostPanic,
            Self::NoInstance => FailureKind::NoInstance,
            Self::Bypassed => FailureKind::Bypassed,
            Self::Disabled => FailureKind::Disabled,
            Self::Shed => FailureKind::Shed,
        }
    }
}

/// The kinds of [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its failure's name")]
pub enum FailureKind {
    Trap,
    Deadline,
    WallStop,
    Memory,
    Invalid,
    HostPanic,
    NoInstance,
    Bypassed,
    Disabled,
    Shed,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Trap,
        Self::Deadline,
        Self::WallStop,
        Self::Memory,
        Self::Invalid,
        Self::HostPanic,
        Self::NoInstance,
        Self::Bypassed,
        Self::Disabled,
        Self::Shed,
    ];

    /// As metrics call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::WallStop => "wall_stop",
            Self::Memory => "memory",
            Self::Invalid => "invalid_answer",
            Self::HostPanic => "host_panic",
            Self::NoInstance => "no_instance",
            Self::Bypassed => "bypassed",
            Self::Disabled => "disabled",
            Self::Shed => "shed",
        }
    }
}

/// One mistake in a plugin's configuration, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// JSON Pointer into the use's `config`.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

/// Why a plugin was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The file is too large.
    #[error("{0} bytes, {1} at most")]
    TooLarge(usize, usize),
    /// No WebAssembly at all.
    #[error("not a WebAssembly component: it does not begin with the WebAssembly magic number")]
    NotWasm,
    /// A module of the core language.
    #[error(
        "a core WebAssembly module, not a component; build it for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// Not the pinned content.
    #[error("its digest is {found}, the configuration wants {wanted}")]
    Pinned {
        /// What the file has.
        found: String,
        /// What `sha256` says.
        wanted: String,
    },
    /// It was live, failed, and was taken back.
    #[error("failed soon after its swap and was taken back; another one is taken as soon as it is saved")]
    TakenBack,
    /// The compiler refused it.
    #[error("does not compile: {0}")]
    Compile(String),
    /// It wants something that plugins do not get.
    #[error("imports `{0}`, which plugins do not get")]
    Import(String),
    /// It was built for another version of the contract.
    #[error("was built for contract `{found}`; this gateway speaks {speaks}")]
    Contract {
        /// What it names.
        found: String,
        /// [`super::CONTRACT`].
        speaks: &'static str,
    },
    /// It is a component of another world.
    #[error(
        "exports no hook of the contract (it exports {0}); a plugin exports `sluice:plugin/lifecycle` and at least one hook"
    )]
    NoHook(String),
    /// It does not fit the contract that it names.
    #[error("does not fit the contract: {0}")]
    Shape(String),
    /// It is asked for a hook that it does not have.
    #[error("stands in a {0} chain but does not export that hook")]
    MissingHook(&'static str),
    /// It refused its configuration.
    #[error("refuses its configuration: {}", list(.0))]
    Configure(Vec<Issue>),
    /// It failed while it was made or tried.
    #[error("failed in `{0}`: {1}")]
    Failed(&'static str, Failure),
    /// The sealing keys could not be derived.
    #[error("sealing keys could not be derived")]
    Sealing,
    /// The host itself failed.
    #[error("{0}")]
    Host(String),
}

fn list(issues: &[Issue]) -> String {
    let issue = |issue: &Issue| {
        let at = if issue.at.is_empty() { "/" } else { &issue.at };
        format!("{at}: {}", issue.message)
    };
    issues.iter().map(issue).collect::<Vec<_>>().join("; ")
}
