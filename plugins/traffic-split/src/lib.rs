//! Splits a route's traffic between upstreams by weight, for canaries and blue-green. The same client stays on the same side,
//! on every worker and every gateway with the same `hash-seed`, and when one share grows only the clients that it gains move.
//!
//! Configuration:
//! - `shares`: the weight of each upstream, in no unit: `{ app = 95, app-next = 5 }`. A share of 0 is reached by force only.
//! - `key`: what makes a client the same, as in `consistent-hash`; `["client-ip"]` by default. A request with none of the
//!   sources is split at random.
//! - `header`, `cookie`: a field or cookie whose value names the upstream and overrules the split; any other value is
//!   ignored.
//!
//! How it splits: each upstream draws a number for each key, and the greatest wins (weighted rendezvous hashing). A draw
//! depends on one upstream alone, so changing one share moves keys to it or from it, never between others.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::routing::{Decision, Input};
use sluice_plugin::{
    Issues, KeySources, Plugin, Request, Routing, Setup, UpstreamIndex, is_field_name, mix, pointer, stable_hash,
};
use std::collections::BTreeMap;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// The weight of each upstream, in no unit.
    shares: BTreeMap<String, u32>,
    /// What makes a client the same: the first source that a request has.
    #[serde(default)]
    key: KeySources,
    /// A request field whose value names the upstream.
    header: Option<String>,
    /// A cookie whose value names the upstream.
    cookie: Option<String>,
}

struct TrafficSplit {
    sides: Vec<Side>,
    header: Option<String>,
    cookie: Option<String>,
}

struct Side {
    name: String,
    upstream: UpstreamIndex,
    share: f64,
    /// Of its name, so that its draws are its own.
    hash: u64,
}

sluice_plugin::export!(TrafficSplit: Routing);

impl Plugin for TrafficSplit {
    type Config = Config;

    fn new(config: Config, setup: &Setup) -> Result<Self, Issues> {
        let mut issues = Issues::new();
        let known = setup.upstreams();
        let mut sides = Vec::new();
        for (name, share) in config.shares {
            let Some(upstream) = known.iter().position(|known| *known == name) else {
                let message = format!("not an upstream of this route, which has {}", known.join(", "));
                issues.add(pointer(["shares", name.as_str()]), message);
                continue;
            };
            let hash = stable_hash(setup.seed(), name.as_bytes());
            sides.push(Side { name, upstream: upstream as UpstreamIndex, share: share.into(), hash });
        }
        if issues.is_empty() && sides.iter().all(|side| side.share == 0.0) {
            issues.add("/shares", "expected at least one above 0");
        }
        if config.header.as_deref().is_some_and(|name| !is_field_name(name)) {
            issues.add("/header", "not a legal field name");
        }
        issues.result()?;
        setup.want_key(&config.key);
        Ok(Self { sides, header: config.header, cookie: config.cookie })
    }
}

impl Routing for TrafficSplit {
    fn route(&mut self, input: Input, request: &Request) -> Decision {
        let side = self.forced(request).or_else(|| self.drawn(input.key.unwrap_or(input.random)));
        side.map_or(Decision::pass(), |side| Decision::upstream(side.upstream))
    }
}

impl TrafficSplit {
    /// The side that the request itself names.
    fn forced(&self, request: &Request) -> Option<&Side> {
        let named = |name: String| self.sides.iter().find(|side| side.name == name);
        let by_header = self.header.as_deref().and_then(|name| request.header(name)).and_then(named);
        by_header.or_else(|| self.cookie.as_deref().and_then(|name| request.cookie(name)).and_then(named))
    }

    /// The side with the greatest draw for that key.
    fn drawn(&self, key: u64) -> Option<&Side> {
        self.sides.iter().max_by(|one, other| one.draw(key).total_cmp(&other.draw(key)))
    }
}

impl Side {
    /// Even draws from 0 to 1, raised to 1 / share: the greatest of several is then this one with the chance of its share.
    /// As a logarithm, which orders them alike. A share of 0 draws minus infinity.
    fn draw(&self, key: u64) -> f64 {
        let even = ((mix(key ^ self.hash) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        even.ln() / self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_plugin::fake::{self, Instance, json};
    use std::net::Ipv4Addr;

    const APP: Decision = Decision::upstream(0);
    const NEXT: Decision = Decision::upstream(1);

    fn host() -> fake::Host {
        fake::Host::new().upstreams(&["app", "app-next", "app-old"])
    }

    fn split(host: &fake::Host, shares: fake::Value) -> Instance<TrafficSplit> {
        host.start(json!({ "shares": shares })).unwrap()
    }

    /// The decisions for 10,000 clients.
    fn decisions(host: &fake::Host, plugin: &mut Instance<TrafficSplit>) -> Vec<Decision> {
        let request = |client: u32| fake::Request::get("/").client_ip(Ipv4Addr::from_bits(0x0a00_0000 + client));
        (0..10_000).map(|client| host.exchange(request(client)).route(plugin)).collect()
    }

    fn percent(decisions: &[Decision], wanted: Decision) -> f64 {
        decisions.iter().filter(|&&decision| decision == wanted).count() as f64 / decisions.len() as f64 * 100.0
    }

    #[test]
    fn shares_hold_within_a_percentage_point() {
        let host = host();
        for (shares, due) in [
            (json!({ "app": 95, "app-next": 5 }), [95.0, 5.0]),
            (json!({ "app": 1, "app-next": 1 }), [50.0, 50.0]),
            (json!({ "app": 600, "app-next": 300, "app-old": 100 }), [60.0, 30.0]),
            (json!({ "app": 0, "app-next": 7 }), [0.0, 100.0]),
        ] {
            let decisions = decisions(&host, &mut split(&host, shares.clone()));
            for (decision, due) in [APP, NEXT].into_iter().zip(due) {
                let percent = percent(&decisions, decision);
                assert!((percent - due).abs() < 1.0, "{percent} % instead of {due} % of {shares}");
            }
        }
    }

    #[test]
    fn a_growing_share_moves_only_what_it_gains() {
        let host = host();
        let before = decisions(&host, &mut split(&host, json!({ "app": 90, "app-next": 5, "app-old": 5 })));
        let after = decisions(&host, &mut split(&host, json!({ "app": 90, "app-next": 15, "app-old": 5 })));
        let moved: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        assert!(moved.iter().all(|(_, after)| **after == NEXT));
        assert!((percent(&after, NEXT) - percent(&before, NEXT) - moved.len() as f64 / 100.0).abs() < 0.001);
    }

    #[test]
    fn every_gateway_splits_alike_whatever_the_order_of_its_upstreams() {
        let (one, other) = (host().seed(3), fake::Host::new().seed(3).upstreams(&["app-next", "app"]));
        let shares = json!({ "app": 1, "app-next": 1 });
        let first = decisions(&one, &mut split(&one, shares.clone()));
        let second = decisions(&other, &mut split(&other, shares));
        assert!(first.iter().zip(&second).all(|(first, second)| (*first == APP) == (*second == NEXT)));
    }

    #[test]
    fn header_and_cookie_force_a_side() {
        let host = host();
        let config = json!({ "shares": { "app": 1, "app-next": 0 }, "header": "x-canary", "cookie": "canary" });
        let mut plugin = host.start::<TrafficSplit>(config).unwrap();
        let get = || fake::Request::get("/");
        for (request, due) in [
            (get(), APP),
            (get().header("X-Canary", "app-next"), NEXT),
            (get().header("x-canary", "app-old"), APP),
            (get().cookie("canary", "app-next"), NEXT),
            (get().cookie("canary", "app-next").header("x-canary", "app"), APP),
        ] {
            assert_eq!(host.exchange(request.clone()).route(&mut plugin), due, "{request:?}");
        }
    }

    #[test]
    fn without_a_key_the_split_is_random() {
        let host = host();
        let config = json!({ "shares": { "app": 1, "app-next": 1 }, "key": [{ "header": "x-user" }] });
        let mut plugin = host.start::<TrafficSplit>(config).unwrap();
        let decisions: Vec<_> =
            (0..10_000).map(|_| host.exchange(fake::Request::get("/")).route(&mut plugin)).collect();
        assert!((percent(&decisions, APP) - 50.0).abs() < 2.0);
    }

    #[test]
    fn mistakes_have_places() {
        for (config, place) in [
            (json!({}), ""),
            (json!({ "shares": {} }), "/shares"),
            (json!({ "shares": { "app": 0 } }), "/shares"),
            (json!({ "shares": { "app": 1, "ap/x": 1 } }), "/shares/ap~1x"),
            (json!({ "shares": { "app": "1" } }), "/shares/app"),
            (json!({ "shares": { "app": 1 }, "header": "x canary" }), "/header"),
            (json!({ "shares": { "app": 1 }, "headers": "x" }), "/headers"),
        ] {
            let issues = host().start::<TrafficSplit>(config.clone()).unwrap_err();
            assert_eq!(issues.iter().map(|issue| issue.at.as_str()).collect::<Vec<_>>(), [place], "{config}");
        }
    }
}
