//! A gateway as others see it in whose process it runs: what serves, and what comes of what they want.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::figures::Figures;
use super::{Order, Outcome, Wish};
use crate::state::Serving;

/// A gateway that runs in this process.
#[derive(Debug, Clone)]
pub struct Handle {
    figures: Arc<Figures>,
    orders: mpsc::Sender<Order>,
}

impl Handle {
    pub(super) fn new(figures: &Arc<Figures>, orders: &mpsc::Sender<Order>) -> Self {
        Self { figures: figures.clone(), orders: orders.clone() }
    }

    /// What serves now.
    pub fn serving(&self) -> Arc<Serving> {
        Arc::clone(&self.figures.serving())
    }

    /// What came of a wish; none if the gateway is about to end.
    pub async fn ask(&self, wish: Wish) -> Option<Outcome> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Asked(wish, answer)).await.ok()?;
        answered.await.ok()
    }
}
