//! The hook that chooses the upstream.

use crate::{Plugin, Request, Tag, UpstreamIndex};

pub use crate::bindings::routing::exports::sluice::plugin::routing::{Choice, Decision, Input};

/// Which upstream. This is also the one hook that may edit the request, or answer it.
pub trait Routing: Plugin {
    /// Called once for each exchange. 5 ms of CPU time; without a call to the host it costs about 150 ns.
    fn route(&mut self, input: Input, request: &Request) -> Decision;
}

impl Decision {
    /// No opinion: the next in the chain is asked, and at its end the route's own upstream is taken.
    pub const fn pass() -> Self {
        Self::Pass(0)
    }

    /// That upstream, by its position in [`Setup::upstreams`](crate::Setup::upstreams). One out of range is a fault of the
    /// plugin.
    pub const fn upstream(upstream: UpstreamIndex) -> Self {
        Self::Upstream(Choice { upstream, tag: 0 })
    }

    /// The gateway answers here with that status, 200 to 599, and with [`Request::set_reply_header`] and
    /// [`Request::set_reply_body`] of this call.
    pub const fn reply(status: u16) -> Self {
        Self::Reply(status)
    }

    /// The same, with a tag that comes back in [`Response::respond`](crate::Response::respond). A reply has none.
    pub const fn tagged(self, tag: Tag) -> Self {
        match self {
            Self::Pass(_) => Self::Pass(tag),
            Self::Upstream(choice) => Self::Upstream(Choice { tag, ..choice }),
            Self::Reply(_) => self,
        }
    }
}
