//! What endpoints are asked beside the traffic, as long as the configuration wants it: whether they may be used, and how busy they
//! are.

use std::sync::Arc;

use tokio::runtime::Runtime;

use super::figures::Figures;
use super::health::Checks;
use super::scrape::Scrapes;
use crate::observe::panics::survived;

/// Asks the endpoints of what serves, whatever that is, for ever; names are looked up by `lookups`, on which nothing else runs.
pub(super) async fn keep(figures: Arc<Figures>, lookups: Runtime) {
    let mut checks = Checks::new(figures.clone(), lookups.handle().clone());
    let mut scrapes = Scrapes::new(lookups.handle().clone());
    let mut follow = async || {
        loop {
            {
                let serving = figures.serving();
                checks.follow(&serving.plan);
                scrapes.follow(&serving.plan);
            }
            figures.discovery.changed().await;
        }
    };
    while survived("questions", follow()).await.is_none() {}
}
