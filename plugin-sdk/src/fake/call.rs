//! The call in progress: which host answers, what the instance asked for, and what may be done now. The contract's
//! functions have no handle, so this stands in a thread-local, set for as long as a hook runs.

use super::state::State;
use crate::{Edit, EndpointIndex, KeySource, RespondWhen};
use std::{cell::RefCell, rc::Rc, time::Duration};

/// What one instance asked for while it was configured.
#[derive(Clone, Default)]
pub(super) struct Asked {
    pub(super) want_key: Vec<KeySource>,
    pub(super) see_request: bool,
    pub(super) respond: Option<RespondWhen>,
    pub(super) hold_body: u32,
    pub(super) tick: Option<Duration>,
    pub(super) keep_draining: bool,
    pub(super) prepared: Vec<Vec<Edit>>,
}

pub(super) struct Call {
    pub(super) host: Rc<RefCell<State>>,
    pub(super) worker: u32,
    pub(super) configuring: bool,
    pub(super) tried: Vec<EndpointIndex>,
    pub(super) asked: Asked,
}

thread_local! {
    static CALL: RefCell<Option<Call>> = const { RefCell::new(None) };
}

/// Clears the call also when the plugin panics, so that the next test on this thread meets no left-over.
struct Ended;

impl Drop for Ended {
    fn drop(&mut self) {
        CALL.take();
    }
}

/// Runs a hook as that call, and gives back what the instance has asked for by now.
pub(super) fn run<R>(call: Call, hook: impl FnOnce() -> R) -> (R, Asked) {
    assert!(CALL.with_borrow(Option::is_none), "a hook was called from within a hook");
    CALL.set(Some(call));
    let ended = Ended;
    let result = hook();
    let asked = CALL.with_borrow_mut(Option::take).expect("only `Ended` clears the call").asked;
    drop(ended);
    (result, asked)
}

/// The call in progress; without one the plugin speaks to a host that is not there.
pub(super) fn current<R>(question: impl FnOnce(&mut Call) -> R) -> R {
    CALL.with_borrow_mut(|call| question(call.as_mut().expect("the host was asked outside of any hook")))
}

/// The host of the call in progress.
pub(super) fn host<R>(question: impl FnOnce(&mut State) -> R) -> R {
    let host = current(|call| call.host.clone());
    let mut host = host.borrow_mut();
    question(&mut host)
}
