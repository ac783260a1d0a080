//! Takes the endpoint with the fewest bytes a second per weight, of all of them, as the gateway measures it: bodies of requests
//! and of answers together. Meant for downloads, uploads and streams, where one request is worth a thousand others.
//!
//! What is measured is some moments old, and a request that has just been sent shows in it only later; so each request in flight
//! counts as what one has on average. Without that, all requests of these moments would go to one endpoint. Ties are drawn by
//! weight.
//!
//! It takes no configuration. Use it where the network, or what feeds it, is what endpoints run short of.

use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{
    EndpointIndex, Issues, Members, NoConfig, Plugin, Request, Selection, Setup, Shares, below, endpoints, mix,
};

struct Bandwidth {
    shares: Shares,
    choosable: Vec<EndpointIndex>,
}

sluice_plugin::export!(Bandwidth: Selection);

impl Plugin for Bandwidth {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self { shares: Shares::default(), choosable: Vec::new() })
    }
}

impl Selection for Bandwidth {
    fn set_endpoints(&mut self, members: &Members) {
        self.shares = members.shares();
        self.choosable = self.shares.choosable().collect();
    }

    fn select(&mut self, input: Input, _: Option<&Request>) -> Decision {
        let (flows, in_flight) = (endpoints::bytes_per_second_all(), endpoints::in_flight_all());
        // Nothing flows for nobody: then requests alone decide, as bytes of which nothing is known.
        let (all, requests) = (flows.iter().sum::<u64>(), in_flight.iter().map(|count| u64::from(*count)).sum::<u64>());
        let of_one = (all as f64 / requests.max(1) as f64).max(1.0);
        let load = |&endpoint: &EndpointIndex| {
            let (flow, in_flight) = (flows[endpoint as usize] as f64, f64::from(in_flight[endpoint as usize]));
            (flow + in_flight * of_one) / self.shares.of(endpoint) as f64
        };
        let mut least = f64::INFINITY;
        let mut tied: Vec<EndpointIndex> = Vec::new();
        for endpoint in self.choosable.iter().copied() {
            let load = load(&endpoint);
            if load > least || input.attempt > 0 && endpoints::tried(endpoint) {
                continue;
            }
            if load < least {
                (least, tied) = (load, Vec::new());
            }
            tied.push(endpoint);
        }
        self.draw(&tied, input.random).map_or(Decision::pass(), Decision::endpoint)
    }
}

impl Bandwidth {
    /// One of them, by weight.
    fn draw(&self, among: &[EndpointIndex], random: u64) -> Option<EndpointIndex> {
        let shares = || among.iter().map(|&endpoint| self.shares.of(endpoint));
        let mut point = below(mix(random), shares().sum());
        let place = shares().position(|share| {
            let is_here = point < share;
            point = point.saturating_sub(share);
            is_here
        });
        place.map(|place| among[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_plugin::Health;
    use sluice_plugin::fake::{self, json};

    #[test]
    fn the_fewest_bytes_per_weight_win() {
        type Case = (&'static [u32], &'static [u64], &'static [u32], EndpointIndex);
        let cases: [Case; 6] = [
            (&[1, 1, 1], &[2000, 1000, 3000], &[0, 0, 0], 1),
            (&[1, 4], &[1000, 3000], &[0, 0], 1),
            (&[1, 4], &[1000, 5000], &[0, 0], 0),
            // Each request in flight counts as a tenth of all that flows.
            (&[1, 1], &[600, 400], &[0, 10], 0),
            (&[1, 1], &[600, 400], &[9, 1], 1),
            // Nothing flows yet.
            (&[1, 1], &[0, 0], &[2, 1], 1),
        ];
        for (weights, flows, in_flight, due) in cases {
            let host = fake::Host::new().weights(weights);
            let mut plugin = host.start::<Bandwidth>(json!({})).unwrap();
            host.set_bytes_per_second(flows);
            host.set_in_flight(in_flight);
            assert_eq!(
                host.select(&mut plugin),
                Decision::endpoint(due),
                "{flows:?} with {in_flight:?} on {weights:?}"
            );
        }
    }

    #[test]
    fn ties_are_drawn_by_weight() {
        let host = fake::Host::new().weights(&[1, 2, 1, 4]);
        host.set_bytes_per_second(&[0, 0, 9, 0]);
        let mut plugin = host.start::<Bandwidth>(json!({})).unwrap();
        let mut times = [0_usize; 4];
        for _ in 0..70_000 {
            match host.select(&mut plugin) {
                Decision::Endpoint(choice) => times[choice.endpoint as usize] += 1,
                other => panic!("{other:?}"),
            }
        }
        for (times, due) in times.into_iter().zip([10_000, 20_000, 0, 40_000]) {
            assert!(times.abs_diff(due) < 600, "{times} instead of {due}");
        }
    }

    #[test]
    fn who_may_not_be_chosen_or_was_tried_is_left_out() {
        let host = fake::Host::new().endpoints(3);
        host.change_endpoints(|endpoints| endpoints[0].health = Health::Draining);
        host.set_bytes_per_second(&[0, 1, 2]);
        let mut plugin = host.start::<Bandwidth>(json!({})).unwrap();
        let mut exchange = host.exchange(fake::Request::get("/"));
        assert_eq!(exchange.select(&mut plugin), Decision::endpoint(1));
        exchange.failed();
        assert_eq!(exchange.select(&mut plugin), Decision::endpoint(2));
        exchange.failed();
        assert_eq!(exchange.select(&mut plugin), Decision::pass());
        host.change_endpoints(Vec::clear);
        assert_eq!(host.select(&mut plugin), Decision::pass());
    }
}
