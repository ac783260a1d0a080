//! Sends the same key to the same endpoint, on every worker and every gateway with the same `hash-seed`, and moves few keys
//! when endpoints come or go: at most about one in n.
//!
//! Configuration:
//! - `key`: where the key comes from; the first source that a request has wins. `["client-ip"]` by default; others are
//!   `"authority"`, `"path"`, `{ header = "x-user" }`, `{ cookie = "user" }`, `{ query-param = "user" }`. A request with none
//!   of them is passed on down the chain.
//! - `load-bound`: how much busier than the mean an endpoint may be, such as 1.25, before its keys spill over to the next in
//!   the table. Unset: no bound.
//!
//! Use it where an endpoint is quicker for keys that it has seen, as caches are. Endpoints that are unhealthy or draining
//! leave the table; their keys come back with them.

mod load;
mod table;

use load::Load;
use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{
    EndpointIndex, Issues, KeySources, Members, Plugin, Request, Selection, Setup, Shares, below, endpoints,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// Where the key comes from: the first source that a request has.
    #[serde(default)]
    key: KeySources,
    /// How much busier than the mean an endpoint may be; above 1.
    load_bound: Option<f64>,
}

struct ConsistentHash {
    load_bound: Option<f64>,
    seed: u64,
    endpoint_count: usize,
    shares: Shares,
    table: Vec<EndpointIndex>,
}

sluice_plugin::export!(ConsistentHash: Selection);

impl Plugin for ConsistentHash {
    type Config = Config;

    fn new(config: Config, setup: &Setup) -> Result<Self, Issues> {
        if config.load_bound.is_some_and(|bound| bound <= 1.0) {
            return Err(Issues::one("/load-bound", "expected more than 1, such as 1.25"));
        }
        setup.want_key(&config.key);
        Ok(Self {
            load_bound: config.load_bound,
            seed: setup.seed(),
            endpoint_count: 0,
            shares: Shares::default(),
            table: Vec::new(),
        })
    }
}

impl Selection for ConsistentHash {
    fn set_endpoints(&mut self, members: &Members) {
        self.endpoint_count = members.count() as usize;
        self.shares = members.shares();
        self.table = table::build(&members.ids(), &self.shares, self.seed);
    }

    fn select(&mut self, input: Input, _: Option<&Request>) -> Decision {
        let Some(key) = input.key else { return Decision::pass() };
        let slot = below(key, self.table.len() as u64) as usize;
        let endpoint = if input.attempt == 0 && self.load_bound.is_none() {
            self.table.get(slot).copied()
        } else {
            self.first_that_may(slot, input.attempt > 0)
        };
        endpoint.map_or(Decision::pass(), Decision::endpoint)
    }
}

impl ConsistentHash {
    /// In the order of the table from that slot on, and round to it, the first endpoint that has room and, in a retry, was
    /// not tried. Each is asked about once.
    fn first_that_may(&self, slot: usize, is_retry: bool) -> Option<EndpointIndex> {
        let load = self.load_bound.map(|bound| Load::now(bound, &self.shares));
        let may_serve = |endpoint| {
            let has_room = load.as_ref().is_none_or(|load| load.has_room(endpoint, self.shares.of(endpoint)));
            has_room && !(is_retry && endpoints::tried(endpoint))
        };
        let mut asked = vec![false; self.endpoint_count];
        let mut is_new = |endpoint: EndpointIndex| !std::mem::replace(&mut asked[endpoint as usize], true);
        let (before, from) = self.table.split_at(slot);
        from.iter().chain(before).copied().find(|&endpoint| is_new(endpoint) && may_serve(endpoint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_plugin::Health;
    use sluice_plugin::fake::{self, Instance, Value, json};

    fn request(user: usize) -> fake::Request {
        fake::Request::get("/").header("x-user", &user.to_string())
    }

    fn start(host: &fake::Host, more: Value) -> Instance<ConsistentHash> {
        let mut config = json!({ "key": [{ "header": "x-user" }] });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        host.start(config).unwrap()
    }

    fn choices(host: &fake::Host, plugin: &mut Instance<ConsistentHash>, users: usize) -> Vec<Decision> {
        (0..users).map(|user| host.exchange(request(user)).select(plugin)).collect()
    }

    #[test]
    fn one_of_ten_leaving_moves_about_a_tenth_of_the_keys_and_they_come_back() {
        let host = fake::Host::new().endpoints(10);
        let mut plugin = start(&host, json!({}));
        let before = choices(&host, &mut plugin, 10_000);
        for health in [Health::Unhealthy, Health::Draining] {
            host.change_endpoints(|endpoints| endpoints[3].health = health);
            let after = choices(&host, &mut plugin, 10_000);
            let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
            assert!((800..1500).contains(&moved), "{moved} of 10,000 keys moved");
            assert!(!after.contains(&Decision::endpoint(3)));
        }
        host.change_endpoints(|endpoints| endpoints[3].health = Health::Healthy);
        assert_eq!(choices(&host, &mut plugin, 10_000), before);
    }

    #[test]
    fn the_first_source_that_is_present_is_the_key() {
        let host = fake::Host::new().endpoints(50);
        let mut by_address = host.start::<ConsistentHash>(json!({})).unwrap();
        let first = host.exchange(request(1)).select(&mut by_address);
        assert_eq!(first, host.exchange(request(2)).select(&mut by_address), "the same client");
        let mut by_user = start(&host, json!({}));
        let users = [1, 2].map(|user| host.exchange(request(user)).select(&mut by_user));
        assert_ne!(users[0], users[1]);
        assert_eq!(host.select(&mut by_user), Decision::pass(), "no such header");
    }

    #[test]
    fn a_retry_goes_to_the_next_in_the_table() {
        let host = fake::Host::new().endpoints(3);
        let mut plugin = start(&host, json!({}));
        let mut exchange = host.exchange(request(1));
        let mut chosen = Vec::new();
        for _ in 0..3 {
            chosen.push(exchange.select(&mut plugin));
            exchange.failed();
        }
        assert!((0..3).all(|endpoint| chosen.contains(&Decision::endpoint(endpoint))), "{chosen:?}");
        assert_eq!(exchange.select(&mut plugin), Decision::pass());
    }

    #[test]
    fn keys_of_a_busy_endpoint_spill_over_and_others_stay() {
        let host = fake::Host::new().endpoints(4);
        let mut plugin = start(&host, json!({ "load-bound": 1.25 }));
        host.set_in_flight(&[10, 10, 10, 10]);
        let calm = choices(&host, &mut plugin, 1000);
        host.set_in_flight(&[20, 10, 5, 5]);
        let busy = choices(&host, &mut plugin, 1000);
        for (calm, busy) in calm.iter().zip(&busy) {
            assert_eq!(calm == busy, *calm != Decision::endpoint(0));
        }
        assert!(!busy.contains(&Decision::endpoint(0)));
    }

    #[test]
    fn mistakes_have_places() {
        for (config, place) in [
            (json!({ "key": [] }), "/key"),
            (json!({ "key": ["client-ip", "port"] }), "/key/1"),
            (json!({ "key": "client-ip" }), "/key"),
            (json!({ "load-bound": 1.0 }), "/load-bound"),
            (json!({ "bound": 2 }), "/bound"),
        ] {
            let issues = fake::Host::new().start::<ConsistentHash>(config.clone()).unwrap_err();
            assert_eq!(issues.iter().map(|issue| issue.at.as_str()).collect::<Vec<_>>(), [place], "{config}");
        }
    }

    #[test]
    fn passes_without_endpoints() {
        let host = fake::Host::new();
        assert_eq!(host.select(&mut host.start::<ConsistentHash>(json!({})).unwrap()), Decision::pass());
        let bound = json!({ "load-bound": 2 });
        assert_eq!(host.select(&mut host.start::<ConsistentHash>(bound).unwrap()), Decision::pass());
    }
}
