//! All that an exchange needs. The [`Plan`] is what a configuration became: routes, upstreams and uses as live objects,
//! shared by all workers. The [`State`] is one worker's share of it: its slots and its pool. Both are immutable and swapped
//! whole, so an exchange that keeps its `State` sees one version of everything.

mod build;
mod collector;
mod entrance;
mod limiter;
mod listeners;
mod operators;
mod plugins;
mod problems;
mod serving;

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::config::model::{self, Config, OnError, PluginIndex, RouteIndex, UpstreamIndex, UseIndex};
use crate::observe::trace::Tracer;
use crate::observe::{Clock, Recent, Told, Traffic};
use crate::plugin::{Failure, Hook, LoadError, Plugin, Slot, Use};
use crate::route::Table;
use crate::upstream::{Pool, Upstream};

pub use build::{Builder, make_use};
pub use collector::Collector;
pub use entrance::{Entrance, Listener, problems_of_headers};
pub use limiter::Limiter;
pub use listeners::{Listening, Opened};
pub use operators::{Operators, Token};
pub use plugins::{load_all, read};
pub use problems::{
    place_of_endpoint_file, place_of_file, place_of_tls, problem_of_endpoint_tls, problem_of_plugin, problem_of_tls,
    problems_of_use, sealing_keys,
};
pub use serving::{Built, Serving};

/// What a configuration became.
#[derive(Debug)]
pub struct Plan {
    /// As resolved.
    pub config: Config,
    /// Finds the route of a request.
    pub table: Table,
    /// By [`UpstreamIndex`].
    pub upstreams: Vec<Arc<Upstream>>,
    /// By [`model::UseIndex`].
    pub uses: Vec<Arc<Use>>,
    /// Figures of the routes, by [`RouteIndex`].
    pub traffic: Vec<Arc<Traffic>>,
    /// Those of exchanges that no route takes.
    pub unrouted: Arc<Traffic>,
    /// How many requests of a client routes take, by [`RouteIndex`]; none: as many as come.
    pub limiters: Vec<Option<Arc<Limiter>>>,
    /// The time that plugins see.
    pub clock: Clock,
    /// Decides which exchanges a collector is told of; none: there is none.
    pub tracer: Option<Arc<Tracer>>,
}

/// One worker's share.
#[derive(Debug)]
pub struct State {
    /// What all workers share.
    pub plan: Arc<Plan>,
    /// Which worker.
    pub worker: usize,
    /// By [`model::UseIndex`].
    pub slots: Vec<Arc<Slot>>,
    /// Idle connections.
    pub pool: Rc<Pool>,
    /// Where exchanges are kept that are over; none: nowhere.
    pub recent: Option<Rc<Recent>>,
}

#[expect(clippy::indexing_slicing, reason = "positions come from the configuration that all of this was made from")]
impl State {
    /// The slot of a use on this worker.
    pub fn slot(&self, place: UseIndex) -> &Arc<Slot> {
        &self.slots[place]
    }

    /// What is configured for a use.
    pub fn settings(&self, place: UseIndex) -> &model::Use {
        &self.plan.config.uses[place]
    }

    /// Figures of a route.
    pub fn traffic(&self, route: RouteIndex) -> &Arc<Traffic> {
        &self.plan.traffic[route]
    }

    /// How many requests of a client a route takes; none: as many as come.
    pub fn limiter(&self, route: RouteIndex) -> Option<&Limiter> {
        self.plan.limiters[route].as_deref()
    }

    /// What is configured for a route.
    pub fn route(&self, route: RouteIndex) -> &model::Route {
        &self.plan.config.routes[route]
    }

    /// An upstream as configured, and as it is.
    pub fn upstream(&self, upstream: UpstreamIndex) -> (&model::Upstream, &Arc<Upstream>) {
        (&self.plan.config.upstreams[upstream], &self.plan.upstreams[upstream])
    }
}

impl Plan {
    /// Where a worker keeps exchanges that are over; none: nowhere.
    pub fn recent(&self, before: Option<&Recent>) -> Option<Rc<Recent>> {
        let most = self.config.admin.as_ref().map_or(0, |admin| admin.exchanges).div_ceil(self.config.workers.max(1));
        (most > 0).then(|| Recent::new(most, self.uses.iter().map(|owner| owner.name.clone()), before))
    }

    /// A version that takes the place of another must have the hooks that the configuration needs.
    pub fn check_hooks_of(&self, index: PluginIndex, plugin: &Plugin) -> Result<(), LoadError> {
        let mut needed = chains(&self.config).filter(|(_, settings)| settings.plugin == index);
        needed.try_for_each(|(hook, _)| check_hook(hook, plugin))
    }

    /// What an exchange does when that use fails in that hook. One that an operator has taken out is as if it did not stand in the
    /// chain, unless nothing may pass without it.
    pub fn on_error(&self, slot: &Slot, hook: Hook, failure: &Failure) -> OnError {
        let default = if hook == Hook::Selection { OnError::Fallback } else { OnError::Pass };
        match slot.owner.on_error.unwrap_or(default) {
            OnError::Fallback if *failure == Failure::Disabled => OnError::Pass,
            on_error => on_error,
        }
    }
}

/// A use must have the hook of the chain that it stands in.
///
/// # Errors
/// If it has not.
pub fn check_hook(hook: Hook, plugin: &Plugin) -> Result<(), LoadError> {
    if plugin.has(hook) { Ok(()) } else { Err(LoadError::MissingHook(hook.as_str())) }
}

/// Every appearance of a use in a chain, with the hook of that chain.
pub fn chains(config: &Config) -> impl Iterator<Item = (Hook, &model::Use)> {
    let routes = config.routes.iter();
    let chains = routes.flat_map(|route| [(Hook::Routing, &route.routing), (Hook::Response, &route.response)]);
    let chains = chains.chain(config.upstreams.iter().map(|upstream| (Hook::Selection, &upstream.selection)));
    chains.flat_map(move |(hook, chain)| chain.iter().filter_map(move |&place| Some((hook, config.uses.get(place)?))))
}

/// How clients are asked to go that have nothing to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Soon: nobody serves them any more.
    Soon,
    /// With their next answer, as far as `timeouts.drain` allows: another gateway serves, and nothing presses. An idle connection
    /// of HTTP/1.1 that is closed may meet a request that is on its way.
    AtNextAnswer,
}

/// What a worker is told while it serves.
#[derive(Debug)]
pub enum Change {
    /// Serve this from now on. Answered when this worker has switched.
    Serve(Box<Share>, oneshot::Sender<()>),
    /// Take nothing new, finish what there is. Answered when this worker has begun.
    Drain(oneshot::Sender<()>, Leave),
    /// Tell the last exchanges.
    Tell(oneshot::Sender<Vec<Told>>),
    /// Lend another gateway all sockets.
    Lend(oneshot::Sender<io::Result<Vec<Lent>>>),
}

/// A socket of a listener once more, for another gateway.
#[derive(Debug)]
pub struct Lent {
    /// Which listener.
    pub id: usize,
    /// Other workers take connections from it too.
    pub shared: bool,
    /// It.
    pub socket: OwnedFd,
}

/// What one worker is to serve.
#[derive(Debug)]
pub struct Share {
    /// What all workers share.
    pub plan: Arc<Plan>,
    /// By [`model::UseIndex`].
    pub slots: Vec<Arc<Slot>>,
    /// Where clients come in; one that is not here any more is closed.
    pub listeners: Vec<Listener>,
    /// Slots whose version or settings are gone, each with the one that comes in its place: it inherits what it can.
    pub retired: Vec<(Arc<Slot>, Option<Arc<Slot>>)>,
}
