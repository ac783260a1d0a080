//! Keeps requests near: in the client's zone, if a network of it is configured, else in the gateway's own (its `zone`). While
//! too few of a zone's endpoints are healthy, or too many requests are in flight there, the next zone takes what is too much.
//! Inside a zone it takes the endpoint with the fewest requests in flight per weight.
//!
//! Configuration, as a use of its own:
//!
//! ```toml
//! [[use]]
//! name = "near"
//! plugin = "nearest-zone"
//!
//! [use.config]
//! min-healthy = "50%"              # of a zone's endpoints, or a number: fewer, and it is passed over; the default
//! max-in-flight = 100              # for each endpoint, on average: more, and it is full; no bound by default
//!
//! [use.config.zones]
//! eu-west = { clients = ["10.1.0.0/16"], spill-to = ["eu-east", "us-east"] }
//! eu-east = { clients = ["10.2.0.0/16"], spill-to = ["eu-west", "us-east"] }
//! us-east = { spill-to = ["eu-west", "eu-east"] }
//! ```
//!
//! - `zones`: `clients` are the networks whose clients stand in the zone, the narrowest that fits decides; `spill-to` are the
//!   zones that take over, nearest first. Behind the last come all endpoints, of whatever zone.
//!
//! Where the zone of a request is not known, all endpoints serve it, as `least-connections` would. Use it where traffic
//! between zones is slow or costs money. Endpoints say where they stand by their own `zone`.

mod config;

use config::Config;
use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{Cidr, EndpointIndex, Issues, Members, Plugin, Request, Selection, Setup, Shares, endpoints};
use std::collections::BTreeMap;

struct NearestZone {
    config: Config,
    /// Where clients stand; narrow networks first.
    networks: Vec<(Cidr, String)>,
    local_zone: String,
    /// Those that may be chosen in each zone that has enough of them.
    zones: BTreeMap<String, Vec<EndpointIndex>>,
    /// Of all endpoints.
    shares: Shares,
}

sluice_plugin::export!(NearestZone: Selection);

impl Plugin for NearestZone {
    type Config = Config;

    fn new(config: Config, setup: &Setup) -> Result<Self, Issues> {
        config.check()?;
        let mut networks = Vec::new();
        for (name, zone) in &config.zones {
            networks.extend(zone.clients.iter().map(|&network| (network, name.clone())));
        }
        networks.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix()));
        if !networks.is_empty() {
            setup.see_request();
        }
        let (local_zone, zones, shares) = (String::new(), BTreeMap::new(), Shares::default());
        Ok(Self { config, networks, local_zone, zones, shares })
    }
}

impl Selection for NearestZone {
    fn set_endpoints(&mut self, members: &Members) {
        self.local_zone = members.local_zone();
        self.shares = members.shares();
        let zones = members.zones();
        self.zones.clear();
        for endpoint in self.shares.choosable() {
            let zone = &zones[endpoint as usize];
            self.zones.entry(zone.clone()).or_default().push(endpoint);
        }
        self.zones.retain(|zone, healthy| {
            let all = zones.iter().filter(|&other| other == zone).count();
            self.config.min_healthy.is_reached(healthy.len(), all)
        });
    }

    fn select(&mut self, input: Input, request: Option<&Request>) -> Decision {
        let in_flight = endpoints::in_flight_all();
        let home = request.and_then(|request| self.client_zone(request)).unwrap_or(&self.local_zone);
        // No zone is called nothing: that is where those stand of whom it is not known.
        let nearest = Some(home).filter(|home| !home.is_empty());
        let further = self.config.zones.get(home).map_or(&[][..], |zone| &zone.spill_to);
        let zones =
            nearest.into_iter().chain(further.iter().map(String::as_str)).filter_map(|zone| self.zones.get(zone));
        let least_busy = |candidates: &mut dyn Iterator<Item = EndpointIndex>| {
            endpoints::least_busy(candidates, &self.shares, &in_flight, input.attempt, input.random)
        };
        let mut with_room = zones.filter(|zone| self.has_room(zone, &in_flight));
        let endpoint = with_room.find_map(|zone| least_busy(&mut zone.iter().copied()));
        let endpoint = endpoint.or_else(|| least_busy(&mut self.shares.choosable()));
        endpoint.map_or(Decision::pass(), Decision::endpoint)
    }
}

impl NearestZone {
    fn client_zone(&self, request: &Request) -> Option<&str> {
        let address = request.client_ip();
        self.networks.iter().find(|(network, _)| network.contains(address)).map(|(_, zone)| zone.as_str())
    }

    fn has_room(&self, zone: &[EndpointIndex], in_flight: &[u32]) -> bool {
        self.config.max_in_flight.is_none_or(|most| {
            let all: u64 = zone.iter().map(|&endpoint| u64::from(in_flight[endpoint as usize])).sum();
            all < u64::from(most.get()) * zone.len() as u64
        })
    }
}

#[cfg(test)]
mod tests;
