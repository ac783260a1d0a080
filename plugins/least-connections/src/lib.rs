//! Takes the endpoint with the fewest requests in flight per weight, of all of them. Ties are drawn by weight from the host's
//! random number: a cursor of each worker would send them all to the same idle endpoint.
//!
//! It takes no configuration. Use it when requests differ much in how long they take. For very many endpoints
//! `power-of-two-choices` is cheaper: this one reads them all, about 10 ns each.

use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{Issues, Members, NoConfig, Plugin, Request, Selection, Setup, Shares, endpoints};

struct LeastConnections {
    shares: Shares,
}

sluice_plugin::export!(LeastConnections: Selection);

impl Plugin for LeastConnections {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self { shares: Shares::default() })
    }
}

impl Selection for LeastConnections {
    fn set_endpoints(&mut self, members: &Members) {
        self.shares = members.shares();
    }

    fn select(&mut self, input: Input, _: Option<&Request>) -> Decision {
        let in_flight = endpoints::in_flight_all();
        let candidates = self.shares.choosable();
        let least_busy = endpoints::least_busy(candidates, &self.shares, &in_flight, input.attempt, input.random);
        least_busy.map_or(Decision::pass(), Decision::endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_plugin::fake::{self, json};
    use sluice_plugin::{EndpointIndex, Health};

    #[test]
    fn the_least_busy_per_weight_wins() {
        let cases: [(&[u32], &[u32], EndpointIndex); 5] = [
            (&[1, 1, 1], &[2, 1, 3], 1),
            (&[1, 1, 1], &[0, 1, 3], 0),
            (&[1, 4], &[1, 3], 1),
            (&[1, 4], &[1, 5], 0),
            (&[1000, 1], &[4_000_000_000, 4_000_001], 0),
        ];
        for (weights, in_flight, due) in cases {
            let host = fake::Host::new().weights(weights);
            let mut plugin = host.start::<LeastConnections>(json!({})).unwrap();
            host.set_in_flight(in_flight);
            assert_eq!(host.select(&mut plugin), Decision::endpoint(due), "{in_flight:?} on {weights:?}");
        }
    }

    #[test]
    fn ties_are_drawn_by_weight() {
        let host = fake::Host::new().weights(&[1, 2, 1, 4]);
        host.set_in_flight(&[0, 0, 9, 0]);
        let mut plugin = host.start::<LeastConnections>(json!({})).unwrap();
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
    fn the_idle_one_is_left_out_if_it_may_not_be_chosen_or_was_tried() {
        let host = fake::Host::new().endpoints(3);
        host.change_endpoints(|endpoints| endpoints[0].health = Health::Draining);
        host.set_in_flight(&[0, 1, 2]);
        let mut plugin = host.start::<LeastConnections>(json!({})).unwrap();
        let mut exchange = host.exchange(fake::Request::get("/"));
        assert_eq!(exchange.select(&mut plugin), Decision::endpoint(1));
        exchange.failed();
        assert_eq!(exchange.select(&mut plugin), Decision::endpoint(2));
        exchange.failed();
        assert_eq!(exchange.select(&mut plugin), Decision::pass());
    }
}
