//! What a worker does besides what it is told: beside the traffic, and by the clock.

use std::rc::{Rc, Weak};
use std::sync::{self, Arc};
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval};

use super::worker::Worker;
use crate::observe::Clock;
use crate::observe::panics::survived;
use crate::plugin::{Hook, Slot};
use crate::socket::Outbox;
use crate::state::State;

/// Between two hand-overs of outcomes to `feedback`.
const FEEDBACK_PERIOD: Duration = Duration::from_millis(50);
/// Between two looks at idle connections to endpoints.
const SWEEP_PERIOD: Duration = Duration::from_secs(1);

/// Sends what is written to clients, at the end of each turn.
pub(super) fn send(outbox: Rc<Outbox>) {
    spawn_local(async move { while survived("outbox", outbox.clone().empty()).await.is_none() {} });
}

/// Ticks a slot as often as its plugin asked, until it is swapped out. Where workers share a slot, the one with its number does.
pub(super) fn keep_time(slot: &Arc<Slot>, state: &Rc<State>) {
    let mine = slot.number == state.worker;
    let Some(period) = slot.tick_period().filter(|_| mine) else { return };
    let (slot, clock) = (Arc::downgrade(slot), state.plan.clock);
    spawn_local(async move { while survived("tick", tick(&slot, clock, period)).await.is_none() {} });
}

async fn tick(slot: &sync::Weak<Slot>, clock: Clock, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // The first one comes at once.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match slot.upgrade() {
            Some(slot) if !slot.is_retired() => drop(slot.tick(clock.now_us())),
            _ => return,
        }
    }
}

/// Hands outcomes over, and closes old connections to endpoints, as long as the worker is there.
pub(super) fn keep_house(worker: &Rc<Worker>) {
    let worker = Rc::downgrade(worker);
    spawn_local(async move { while survived("housekeeping", housekeeping(&worker)).await.is_none() {} });
}

async fn housekeeping(worker: &Weak<Worker>) {
    let mut ticks = interval(FEEDBACK_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut since_sweep = Duration::ZERO;
    loop {
        ticks.tick().await;
        let Some(worker) = worker.upgrade() else { return };
        let state = worker.state();
        for slot in state.slots.iter().filter(|slot| slot.plugin.has(Hook::Feedback)) {
            // A failure is logged where it happens; there is no exchange to answer for.
            let _ = slot.observe();
        }
        since_sweep += FEEDBACK_PERIOD;
        if since_sweep >= SWEEP_PERIOD {
            state.pool.sweep();
            since_sweep = Duration::ZERO;
        }
    }
}
