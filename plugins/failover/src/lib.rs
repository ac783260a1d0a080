//! Sends all requests to the group of endpoints with the lowest `priority` that is healthy, in rotation, and to the next
//! group only while that one is not. It goes back as soon as the first is healthy again.
//!
//! Configuration:
//! - `at-least`: how many endpoints of a group must be healthy for it to count, a number or a share of the group: `1` by
//!   default, `2`, `"50%"`. Where no group has that many, the first with any is used.
//!
//! In a route's `routing` it does the same with upstreams, for regions and sites: requests go to the route's own one, or to the
//! first of its `upstreams` while too few of the endpoints before are healthy (`at-least` is a number there). An upstream with
//! `when-all-bad = "use-all"`, the default, always has some: say `"refuse"` of all but the last.
//!
//! The groups are the endpoints' `priority`, 0 where none is configured. Use it for a standby that costs money or is behind,
//! such as a second site or a read-only copy. The rotation regards no weights; one cursor serves all workers.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{
    Amount, EndpointIndex, Issues, Members, Plugin, Request, Rotation, Routing, Selection, Setup, UpstreamIndex,
    routing, upstreams,
};
use std::collections::BTreeMap;

/// When a group counts.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Config {
    /// How many endpoints of a group must be healthy for it to count: a number, or a share of the group.
    at_least: Amount,
}

impl Default for Config {
    fn default() -> Self {
        Self { at_least: Amount::Count(1) }
    }
}

struct Failover {
    at_least: Amount,
    rotation: Rotation,
    /// Those that may be chosen of each group: groups that count before the others, then by priority.
    groups: Vec<Vec<EndpointIndex>>,
    /// How many it may choose from as a routing plugin.
    upstreams: UpstreamIndex,
}

sluice_plugin::export!(Failover: Selection, Routing);

impl Plugin for Failover {
    type Config = Config;

    fn new(config: Config, setup: &Setup) -> Result<Self, Issues> {
        let upstreams = setup.upstreams().len() as UpstreamIndex;
        if upstreams > 0 && matches!(config.at_least, Amount::Share(_)) {
            return Err(Issues::one(
                "/at-least",
                "expected a number: in `routing` nobody knows how many endpoints there are",
            ));
        }
        let rotation = Rotation::open("cursor");
        Ok(Self { at_least: config.at_least, rotation, groups: Vec::new(), upstreams })
    }
}

impl Selection for Failover {
    fn set_endpoints(&mut self, members: &Members) {
        let priorities = members.priorities();
        let mut groups: BTreeMap<u32, Vec<EndpointIndex>> = BTreeMap::new();
        for endpoint in members.choosable() {
            groups.entry(priorities[endpoint as usize]).or_default().push(endpoint);
        }
        let counts = |priority: &u32, healthy: &[EndpointIndex]| {
            let all = priorities.iter().filter(|&other| other == priority).count();
            self.at_least.is_reached(healthy.len(), all)
        };
        let (first, last): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(priority, healthy)| counts(priority, healthy));
        self.groups = first.into_iter().chain(last).map(|(_, healthy)| healthy).collect();
    }

    fn select(&mut self, input: Input, _: Option<&Request>) -> Decision {
        // Past the first group only in a retry that has tried all of it.
        let endpoint = self.groups.iter().find_map(|group| self.rotation.next(group, input.attempt));
        endpoint.map_or(Decision::pass(), Decision::endpoint)
    }
}

impl Routing for Failover {
    fn route(&mut self, _: routing::Input, _: &Request) -> routing::Decision {
        // The first that counts is found with one question, and the last one is asked about only if none does.
        let healthy = |upstream: &UpstreamIndex| upstreams::healthy(*upstream) as usize;
        let counts = |upstream: &UpstreamIndex| self.at_least.is_reached(healthy(upstream), usize::MAX);
        let first = (0..self.upstreams).find(counts);
        let upstream = first.or_else(|| (0..self.upstreams).find(|upstream| healthy(upstream) > 0));
        upstream.map_or(routing::Decision::pass(), routing::Decision::upstream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_plugin::Health;
    use sluice_plugin::fake::{self, Host, Instance, Value, json};

    /// Endpoints of those priorities.
    fn start(priorities: &[u32], config: Value) -> (Host, Instance<Failover>) {
        let host = Host::new().endpoints(priorities.len());
        host.change_endpoints(|endpoints| {
            endpoints.iter_mut().zip(priorities).for_each(|(endpoint, priority)| endpoint.priority = *priority);
        });
        let plugin = host.start(config).unwrap();
        (host, plugin)
    }

    fn set_health(host: &Host, endpoint: usize, health: Health) {
        host.change_endpoints(|endpoints| endpoints[endpoint].health = health);
    }

    fn assert_rotates(host: &Host, plugin: &mut Instance<Failover>, due: &[EndpointIndex]) {
        let mut chosen: Vec<_> = due.iter().map(|_| host.select(plugin)).collect();
        let first = chosen.iter().position(|decision| *decision == Decision::endpoint(due[0])).unwrap_or(0);
        chosen.rotate_left(first);
        assert_eq!(chosen, due.iter().copied().map(Decision::endpoint).collect::<Vec<_>>());
    }

    #[test]
    fn the_lowest_group_that_is_healthy_serves_alone() {
        let (host, mut plugin) = start(&[7, 0, 7, 0, 1], json!({}));
        assert_rotates(&host, &mut plugin, &[1, 3]);
        set_health(&host, 1, Health::Unhealthy);
        assert_rotates(&host, &mut plugin, &[3]);
        set_health(&host, 3, Health::Draining);
        assert_rotates(&host, &mut plugin, &[4]);
        set_health(&host, 4, Health::Unhealthy);
        assert_rotates(&host, &mut plugin, &[0, 2]);
        set_health(&host, 3, Health::Degraded);
        assert_rotates(&host, &mut plugin, &[3]);
    }

    #[test]
    fn the_rotation_holds_across_workers() {
        let (host, mut one) = start(&[0, 0, 0, 1], json!({}));
        let mut other = host.start::<Failover>(json!({})).unwrap();
        let chosen = [0, 1, 1, 0, 0, 1].map(|worker| host.select(if worker == 0 { &mut one } else { &mut other }));
        assert_eq!(chosen, [0, 1, 2, 0, 1, 2].map(Decision::endpoint));
    }

    #[test]
    fn a_group_counts_from_a_number_or_a_share_on() {
        for (at_least, due) in
            [(json!(1), 0), (json!(2), 0), (json!(3), 4), (json!("50%"), 0), (json!("51%"), 4), (json!(9), 0)]
        {
            let (host, mut plugin) = start(&[0, 0, 0, 0, 1, 1, 1], json!({ "at-least": at_least }));
            set_health(&host, 2, Health::Unhealthy);
            set_health(&host, 3, Health::Unhealthy);
            assert_eq!(host.select(&mut plugin), Decision::endpoint(due), "{at_least}");
        }
    }

    #[test]
    fn a_retry_goes_through_the_group_and_then_to_the_next() {
        let (host, mut plugin) = start(&[1, 0, 0], json!({}));
        let mut exchange = host.exchange(fake::Request::get("/"));
        for due in [1, 2, 0] {
            assert_eq!(exchange.select(&mut plugin), Decision::endpoint(due));
            exchange.failed();
        }
        assert_eq!(exchange.select(&mut plugin), Decision::pass());
    }

    #[test]
    fn of_upstreams_the_first_with_enough_takes_all() {
        let host = Host::new().upstreams(&["eu", "us", "asia"]);
        let mut plugin = host.start::<Failover>(json!({ "at-least": 2 })).unwrap();
        for (healthy, due) in [([2, 2, 2], 0), ([1, 2, 9], 1), ([1, 1, 2], 2), ([0, 1, 1], 1), ([0, 0, 1], 2)] {
            ["eu", "us", "asia"].iter().zip(healthy).for_each(|(name, healthy)| host.set_healthy(name, healthy));
            let decision = host.exchange(fake::Request::get("/")).route(&mut plugin);
            assert_eq!(decision, routing::Decision::upstream(due), "{healthy:?}");
        }
        ["eu", "us", "asia"].iter().for_each(|name| host.set_healthy(name, 0));
        assert_eq!(host.exchange(fake::Request::get("/")).route(&mut plugin), routing::Decision::pass());
        let issues = host.start::<Failover>(json!({ "at-least": "50%" })).unwrap_err();
        assert_eq!(issues.iter().map(|issue| issue.at.as_str()).collect::<Vec<_>>(), ["/at-least"]);
    }

    #[test]
    fn passes_without_endpoints_and_mistakes_have_places() {
        let (host, mut plugin) = start(&[], json!({}));
        assert_eq!(host.select(&mut plugin), Decision::pass());
        for (config, place) in [
            (json!({ "at-least": 0 }), "/at-least"),
            (json!({ "at-least": "half" }), "/at-least"),
            (json!({ "atleast": 1 }), "/atleast"),
        ] {
            let issues = Host::new().start::<Failover>(config.clone()).unwrap_err();
            assert_eq!(issues.iter().map(|issue| issue.at.as_str()).collect::<Vec<_>>(), [place], "{config}");
        }
    }
}
