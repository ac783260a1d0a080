//! Where requests go, and when they go further.

use super::*;
use sluice_plugin::Health;
use sluice_plugin::fake::{self, Host, Instance, Value, json};

/// Two endpoints in each of `a`, `b` and `c`, and a seventh that stands nowhere.
fn host() -> Host {
    let host = Host::new().endpoints(7);
    host.change_endpoints(|endpoints| {
        for (endpoint, zone) in endpoints.iter_mut().zip(["a", "a", "b", "b", "c", "c"]) {
            endpoint.zone = zone.into();
        }
    });
    host
}

/// From `a` things spill to `b` and then to `c`.
fn zones(more: Value) -> Value {
    let mut config = json!({ "zones": {
        "a": { "clients": ["10.1.0.0/16", "2001:db8:1::/48"], "spill-to": ["b", "c"] },
        "b": { "clients": ["10.2.0.0/16", "10.1.7.0/24"] },
    } });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

fn from(client: [u8; 4]) -> fake::Request {
    fake::Request::get("/").client_ip(client)
}

/// Who gets requests of that client, all equally busy or not as the host says.
fn places(host: &Host, plugin: &mut Instance<NearestZone>, client: [u8; 4]) -> Vec<EndpointIndex> {
    let choose = |_| match host.exchange(from(client)).select(plugin) {
        Decision::Endpoint(choice) => choice.endpoint,
        other => panic!("{other:?}"),
    };
    let mut places: Vec<_> = (0..200).map(choose).collect();
    places.sort_unstable();
    places.dedup();
    places
}

const A: [u8; 4] = [10, 1, 0, 1];
const B: [u8; 4] = [10, 2, 0, 1];
const UNKNOWN: [u8; 4] = [192, 0, 2, 1];

#[test]
fn clients_are_served_in_their_zone_by_the_narrowest_network() {
    let host = host();
    let mut plugin = host.start(zones(json!({}))).unwrap();
    for (client, due) in [(A, &[0, 1][..]), (B, &[2, 3]), ([10, 1, 7, 1], &[2, 3]), (UNKNOWN, &[0, 1, 2, 3, 4, 5, 6])] {
        assert_eq!(places(&host, &mut plugin, client), due, "{client:?}");
    }
    let request = fake::Request::get("/").client_ip("2001:db8:1::7".parse::<std::net::IpAddr>().unwrap());
    assert!(matches!(host.exchange(request).select(&mut plugin), Decision::Endpoint(choice) if choice.endpoint < 2));
}

#[test]
fn others_are_served_in_the_gateways_zone() {
    let host = host().local_zone("c");
    let mut plugin = host.start(zones(json!({}))).unwrap();
    assert_eq!(places(&host, &mut plugin, UNKNOWN), [4, 5]);
    assert_eq!(places(&host, &mut plugin, A), [0, 1]);
    let mut without_networks = host.start(json!({})).unwrap();
    assert_eq!(places(&host, &mut without_networks, A), [4, 5]);
}

#[test]
fn too_few_healthy_ones_spill_over_in_order() {
    let host = host();
    let mut plugin = host.start(zones(json!({}))).unwrap();
    let mut both = host.start(zones(json!({ "min-healthy": 2 }))).unwrap();
    let steps: [(usize, &[EndpointIndex], &[EndpointIndex]); 5] =
        [(0, &[1], &[2, 3]), (1, &[2, 3], &[2, 3]), (3, &[2], &[4, 5]), (2, &[4, 5], &[4, 5]), (4, &[5], &[5, 6])];
    for (endpoint, due, due_where_both_must_be) in steps {
        host.change_endpoints(|endpoints| endpoints[endpoint].health = Health::Unhealthy);
        assert_eq!(places(&host, &mut plugin, A), due, "{endpoint} went last");
        assert_eq!(places(&host, &mut both, A), due_where_both_must_be, "{endpoint} went last");
    }
    host.change_endpoints(|endpoints| endpoints[5].health = Health::Draining);
    assert_eq!(places(&host, &mut plugin, A), [6], "who stands nowhere comes last");
    host.change_endpoints(|endpoints| endpoints[0].health = Health::Degraded);
    assert_eq!(places(&host, &mut plugin, A), [0]);
}

#[test]
fn a_full_zone_spills_over_in_order_and_no_more_than_is_too_much() {
    let host = host();
    let mut plugin = host.start(zones(json!({ "max-in-flight": 10 }))).unwrap();
    let steps: [(&[u32], &[EndpointIndex]); 6] = [
        (&[9, 10, 0, 0, 0, 0, 0], &[0]),
        (&[10, 10, 0, 0, 0, 0, 0], &[2, 3]),
        (&[0, 20, 1, 0, 0, 0, 0], &[3]),
        (&[10, 10, 11, 9, 0, 0, 0], &[4, 5]),
        (&[10, 10, 10, 10, 10, 10, 11], &[0, 1, 2, 3, 4, 5]),
        (&[15, 4, 10, 10, 0, 0, 0], &[1]),
    ];
    for (in_flight, due) in steps {
        host.set_in_flight(in_flight);
        assert_eq!(places(&host, &mut plugin, A), due, "{in_flight:?}");
    }
}

#[test]
fn the_least_busy_of_a_zone_serves_by_weight() {
    let host = host();
    host.change_endpoints(|endpoints| endpoints[1].weight = 4);
    let mut plugin = host.start(zones(json!({}))).unwrap();
    for (in_flight, due) in [([1, 3, 0, 0, 0, 0, 0], 1), ([1, 5, 0, 0, 0, 0, 0], 0)] {
        host.set_in_flight(&in_flight);
        assert_eq!(places(&host, &mut plugin, A), [due]);
    }
}

#[test]
fn a_retry_stays_near_as_long_as_it_can() {
    let host = host();
    let mut plugin = host.start::<NearestZone>(zones(json!({}))).unwrap();
    let mut exchange = host.exchange(from(A));
    for zone in [0, 0, 1, 1, 2, 2, 3] {
        match exchange.select(&mut plugin) {
            Decision::Endpoint(choice) => assert_eq!(choice.endpoint / 2, zone),
            other => panic!("{other:?}"),
        }
        exchange.failed();
    }
    assert_eq!(exchange.select(&mut plugin), Decision::pass());
}

#[test]
fn passes_without_endpoints_and_mistakes_have_places() {
    let nobody = Host::new();
    assert_eq!(nobody.select(&mut nobody.start::<NearestZone>(json!({})).unwrap()), Decision::pass());
    for (config, places) in [
        (json!({ "zones": { "a": { "clients": ["10.0.0.0/33"] } } }), vec!["/zones/a/clients/0"]),
        (json!({ "zones": { "a": { "client": [] } } }), vec!["/zones/a/client"]),
        (json!({ "zones": { "": {} } }), vec!["/zones"]),
        (
            json!({ "zones": {
                "a": { "clients": ["10.0.0.0/8"], "spill-to": ["b", "a"] },
                "b": { "clients": ["10.9.0.0/8"], "spill-to": ["a", "a"] },
            } }),
            vec!["/zones/a/spill-to/1", "/zones/b/clients/0", "/zones/b/spill-to/1"],
        ),
        (json!({ "min-healthy": "0%", "max-in-flight": 0 }), vec!["/max-in-flight", "/min-healthy"]),
    ] {
        let issues = Host::new().start::<NearestZone>(config.clone()).unwrap_err();
        let mut found: Vec<_> = issues.iter().map(|issue| issue.at.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, places, "{config}");
    }
}
