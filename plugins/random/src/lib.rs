//! Weighted random choice, from the random number that the host hands over.
//!
//! It takes no configuration. Use it where many gateways share the same endpoints: they need no common cursor, and none of
//! them marches in step with another.

use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{Issues, Members, NoConfig, Plugin, Request, Selection, Setup, Shares, below, endpoints};

struct Random {
    shares: Shares,
}

sluice_plugin::export!(Random: Selection);

impl Plugin for Random {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self { shares: Shares::default() })
    }
}

impl Selection for Random {
    fn set_endpoints(&mut self, members: &Members) {
        self.shares = members.shares();
    }

    fn select(&mut self, input: Input, _: Option<&Request>) -> Decision {
        match self.shares.at(below(input.random, self.shares.total())) {
            // The host's own fallback is a weighted random choice among those that are left.
            Some(endpoint) if input.attempt > 0 && endpoints::tried(endpoint) => Decision::pass(),
            Some(endpoint) => Decision::endpoint(endpoint),
            None => Decision::pass(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_plugin::Health;
    use sluice_plugin::fake::{self, json};

    #[test]
    fn shares_follow_the_weights() {
        let weights = [1, 2, 3, 10, 84];
        let host = fake::Host::new().weights(&weights).random(7);
        let mut plugin = host.start::<Random>(json!({})).unwrap();
        let mut times = [0.0; 5];
        for _ in 0..100_000 {
            match host.select(&mut plugin) {
                Decision::Endpoint(choice) => times[choice.endpoint as usize] += 1.0,
                other => panic!("{other:?}"),
            }
        }
        let expected = weights.map(|weight| f64::from(weight) * 1000.0);
        let chi_square: f64 =
            times.iter().zip(expected).map(|(times, due): (&f64, f64)| (times - due).powi(2) / due).sum();
        // 4 degrees of freedom: a fair draw is above 18.5 once in a thousand seeds.
        assert!(chi_square < 18.5, "{times:?}");
    }

    #[test]
    fn who_may_not_be_chosen_is_not() {
        let host = fake::Host::new().endpoints(3);
        host.change_endpoints(|endpoints| endpoints[1].health = Health::Unhealthy);
        let mut plugin = host.start::<Random>(json!({})).unwrap();
        assert!((0..1000).all(|_| host.select(&mut plugin) != Decision::endpoint(1)));
        host.change_endpoints(Vec::clear);
        assert_eq!(host.select(&mut plugin), Decision::pass());
    }

    #[test]
    fn a_retry_leaves_a_tried_endpoint_to_the_host() {
        let host = fake::Host::new().endpoints(1);
        let mut plugin = host.start::<Random>(json!({})).unwrap();
        let mut exchange = host.exchange(fake::Request::get("/"));
        assert_eq!(exchange.select(&mut plugin), Decision::endpoint(0));
        exchange.failed();
        assert_eq!(exchange.select(&mut plugin), Decision::pass());
    }
}
