//! One plugin with every hook, against the fake host: what the manual promises of each hook holds there too.

#![allow(clippy::unwrap_used)]

use sluice_plugin::fake::{Head, Host, Request as Sent, json};
use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::{
    Cell, Counter, EditError, Feedback, Issues, Members, NoConfig, Plugin, Request, RespondWhen, Response,
    ResponseHead, Routing, Selection, Setup, State, TimeUs, Timer, feedback, log, routing, sealing, selection, store,
};
use std::{net::IpAddr, time::Duration};

const MINUTE: Duration = Duration::from_mins(1);

struct Everything {
    calls: Cell,
    failures: Counter,
    learnt: Vec<u8>,
}

sluice_plugin::export!(Everything: Routing, Selection, Response, Feedback, Timer, State);

impl Plugin for Everything {
    type Config = NoConfig;

    fn new(_: NoConfig, setup: &Setup) -> Result<Self, Issues> {
        setup.hold_body(4);
        setup.see_request();
        setup.respond(RespondWhen::Always);
        setup.tick(MINUTE);
        Ok(Self {
            calls: Cell::open("calls", 0),
            failures: setup.counter("failures_total", "Attempts that failed."),
            learnt: Vec::new(),
        })
    }
}

impl Routing for Everything {
    fn route(&mut self, _: routing::Input, request: &Request) -> routing::Decision {
        self.calls.fetch_add(1);
        if request.path() == "/teapot" {
            request.set_reply_header("x-kind", "teapot").unwrap();
            request.set_reply_body(b"short and stout").unwrap();
            return routing::Decision::reply(418);
        }
        let body = request.body_prefix();
        assert_eq!((body.bytes.as_slice(), body.complete), (b"mode".as_slice(), false));
        assert_eq!(request.client_ip(), "192.0.2.1".parse::<IpAddr>().unwrap());
        assert_eq!(request.query_param("a b").as_deref(), Some("c d"));
        assert_eq!(request.cookie("two").as_deref(), Some("2"));
        assert_eq!(request.set_header("Content-Length", "1"), Err(EditError::Forbidden));
        assert_eq!(request.set_header("x-bad", "a\nb"), Err(EditError::Invalid));
        assert_eq!(request.set_header("x-long", &"a".repeat(20_000)), Err(EditError::TooLarge));
        request.set_header("x-route", "two").unwrap();
        request.set_path_and_query("/v2?x=1").unwrap();
        assert_eq!(request.header("x-route"), None, "edits show to later hooks only");
        routing::Decision::upstream(1).tagged(7)
    }
}

impl Selection for Everything {
    fn set_endpoints(&mut self, members: &Members) {
        assert_eq!(members.ids().len(), members.count() as usize);
    }

    fn select(&mut self, input: selection::Input, request: Option<&Request>) -> selection::Decision {
        let request = request.expect("it was asked for");
        assert_eq!(request.header("X-Route").as_deref(), Some("two"));
        assert_eq!(request.set_header("x-late", "1"), Err(EditError::ReadOnly));
        selection::Decision::endpoint(input.attempt)
    }
}

impl Response for Everything {
    fn respond(&mut self, _: &Request, head: &ResponseHead, exchange: Exchange) -> Action {
        if head.status() == 503 {
            return Action::Retry;
        }
        assert_eq!((exchange.attempts, head.endpoint_id().as_deref()), (2, Some("e1")));
        assert_eq!(head.set_status(304), Err(EditError::Forbidden));
        head.set_status(201).unwrap();
        head.remove_header("server").unwrap();
        Action::Done
    }
}

impl Feedback for Everything {
    fn observe(&mut self, outcomes: &[feedback::Outcome]) {
        self.failures.add(outcomes.len() as u64);
    }
}

impl Timer for Everything {
    fn tick(&mut self, _: TimeUs) {
        sluice_plugin::info!("woken after {} calls", self.calls.load());
        store::set("short", b"1", Some(MINUTE)).unwrap();
        store::set("long", b"2", None).unwrap();
        assert!(store::compare_and_set("long", 99, b"3", None).is_err());
        let token = sealing::seal(b"secret", Some(MINUTE));
        assert_eq!(sealing::open(&token).as_deref(), Some(b"secret".as_slice()));
        assert_eq!(sealing::open(&token[1..]), None);
        store::set("token", token.as_bytes(), None).unwrap();
    }
}

impl State for Everything {
    fn save(&mut self) -> Vec<u8> {
        let stored = |key| store::get(key).map_or(b'-', |entry| entry.value[0]);
        let token = store::get("token").and_then(|entry| String::from_utf8(entry.value).ok());
        let opens = token.is_some_and(|token| sealing::open(&token).is_some());
        vec![stored("short"), stored("long"), u8::from(opens)]
    }

    fn restore(&mut self, from_version: &str, saved: Vec<u8>) -> Result<(), String> {
        if from_version != "0.1.0" {
            return Err(format!("{from_version} is not known"));
        }
        self.learnt = saved;
        Ok(())
    }
}

#[test]
fn an_exchange_goes_through_every_hook() {
    let host = Host::new().upstreams(&["one", "two"]).endpoints(3);
    let mut plugin = host.start::<Everything>(json!({})).unwrap();
    let sent = Sent::get("/v1?a+b=c%20d").method("POST").cookie("one", "1").cookie("two", "2").body("model");
    let mut exchange = host.exchange(sent);
    assert_eq!(exchange.route(&mut plugin), routing::Decision::upstream(1).tagged(7));
    assert_eq!(exchange.request().path_and_query(), "/v2?x=1");

    assert_eq!(exchange.select(&mut plugin), selection::Decision::endpoint(0));
    assert_eq!(exchange.respond(&mut plugin, &mut Head::new(503)), Action::Retry);
    exchange.failed();
    assert_eq!(exchange.select(&mut plugin), selection::Decision::endpoint(1));
    let mut head = Head::new(200).with_header("Server", "origin");
    assert_eq!(exchange.respond(&mut plugin, &mut head), Action::Done);
    assert_eq!((head.status(), head.header("server")), (201, None));
    assert_eq!(host.cell("calls"), Some(1));
}

#[test]
fn a_route_can_be_answered_by_the_plugin() {
    let host = Host::new();
    let mut exchange = host.exchange(Sent::get("/teapot"));
    exchange.route(&mut host.start::<Everything>(json!({})).unwrap());
    let (head, body) = exchange.reply();
    assert_eq!((head.status(), head.header("x-kind"), body), (418, Some("teapot"), b"short and stout".as_slice()));
}

#[test]
fn time_passes_when_the_test_says_so() {
    let host = Host::new();
    let mut plugin = host.start::<Everything>(json!({})).unwrap();
    assert_eq!(plugin.wants_tick(), Some(MINUTE));
    plugin.tick();
    assert_eq!(host.log(), [(log::Level::Info, "woken after 0 calls".to_owned())]);
    assert_eq!(plugin.save(), [b'1', b'2', 1]);
    host.advance(MINUTE);
    assert_eq!(plugin.save(), [b'-', b'2', 0]);
}

#[test]
fn what_was_learnt_is_handed_over() {
    let host = Host::new();
    let mut plugin = host.start::<Everything>(json!({})).unwrap();
    assert!(plugin.restore("9.9.9", vec![1]).is_err());
    plugin.restore("0.1.0", vec![1]).unwrap();
    assert_eq!(plugin.plugin().learnt, [1]);

    let outcome =
        feedback::Outcome { endpoint: 0, tag: 0, kind: feedback::OutcomeKind::TimedOut, status: 0, latency_us: 1_000 };
    plugin.observe(&[outcome, outcome]);
    assert_eq!(host.metric("failures_total"), Some(2.0));
}
