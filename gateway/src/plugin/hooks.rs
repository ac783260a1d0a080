//! Which hooks a component exports, looked up once per version; an instance then loads them by index.

use wasmtime::component::{Instance, InstancePre};
use wasmtime::{AsContextMut, Result};

use super::bindings::exports::sluice::plugin as exports;
use super::context::Context;
use super::guest_log::short;
use super::instance::Guests;
use super::{LoadError, PACKAGE};

/// A hook of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Which upstream.
    Routing,
    /// Which endpoint.
    Selection,
    /// What the client gets.
    Response,
    /// What became of choices.
    Feedback,
    /// Periodic work.
    Timer,
    /// Hand-over between versions.
    State,
}

impl Hook {
    /// All of them, in the order of their positions.
    pub const ALL: [Self; 6] =
        [Self::Routing, Self::Selection, Self::Response, Self::Feedback, Self::Timer, Self::State];

    /// Those that an exchange waits for.
    pub const OF_EXCHANGES: [Self; 3] = [Self::Routing, Self::Selection, Self::Response];

    /// As in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Hook::Routing => "routing",
            Hook::Selection => "selection",
            Hook::Response => "response",
            Hook::Feedback => "feedback",
            Hook::Timer => "timer",
            Hook::State => "state",
        }
    }
}

/// Where the exports of one version are.
pub(super) struct Hooks {
    lifecycle: exports::lifecycle::GuestIndices,
    pub(super) routing: Option<exports::routing::GuestIndices>,
    pub(super) selection: Option<exports::selection::GuestIndices>,
    pub(super) response: Option<exports::response::GuestIndices>,
    pub(super) feedback: Option<exports::feedback::GuestIndices>,
    pub(super) timer: Option<exports::timer::GuestIndices>,
    pub(super) state: Option<exports::state::GuestIndices>,
}

impl Hooks {
    /// Looks the exports up; what is there must fit the contract.
    pub(super) fn find(pre: &InstancePre<Context>) -> std::result::Result<Self, LoadError> {
        let engine = pre.engine();
        let names: Vec<String> =
            pre.component().component_type().exports(engine).map(|(name, _)| name.to_owned()).collect();
        let has = |interface: &str| {
            names.iter().any(|name| {
                let ours = name.strip_prefix(PACKAGE).and_then(|name| name.split_once('@'));
                ours.is_some_and(|(name, _)| name == interface)
            })
        };
        let shape = |error: wasmtime::Error| LoadError::Shape(short(&format!("{error:#}")));
        macro_rules! find {
            ($interface:ident) => {
                match has(stringify!($interface)) {
                    true => Some(exports::$interface::GuestIndices::new(pre).map_err(shape)?),
                    false => None,
                }
            };
        }
        let none = || LoadError::NoHook(if names.is_empty() { "nothing".into() } else { short(&names.join(", ")) });
        let hooks = Self {
            lifecycle: find!(lifecycle).ok_or_else(none)?,
            routing: find!(routing),
            selection: find!(selection),
            response: find!(response),
            feedback: find!(feedback),
            timer: find!(timer),
            state: find!(state),
        };
        match hooks.routing.is_some() || hooks.selection.is_some() || hooks.response.is_some() {
            true => Ok(hooks),
            false => Err(none()),
        }
    }

    /// True if the component exports that hook.
    pub(super) fn has(&self, hook: Hook) -> bool {
        match hook {
            Hook::Routing => self.routing.is_some(),
            Hook::Selection => self.selection.is_some(),
            Hook::Response => self.response.is_some(),
            Hook::Feedback => self.feedback.is_some(),
            Hook::Timer => self.timer.is_some(),
            Hook::State => self.state.is_some(),
        }
    }

    /// The exports of one instance.
    pub(super) fn load(&self, mut store: impl AsContextMut, instance: &Instance) -> Result<Guests> {
        macro_rules! load {
            ($interface:ident) => {
                self.$interface.as_ref().map(|indices| indices.load(&mut store, instance)).transpose()?
            };
        }
        Ok(Guests {
            lifecycle: self.lifecycle.load(&mut store, instance)?,
            routing: load!(routing),
            selection: load!(selection),
            response: load!(response),
            feedback: load!(feedback),
            timer: load!(timer),
            state: load!(state),
        })
    }
}
