//! The life of a session, from the first answer to the death of its endpoint.

use super::*;
use sluice_plugin::Health;
use sluice_plugin::fake::{self, Exchange, Head, Host, Instance, Value, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

fn start(config: Value) -> (Host, Instance<StickySession>) {
    let host = Host::new().endpoints(3);
    let plugin = host.start(config).unwrap();
    (host, plugin)
}

/// The cookie that an answer sets.
fn cookie_set(exchange: &mut Exchange, plugin: &mut Instance<StickySession>) -> Option<String> {
    let mut head = Head::new(200).with_header("set-cookie", "backend=1");
    exchange.respond(plugin, &mut head);
    let fields = head.header_values("set-cookie");
    assert_eq!(fields[0], "backend=1", "the backend's own cookies stay");
    assert!(fields.len() <= 2, "one cookie only");
    fields.get(1).map(|field| (*field).into())
}

/// A request that carries what an answer set.
fn request_with(cookie: &str) -> fake::Request {
    let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
    fake::Request::get("/").cookie("other", "1").cookie(name, value)
}

/// A session on that endpoint: the cookie of its first answer.
fn session(host: &Host, plugin: &mut Instance<StickySession>, endpoint: EndpointIndex) -> String {
    let mut exchange = host.exchange(fake::Request::get("/"));
    assert_eq!(exchange.select(plugin), Decision::pass().tagged(BIND));
    exchange.served_by(endpoint);
    cookie_set(&mut exchange, plugin).unwrap()
}

#[test]
fn a_session_stays_where_it_began_on_every_worker() {
    let (host, mut plugin) = start(json!({}));
    let cookie = session(&host, &mut plugin, 2);
    let mut other_worker = host.start::<StickySession>(json!({})).unwrap();
    for plugin in [&mut plugin, &mut other_worker] {
        let mut exchange = host.exchange(request_with(&cookie));
        assert_eq!(exchange.select(plugin), Decision::endpoint(2));
        assert_eq!(cookie_set(&mut exchange, plugin), None, "nothing new to say");
    }
}

#[test]
fn the_cookie_is_sealed_and_has_the_attributes_asked_for() {
    let (host, mut plugin) = start(json!({}));
    let cookie = session(&host, &mut plugin, 2);
    assert!(cookie.starts_with("sluice="), "{cookie}");
    assert_ne!(cookie, session(&host, &mut plugin, 2), "two tokens of one endpoint differ");
    assert!(cookie.ends_with("; Path=/; SameSite=Lax; Secure; HttpOnly"), "{cookie}");

    let (host, mut plugin) = start(json!({
        "cookie": "app", "ttl": "1h", "path": "/app", "domain": "example.com", "secure": true, "http-only": false,
        "same-site": "none", "partitioned": true,
    }));
    let cookie = session(&host, &mut plugin, 2);
    assert!(cookie.starts_with("app="), "{cookie}");
    assert!(cookie.ends_with("; Path=/app; Domain=example.com; Max-Age=3600; SameSite=None; Secure; Partitioned"));
}

#[test]
fn a_forged_or_foreign_cookie_is_a_new_session() {
    let (host, mut plugin) = start(json!({}));
    let cookie = session(&host, &mut plugin, 2);
    for forged in ["sluice=e2", "sluice=", &cookie.replace("sluice=", "sluice=00")] {
        let decision = host.exchange(request_with(forged)).select(&mut plugin);
        assert_eq!(decision, Decision::pass().tagged(BIND), "{forged}");
    }
}

#[test]
fn a_draining_endpoint_keeps_its_sessions_and_a_dead_one_loses_them() {
    let (host, mut plugin) = start(json!({}));
    let cookie = session(&host, &mut plugin, 1);
    host.change_endpoints(|endpoints| endpoints[1].health = Health::Draining);
    let mut exchange = host.exchange(request_with(&cookie));
    exchange.select(&mut plugin);
    assert_eq!(exchange.serving(), Some(1));

    host.change_endpoints(|endpoints| endpoints[1].health = Health::Unhealthy);
    let mut exchange = host.exchange(request_with(&cookie));
    assert_eq!(exchange.select(&mut plugin), Decision::pass().tagged(BIND));
    exchange.served_by(2);
    let renewed = cookie_set(&mut exchange, &mut plugin).unwrap();
    assert_eq!(host.exchange(request_with(&renewed)).select(&mut plugin), Decision::endpoint(2));
}

#[test]
fn a_session_follows_its_endpoint_to_another_index_and_moves_when_it_is_gone() {
    let (host, mut plugin) = start(json!({}));
    let cookie = session(&host, &mut plugin, 1);
    host.change_endpoints(|endpoints| drop(endpoints.remove(0)));
    assert_eq!(host.exchange(request_with(&cookie)).select(&mut plugin), Decision::endpoint(0));
    host.change_endpoints(|endpoints| drop(endpoints.remove(0)));
    assert_eq!(host.exchange(request_with(&cookie)).select(&mut plugin), Decision::pass().tagged(BIND));
}

#[test]
fn a_session_moves_when_its_endpoint_failed_in_this_exchange() {
    let (host, mut plugin) = start(json!({}));
    let cookie = session(&host, &mut plugin, 1);
    let mut exchange = host.exchange(request_with(&cookie));
    assert_eq!(exchange.select(&mut plugin), Decision::endpoint(1));
    exchange.failed();
    assert_eq!(exchange.select(&mut plugin), Decision::pass().tagged(BIND));
    exchange.served_by(0);
    let renewed = cookie_set(&mut exchange, &mut plugin).unwrap();
    assert_eq!(host.exchange(request_with(&renewed)).select(&mut plugin), Decision::endpoint(0));
}

#[test]
fn a_session_stays_bound_when_its_endpoint_is_merely_full() {
    let (host, mut plugin) = start(json!({ "ttl": "1h" }));
    let cookie = session(&host, &mut plugin, 1);
    for age in [Duration::ZERO, HOUR * 3 / 4] {
        host.advance(age);
        let mut exchange = host.exchange(request_with(&cookie));
        exchange.select(&mut plugin);
        exchange.served_by(0);
        assert_eq!(cookie_set(&mut exchange, &mut plugin), None);
    }
}

#[test]
fn a_session_in_use_is_renewed_and_one_without_use_ends() {
    let (host, mut plugin) = start(json!({ "ttl": "1h" }));
    let mut cookie = session(&host, &mut plugin, 1);
    for _ in 0..3 {
        host.advance(HOUR * 3 / 4);
        let mut exchange = host.exchange(request_with(&cookie));
        assert_eq!(exchange.select(&mut plugin), Decision::endpoint(1).tagged(RENEW));
        cookie = cookie_set(&mut exchange, &mut plugin).unwrap();
    }
    host.advance(HOUR);
    assert_eq!(host.exchange(request_with(&cookie)).select(&mut plugin), Decision::pass().tagged(BIND));
}

#[test]
fn an_answer_of_the_gateway_itself_sets_no_cookie() {
    let (host, mut plugin) = start(json!({}));
    host.change_endpoints(Vec::clear);
    let mut exchange = host.exchange(fake::Request::get("/"));
    exchange.select(&mut plugin);
    assert_eq!(exchange.serving(), None);
    assert_eq!(cookie_set(&mut exchange, &mut plugin), None);
}

#[test]
fn mistakes_have_places() {
    for (config, places) in [
        (json!({ "cookie": "a b" }), vec!["/cookie"]),
        (json!({ "ttl": 60 }), vec!["/ttl"]),
        (json!({ "ttl": "10ms" }), vec!["/ttl"]),
        (json!({ "path": "app", "domain": "a;b" }), vec!["/path", "/domain"]),
        (json!({ "same-site": "none", "partitioned": true, "secure": false }), vec!["/same-site", "/partitioned"]),
        (json!({ "same-site": "Lax" }), vec!["/same-site"]),
        (json!({ "cookie": "__Host-a", "path": "/app" }), vec!["/cookie"]),
        (json!({ "httponly": true }), vec!["/httponly"]),
    ] {
        let issues = Host::new().start::<StickySession>(config.clone()).unwrap_err();
        assert_eq!(issues.iter().map(|issue| issue.at.as_str()).collect::<Vec<_>>(), places, "{config}");
    }
}
