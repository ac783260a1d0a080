//! The hook that chooses the endpoint.

use crate::{EndpointIndex, Members, Plugin, Request, Tag};

pub use crate::bindings::selection::exports::sluice::plugin::selection::{Choice, Decision, Input};

/// Which endpoint. The host refuses one that is unhealthy, already tried in this exchange, full or draining, and goes on
/// down the chain; that is no fault of the plugin.
pub trait Selection: Plugin {
    /// Called before the first `select` and after every change of the members: the place to prepare what `select` needs.
    /// 50 ms of CPU time.
    fn set_endpoints(&mut self, members: &Members);

    /// Called once for each attempt, with the request if [`Setup::see_request`](crate::Setup::see_request) asked for it. 5 ms
    /// of CPU time; without a call to the host and without an allocation it costs about 100 ns.
    fn select(&mut self, input: Input, request: Option<&Request>) -> Decision;
}

impl Decision {
    /// No opinion: the next in the chain is asked.
    pub const fn pass() -> Self {
        Self::Pass(0)
    }

    /// That endpoint. An index out of range is a fault of the plugin.
    pub const fn endpoint(endpoint: EndpointIndex) -> Self {
        Self::Endpoint(Choice { endpoint, tag: 0 })
    }

    /// The gateway answers here with that status, 400 to 599.
    pub const fn reject(status: u16) -> Self {
        Self::Reject(status)
    }

    /// The same, with a tag that comes back in [`Response::respond`](crate::Response::respond) and
    /// [`Feedback::observe`](crate::Feedback::observe). A rejection has none.
    pub const fn tagged(self, tag: Tag) -> Self {
        match self {
            Self::Pass(_) => Self::Pass(tag),
            Self::Endpoint(choice) => Self::Endpoint(Choice { tag, ..choice }),
            Self::Reject(_) => self,
        }
    }
}
