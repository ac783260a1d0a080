//! Draws two different endpoints, weighted, and takes the one with fewer requests in flight per weight. That is nearly as
//! even as looking at all of them, costs the same for ten endpoints as for a thousand, and gateways that do not know of each
//! other do not all pick the same idle endpoint.
//!
//! It takes no configuration. Use it for many endpoints or many gateways; `least-connections` is more even for few.

use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{
    EndpointIndex, Issues, Members, NoConfig, Plugin, Request, Selection, Setup, Shares, below, endpoints, mix,
};

struct PowerOfTwoChoices {
    shares: Shares,
}

sluice_plugin::export!(PowerOfTwoChoices: Selection);

impl Plugin for PowerOfTwoChoices {
    type Config = NoConfig;

    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self { shares: Shares::default() })
    }
}

impl Selection for PowerOfTwoChoices {
    fn set_endpoints(&mut self, members: &Members) {
        self.shares = members.shares();
    }

    fn select(&mut self, input: Input, _: Option<&Request>) -> Decision {
        let Some(first) = self.shares.at(below(input.random, self.shares.total())) else {
            return Decision::pass();
        };
        let second = self.draw_another(mix(input.random), first);
        let may_serve = |endpoint: &EndpointIndex| input.attempt == 0 || !endpoints::tried(*endpoint);
        match (Some(first).filter(may_serve), second.filter(may_serve)) {
            (Some(first), Some(second)) => Decision::endpoint(self.less_busy(first, second)),
            (Some(endpoint), None) | (None, Some(endpoint)) => Decision::endpoint(endpoint),
            (None, None) => Decision::pass(),
        }
    }
}

impl PowerOfTwoChoices {
    /// A weighted draw from all but that endpoint: its part is cut out of the line, and points behind it move up.
    fn draw_another(&self, random: u64, first: EndpointIndex) -> Option<EndpointIndex> {
        let (start, share) = (self.shares.start(first), self.shares.of(first));
        let point = below(random, self.shares.total() - share);
        self.shares.at(if point < start { point } else { point + share })
    }

    /// Compares in flight / share without dividing. Equally busy: the first, so that shares follow the weights at rest.
    fn less_busy(&self, first: EndpointIndex, second: EndpointIndex) -> EndpointIndex {
        let first_load = u64::from(endpoints::in_flight(first)) * self.shares.of(second);
        let second_load = u64::from(endpoints::in_flight(second)) * self.shares.of(first);
        if second_load < first_load { second } else { first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_plugin::fake::{self, Instance, json};

    fn times(host: &fake::Host, plugin: &mut Instance<PowerOfTwoChoices>, count: usize, draws: usize) -> Vec<usize> {
        let mut times = vec![0; count];
        for _ in 0..draws {
            match host.select(plugin) {
                Decision::Endpoint(choice) => times[choice.endpoint as usize] += 1,
                other => panic!("{other:?}"),
            }
        }
        times
    }

    #[test]
    fn the_busiest_is_never_chosen_and_the_idlest_most_often() {
        let host = fake::Host::new().endpoints(4);
        host.set_in_flight(&[3, 0, 2, 1]);
        let mut plugin = host.start::<PowerOfTwoChoices>(json!({})).unwrap();
        let times = times(&host, &mut plugin, 4, 12_000);
        assert_eq!(times[0], 0);
        // Of the six pairs, one is won by endpoint 2, two by endpoint 3, three by endpoint 1.
        for (endpoint, due) in [(2, 2000), (3, 4000), (1, 6000)] {
            assert!(times[endpoint].abs_diff(due) < 200, "{times:?}");
        }
    }

    #[test]
    fn load_counts_per_weight() {
        let host = fake::Host::new().weights(&[10, 1]);
        let mut plugin = host.start::<PowerOfTwoChoices>(json!({})).unwrap();
        host.set_in_flight(&[9, 1]);
        assert_eq!(times(&host, &mut plugin, 2, 100), [100, 0]);
        host.set_in_flight(&[11, 1]);
        assert_eq!(times(&host, &mut plugin, 2, 100), [0, 100]);
    }

    #[test]
    fn shares_follow_the_weights_at_rest() {
        let host = fake::Host::new().weights(&[1, 3]);
        let mut plugin = host.start::<PowerOfTwoChoices>(json!({})).unwrap();
        let times = times(&host, &mut plugin, 2, 10_000);
        assert!(times[0].abs_diff(2500) < 200, "{times:?}");
    }

    #[test]
    fn a_retry_takes_the_other_and_few_endpoints_are_enough() {
        let host = fake::Host::new().endpoints(2);
        let mut plugin = host.start::<PowerOfTwoChoices>(json!({})).unwrap();
        let mut exchange = host.exchange(fake::Request::get("/"));
        let first = exchange.select(&mut plugin);
        exchange.failed();
        let second = exchange.select(&mut plugin);
        assert_ne!(first, second);
        exchange.failed();
        assert_eq!(exchange.select(&mut plugin), Decision::pass());

        host.change_endpoints(|endpoints| endpoints.truncate(1));
        assert_eq!(host.select(&mut plugin), Decision::endpoint(0));
        host.change_endpoints(Vec::clear);
        assert_eq!(host.select(&mut plugin), Decision::pass());
    }
}
