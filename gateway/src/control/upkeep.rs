//! What happens to endpoints by the clock: those that were taken out come back, success rates are compared, slow starts go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::figures::Figures;
use crate::observe::panics::survived;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(50);

/// Looks after the endpoints of what serves until the process ends.
pub(super) async fn keep(figures: Arc<Figures>) {
    while survived("upkeep", look(&figures)).await.is_none() {}
}

async fn look(figures: &Figures) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        figures.serving().plan.upstreams.iter().for_each(|upstream| upstream.look(now));
    }
}
