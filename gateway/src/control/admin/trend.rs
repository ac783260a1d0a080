//! What the figures were in the last minutes, so that whoever looks because something has happened sees how it came. Kept only
//! where operators come in, by the thread that serves them; an exchange has nothing to do with it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::view::MomentView;
use crate::control::figures::Figures;

/// Between two moments.
const PERIOD: Duration = Duration::from_secs(2);
/// Moments that are kept: a little more than five minutes.
const KEPT: usize = 160;

/// The moments, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Trend(Mutex<VecDeque<MomentView>>);

impl Trend {
    /// Keeps moments as they pass.
    pub(super) async fn follow(&self, figures: &Figures) -> Infallible {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let moment = MomentView::of(&figures.serving().plan);
            let mut moments = self.lock();
            if moments.len() == KEPT {
                moments.pop_front();
            }
            moments.push_back(moment);
        }
    }

    /// What is kept.
    pub(super) fn moments(&self) -> Vec<MomentView> {
        self.lock().iter().cloned().collect()
    }

    /// Held for moments.
    fn lock(&self) -> MutexGuard<'_, VecDeque<MomentView>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
