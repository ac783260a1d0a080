//! A worker: one thread with its own event loop, sockets, pool and slots. Nothing on a request's way leaves it.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle as TaskHandle;

use super::chores;
use super::drain::LINGER;
use super::gate::Gate;
use super::roll::Roll;
use crate::observe::panics::survived;
use crate::observe::{Activity, Connections, Counted, Refused, Told};
use crate::plugin::Slot;
use crate::socket::Outbox;
use crate::state::{Change, Lent, Listener, Plan, Share, State};
use crate::upstream::Pool;

/// Tasks that run in one turn of the event loop before it looks for events again. Many, since what they write leaves together
/// when all have run.
const TURN: u32 = 256;

/// One part in so many of all connections is kept free, by closing those that idle; and one in so many closes at a time.
const NEAR: usize = 20;
const SHED: usize = 100;

/// What a worker starts with.
#[derive(Debug)]
pub struct Setup {
    /// Which one, from 0.
    pub index: usize,
    /// What it serves.
    pub share: Share,
    /// What it is told.
    pub changes: mpsc::Receiver<Change>,
    /// Client connections of all workers.
    pub connections: Arc<Connections>,
}

/// What takes connections to a gate, one task for each socket.
pub(super) type Accepting = Vec<TaskHandle<()>>;

/// A worker while it serves.
#[derive(Debug)]
pub struct Worker {
    state: RefCell<Rc<State>>,
    /// Where clients come in, and what takes them there.
    pub(super) gates: RefCell<Vec<(Rc<Gate>, Accepting)>>,
    /// How long an idle connection is kept that is to end.
    pub(super) linger: Cell<Duration>,
    /// What is written to clients.
    pub(super) outbox: Rc<Outbox>,
    /// Client connections of this worker.
    roll: Roll,
    pub(super) open: Cell<usize>,
    /// Those of them that were cut off while they drained.
    pub(super) cut_off: Cell<usize>,
    pub(super) closed: Notify,
    /// Clients that are being told that there is no room.
    pub(super) farewells: Cell<usize>,
    /// Client connections of all workers.
    pub(super) total: Arc<Connections>,
}

/// Starts the thread. It ends when it was told to drain and nothing is left, or when all who could tell it are gone.
pub fn start(setup: Setup) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("sluice-{}", setup.index)).spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        match builder.enable_all().event_interval(TURN).build_local(Default::default()) {
            Ok(runtime) => runtime.block_on(serve(setup)),
            Err(error) => tracing::error!(target: "sluice", %error, "no event loop for a worker"),
        }
    })
}

async fn serve(setup: Setup) {
    let Setup { index, share, mut changes, connections } = setup;
    let Share { plan, slots, listeners, .. } = share;
    let outbox = Rc::<Outbox>::default();
    chores::send(outbox.clone());
    let pool = Pool::new(plan.config.timeouts.upstream_idle, outbox.clone());
    keep_connections(&pool, &plan);
    let recent = plan.recent(None);
    let state = Rc::new(State { plan, worker: index, slots, pool, recent });
    for slot in &state.slots {
        chores::keep_time(slot, &state);
    }
    let worker = Rc::new(Worker {
        state: RefCell::new(state),
        gates: RefCell::default(),
        linger: Cell::new(LINGER),
        outbox,
        roll: Roll::default(),
        open: Cell::new(0),
        cut_off: Cell::new(0),
        closed: Notify::new(),
        farewells: Cell::new(0),
        total: connections,
    });
    chores::keep_house(&worker);
    worker.attend(listeners);
    while survived("worker", worker.listen(&mut changes)).await.is_none() {}
    // What is told from here on comes too late, and nobody has to wait to learn that.
    drop(changes);
    worker.finish().await;
}

impl Worker {
    /// Does what it is told, until that is to drain, or nobody is left to tell it.
    async fn listen(self: &Rc<Self>, changes: &mut mpsc::Receiver<Change>) {
        while let Some(change) = changes.recv().await {
            match change {
                Change::Serve(share, done) => {
                    self.switch(*share);
                    // Nobody waits any more: the switch has happened all the same.
                    let _ = done.send(());
                }
                Change::Tell(told) => {
                    // Nobody waits any more: nobody wants to know.
                    let _ = told.send(self.recent());
                }
                Change::Lend(lent) => {
                    // Nobody waits any more: they are closed again.
                    let _ = lent.send(self.lend());
                }
                Change::Drain(begun, leave) => {
                    self.close(leave);
                    self.has_closed().await;
                    // As above.
                    let _ = begun.send(());
                    return;
                }
            }
        }
    }

    /// What exchanges that begin now work with.
    pub(super) fn state(&self) -> Rc<State> {
        self.state.borrow().clone()
    }

    /// What lasts for a whole connection: unlike the state, it keeps no slot alive.
    pub(super) fn plan(&self) -> Arc<Plan> {
        self.state.borrow().plan.clone()
    }

    /// Takes connections on these listeners and on no others.
    fn attend(self: &Rc<Self>, listeners: Vec<Listener>) {
        let mut gates = self.gates.borrow_mut();
        gates.retain(|(gate, _)| {
            let stays = listeners.iter().any(|listener| listener.id == gate.id);
            if !stays {
                gate.close();
            }
            stays
        });
        for Listener { id, entrance, open } in listeners {
            match gates.iter().find(|(gate, _)| gate.id == id) {
                Some((gate, _)) => gate.replace(entrance),
                None => {
                    let Some(open) = open else { continue };
                    let gate = Gate::new(id, entrance);
                    let accepting = gate.open(self, open);
                    gates.push((gate, accepting));
                }
            }
        }
    }

    /// The sockets of all listeners, for another gateway as well.
    fn lend(&self) -> io::Result<Vec<Lent>> {
        self.gates.borrow().iter().flat_map(|(gate, _)| gate.lend()).collect()
    }

    /// The last exchanges.
    fn recent(&self) -> Vec<Told> {
        let state = self.state();
        state.recent.as_ref().map_or_else(Vec::new, |recent| recent.told(|moment| state.plan.clock.us_at(moment)))
    }

    /// Exchanges that have begun keep the state of before; those to come get the new one.
    fn switch(self: &Rc<Self>, share: Share) {
        let Share { plan, slots, listeners, retired } = share;
        let before = self.state();
        for (old, new) in retired {
            old.retire();
            if let Some(new) = new {
                // A failure is logged where it happens; the version starts cold then.
                let _ = new.inherit(&old);
            }
        }
        let pool = before.pool.clone();
        pool.set_idle_timeout(plan.config.timeouts.upstream_idle);
        keep_connections(&pool, &plan);
        let recent = plan.recent(before.recent.as_deref());
        let state = Rc::new(State { plan, worker: before.worker, slots, pool, recent });
        let is_new = |slot: &&Arc<Slot>| !before.slots.iter().any(|old| Arc::ptr_eq(old, slot));
        for slot in state.slots.iter().filter(is_new) {
            chores::keep_time(slot, &state);
        }
        *self.state.borrow_mut() = state;
        self.attend(listeners);
    }

    /// True if it has more connections than the others, as far as they can be even.
    pub(super) fn has_more_than_its_part(&self) -> bool {
        let workers = self.state().plan.config.workers;
        self.open.get().saturating_sub(1) * workers > self.total.open()
    }

    /// Counts a connection as open until what is given is dropped; or says why there is no room for it. `client`: whom it counts
    /// for, if for anybody.
    pub(super) fn admit(self: &Rc<Self>, client: Option<IpAddr>) -> Result<Open, Refused> {
        let plan = self.plan();
        let limits = &plan.config.limits;
        let most = self.total.most(limits.connections);
        let near = most - most.div_ceil(NEAR).min(most - 1);
        if self.total.open() >= near {
            let workers = plan.config.workers.max(1);
            self.shed(self.total.open().saturating_sub(near).max(most / SHED).div_ceil(workers).max(1));
        }
        let per_client = limits.connections_per_client;
        let client = client.filter(|address| per_client.counts(*address));
        let counted = self.total.opened(most, client.map(|address| (address, per_client.most)))?;
        let activity = Activity::start();
        self.roll.enter(activity.clone());
        self.open.set(self.open.get() + 1);
        Ok(Open { worker: self.clone(), counted, activity })
    }

    /// Counts an open connection for that client from now on; or says that it has too many.
    pub(super) fn counts_for(&self, open: &mut Open, client: IpAddr) -> Result<(), Refused> {
        let per_client = self.plan().config.limits.connections_per_client;
        if per_client.counts(client) {
            self.total.counts_for(&mut open.counted, client, per_client.most)
        } else {
            Ok(())
        }
    }

    /// Asks so many connections that idle to go.
    pub(super) fn shed(&self, wanted: usize) {
        self.total.shed(self.roll.shed(wanted));
    }
}

/// An open connection.
pub(super) struct Open {
    worker: Rc<Worker>,
    counted: Counted,
    pub(super) activity: Rc<Activity>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let Self { worker, counted, activity } = self;
        worker.roll.leave(activity);
        worker.total.closed(counted);
        worker.open.set(worker.open.get() - 1);
        worker.closed.notify_one();
    }
}

/// How this worker reaches endpoints, and how many idle connections to each of them it keeps.
fn keep_connections(pool: &Pool, plan: &Plan) {
    let upstreams = plan.config.upstreams.iter().zip(&plan.upstreams);
    pool.serve(upstreams.map(|(settings, live)| (&live.way, settings.idle_per_endpoint.div_ceil(plan.config.workers))));
}
