//! How busy the endpoints are, against how busy they may be.

use sluice_plugin::{EndpointIndex, Shares, endpoints};

/// What is in flight at one moment.
pub(crate) struct Load {
    in_flight: Vec<u32>,
    /// Requests that an endpoint may have in flight for each unit of its share.
    most_per_share: f64,
}

impl Load {
    /// Asks the host. An endpoint may have its part of all that is in flight, the request in hand included, times `bound`.
    /// Somebody always has room, since the bound is above 1.
    pub(crate) fn now(bound: f64, shares: &Shares) -> Self {
        let in_flight = endpoints::in_flight_all();
        let all: u64 = shares.choosable().map(|endpoint| u64::from(in_flight[endpoint as usize])).sum();
        let most_per_share = bound * (all + 1) as f64 / shares.total() as f64;
        Self { in_flight, most_per_share }
    }

    pub(crate) fn has_room(&self, endpoint: EndpointIndex, share: u64) -> bool {
        f64::from(self.in_flight[endpoint as usize]) < (self.most_per_share * share as f64).ceil()
    }
}
