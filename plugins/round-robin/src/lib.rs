//! Strict rotation: each request goes to the next endpoint. One cursor serves all workers, so the rotation holds across
//! them, and it outlives swaps and reloads.
//!
//! It takes no configuration. Use it when endpoints are alike and requests cost about the same; it does not regard weights
//! (`weighted-round-robin` does).

use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{EndpointIndex, Issues, Members, NoConfig, Plugin, Request, Rotation, Selection, Setup};

struct RoundRobin {
    rotation: Rotation,
    choosable: Vec<EndpointIndex>,
}

sluice_plugin::export!(RoundRobin: Selection);

impl Plugin for RoundRobin {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self { rotation: Rotation::open("cursor"), choosable: Vec::new() })
    }
}

impl Selection for RoundRobin {
    fn set_endpoints(&mut self, members: &Members) {
        self.choosable = members.choosable();
    }

    fn select(&mut self, input: Input, _: Option<&Request>) -> Decision {
        self.rotation.next(&self.choosable, input.attempt).map_or(Decision::pass(), Decision::endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_plugin::Health;
    use sluice_plugin::fake::{self, json};

    #[test]
    fn rotates_strictly_and_across_workers() {
        let host = fake::Host::new().endpoints(3).workers(2);
        let mut workers = [(); 2].map(|()| host.start::<RoundRobin>(json!({})).unwrap());
        for turn in 0..12 {
            let decision = host.select(&mut workers[turn % 5 % 2]);
            assert_eq!(decision, Decision::endpoint(turn as EndpointIndex % 3), "turn {turn}");
        }
    }

    #[test]
    fn leaves_out_who_may_not_be_chosen() {
        let host = fake::Host::new().endpoints(4);
        host.change_endpoints(|endpoints| {
            endpoints[0].health = Health::Draining;
            endpoints[1].health = Health::Unhealthy;
            endpoints[2].health = Health::Degraded;
        });
        let mut plugin = host.start::<RoundRobin>(json!({})).unwrap();
        let chosen = [(); 4].map(|()| host.select(&mut plugin));
        assert_eq!(chosen, [2, 3, 2, 3].map(Decision::endpoint));
    }

    #[test]
    fn a_retry_goes_to_another_endpoint_until_none_is_left() {
        let host = fake::Host::new().endpoints(2);
        let mut plugin = host.start::<RoundRobin>(json!({})).unwrap();
        let mut exchange = host.exchange(fake::Request::get("/"));
        assert_eq!(exchange.select(&mut plugin), Decision::endpoint(0));
        host.select(&mut plugin);
        exchange.failed();
        assert_eq!(exchange.select(&mut plugin), Decision::endpoint(1), "the cursor is at 0 again");
        exchange.failed();
        assert_eq!(exchange.select(&mut plugin), Decision::pass());
    }

    #[test]
    fn passes_without_endpoints_and_takes_no_configuration() {
        let host = fake::Host::new();
        let mut plugin = host.start::<RoundRobin>(json!({})).unwrap();
        assert_eq!(host.select(&mut plugin), Decision::pass());
        assert!(host.start::<RoundRobin>(json!({ "weights": [1] })).is_err());
    }
}
