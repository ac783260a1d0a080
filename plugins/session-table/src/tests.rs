//! The life of a session, from the answer that names it to the death of its endpoint.

use super::*;
use sluice_plugin::Health;
use sluice_plugin::fake::{self, Head, Host, Instance, Value, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

fn start(config: Value) -> (Host, Instance<SessionTable>) {
    let host = Host::new().endpoints(3);
    let plugin = host.start(config).unwrap();
    (host, plugin)
}

/// A request of that session.
fn of(id: &str) -> fake::Request {
    fake::Request::get("/").cookie("other", "1").cookie("JSESSIONID", id)
}

/// An answer that begins that session.
fn begins(id: &str) -> Head {
    Head::new(200).with_header("set-cookie", "other=1").with_header("set-cookie", &format!("JSESSIONID={id}; Path=/"))
}

/// A request that endpoint answers so.
fn answered(
    host: &Host,
    plugin: &mut Instance<SessionTable>,
    request: fake::Request,
    endpoint: EndpointIndex,
    mut head: Head,
) -> Decision {
    let mut exchange = host.exchange(request);
    let decision = exchange.select(plugin);
    exchange.served_by(endpoint);
    let before = head.clone();
    exchange.respond(plugin, &mut head);
    assert_eq!(head, before, "the client gets what the backend said");
    decision
}

/// That endpoint begins a session.
fn begin(host: &Host, plugin: &mut Instance<SessionTable>, id: &str, endpoint: EndpointIndex) {
    assert_eq!(answered(host, plugin, fake::Request::get("/"), endpoint, begins(id)), Decision::pass());
}

fn choice(host: &Host, plugin: &mut Instance<SessionTable>, id: &str) -> Decision {
    host.exchange(of(id)).select(plugin)
}

#[test]
fn a_session_stays_where_the_backend_began_it_on_every_worker() {
    let (host, mut plugin) = start(json!({}));
    begin(&host, &mut plugin, "one", 2);
    begin(&host, &mut plugin, "two", 1);
    let mut other_worker = host.start::<SessionTable>(json!({})).unwrap();
    for plugin in [&mut plugin, &mut other_worker] {
        assert_eq!(choice(&host, plugin, "one"), Decision::endpoint(2));
        assert_eq!(choice(&host, plugin, "two"), Decision::endpoint(1));
    }
}

#[test]
fn what_no_backend_has_named_is_passed_and_not_kept() {
    let (host, mut plugin) = start(json!({}));
    for _ in 0..2 {
        assert_eq!(answered(&host, &mut plugin, of("forged"), 1, Head::new(200)), Decision::pass());
    }
    assert_eq!(host.stored("app forged"), None);
    // Another cookie, and one that ends the session.
    for field in ["SESSION=two", "jsessionid=two", "JSESSIONID=; Max-Age=0"] {
        let head = Head::new(200).with_header("set-cookie", field);
        answered(&host, &mut plugin, fake::Request::get("/"), 1, head);
    }
    assert_eq!(choice(&host, &mut plugin, "two"), Decision::pass());
    assert_eq!(choice(&host, &mut plugin, ""), Decision::pass());
}

#[test]
fn a_session_may_be_carried_by_another_cookie_or_a_field() {
    let (host, mut plugin) = start(json!({ "session": { "cookie": "sid" } }));
    let head = Head::new(200).with_header("set-cookie", "sid = quoted ; HttpOnly");
    answered(&host, &mut plugin, fake::Request::get("/"), 1, head);
    let request = fake::Request::get("/").cookie("sid", "quoted");
    assert_eq!(host.exchange(request).select(&mut plugin), Decision::endpoint(1));

    let (host, mut plugin) = start(json!({ "session": { "header": "mcp-session-id" } }));
    let head = Head::new(200).with_header("Mcp-Session-Id", "one");
    answered(&host, &mut plugin, fake::Request::get("/"), 2, head);
    let request = fake::Request::get("/").header("mcp-session-id", "one");
    assert_eq!(host.exchange(request).select(&mut plugin), Decision::endpoint(2));
}

#[test]
fn a_draining_endpoint_keeps_its_sessions_and_one_that_is_gone_loses_them() {
    let (host, mut plugin) = start(json!({}));
    begin(&host, &mut plugin, "one", 1);
    host.change_endpoints(|endpoints| endpoints[1].health = Health::Draining);
    let mut exchange = host.exchange(of("one"));
    exchange.select(&mut plugin);
    assert_eq!(exchange.serving(), Some(1));

    host.change_endpoints(|endpoints| drop(endpoints.remove(0)));
    assert_eq!(choice(&host, &mut plugin, "one"), Decision::endpoint(0), "at another index");
    host.change_endpoints(|endpoints| drop(endpoints.remove(0)));
    assert_eq!(choice(&host, &mut plugin, "one"), Decision::pass().tagged(MOVED));
}

#[test]
fn a_session_of_a_dead_endpoint_belongs_to_the_one_that_answers() {
    let (host, mut plugin) = start(json!({}));
    begin(&host, &mut plugin, "one", 1);
    begin(&host, &mut plugin, "two", 1);
    host.change_endpoints(|endpoints| endpoints[1].health = Health::Unhealthy);
    // It knows the session, or begins another.
    answered(&host, &mut plugin, of("one"), 2, Head::new(200));
    answered(&host, &mut plugin, of("two"), 0, begins("three"));
    host.change_endpoints(|endpoints| endpoints[1].health = Health::Healthy);
    for (id, due) in [("one", 2), ("two", 1), ("three", 0)] {
        assert_eq!(choice(&host, &mut plugin, id), Decision::endpoint(due), "{id}");
    }
}

#[test]
fn a_session_moves_when_its_endpoint_failed_in_this_exchange_and_stays_when_it_is_full() {
    let (host, mut plugin) = start(json!({}));
    begin(&host, &mut plugin, "one", 1);
    answered(&host, &mut plugin, of("one"), 0, Head::new(200));
    assert_eq!(choice(&host, &mut plugin, "one"), Decision::endpoint(1), "served elsewhere for once");

    let mut exchange = host.exchange(of("one"));
    exchange.select(&mut plugin);
    exchange.failed();
    assert_eq!(exchange.select(&mut plugin), Decision::pass().tagged(MOVED));
    exchange.served_by(2);
    exchange.respond(&mut plugin, &mut Head::new(200));
    assert_eq!(choice(&host, &mut plugin, "one"), Decision::endpoint(2));
}

#[test]
fn an_answer_of_the_gateway_itself_moves_no_session() {
    let (host, mut plugin) = start(json!({}));
    begin(&host, &mut plugin, "one", 1);
    host.change_endpoints(|endpoints| endpoints.iter_mut().for_each(|endpoint| endpoint.health = Health::Unhealthy));
    let mut exchange = host.exchange(of("one"));
    exchange.select(&mut plugin);
    assert_eq!(exchange.serving(), None);
    exchange.respond(&mut plugin, &mut Head::new(503));
    host.change_endpoints(|endpoints| endpoints[1].health = Health::Healthy);
    assert_eq!(choice(&host, &mut plugin, "one"), Decision::endpoint(1));
}

#[test]
fn the_store_is_written_once_in_half_a_time_to_live() {
    let (host, mut plugin) = start(json!({ "ttl": "1h" }));
    begin(&host, &mut plugin, "one", 1);
    let mut kept = host.stored("app one").unwrap();
    for _ in 0..3 {
        host.advance(HOUR / 2);
        // Backends may set the cookie with every answer.
        answered(&host, &mut plugin, of("one"), 1, begins("one"));
        assert_eq!(host.stored("app one").unwrap(), kept, "written too early");
        host.advance(HOUR / 4);
        assert_eq!(choice(&host, &mut plugin, "one"), Decision::endpoint(1));
        let renewed = host.stored("app one").unwrap();
        assert_ne!(renewed, kept);
        kept = renewed;
    }
    host.advance(HOUR);
    assert_eq!(choice(&host, &mut plugin, "one"), Decision::pass(), "an hour without a request");
}

#[test]
fn long_ids_fit_and_stay_apart() {
    let (host, mut plugin) = start(json!({}));
    for character in ["x", "\u{e9}"] {
        let ids = ["1", "2"].map(|end| character.repeat(2_000) + end);
        begin(&host, &mut plugin, &ids[0], 1);
        begin(&host, &mut plugin, &ids[1], 2);
        assert_eq!(choice(&host, &mut plugin, &ids[0]), Decision::endpoint(1));
        assert_eq!(choice(&host, &mut plugin, &ids[1]), Decision::endpoint(2));
    }
    assert_eq!(host.log(), []);
}

#[test]
fn mistakes_have_places() {
    for (config, place) in [
        (json!({ "session": { "cookie": "a b" } }), "/session/cookie"),
        (json!({ "session": { "header": "" } }), "/session/header"),
        (json!({ "session": "JSESSIONID" }), "/session"),
        (json!({ "ttl": "10ms" }), "/ttl"),
        (json!({ "cookie": "sid" }), "/cookie"),
    ] {
        let issues = Host::new().start::<SessionTable>(config.clone()).unwrap_err();
        assert_eq!(issues.iter().map(|issue| issue.at.as_str()).collect::<Vec<_>>(), [place], "{config}");
    }
}
