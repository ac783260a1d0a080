//! Exchanges as a collector of traces is told of them: parents and children, over retries and fallbacks, HTTP/1.1 and HTTP/2.

use std::collections::HashMap;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::harness::collector::{Collector, Span, Trace};
use crate::harness::speaks::Speaks;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, component, load};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Routing passes, selection chooses where the client asks for an endpoint; this machine's clients are believed.
fn with(origins: &[&Origin], collector: &Collector, lines: &str) -> Configuration {
    Configuration::of(origins)
        .plugin("guest", component("stamp_v1"))
        .plugin("chooses", component("chooses"))
        .routing(r#"["guest"]"#)
        .selection(r#"["chooses", "round-robin"]"#)
        .listener(0, "trusted-proxies = [\"127.0.0.1\"]")
        .tables(&collector.table(lines))
}

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

/// The parts of a `traceparent` that an origin has seen.
fn parts(seen: &str) -> [&str; 4] {
    seen.split('-').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{seen:?}"))
}

#[tokio::test]
async fn an_exchange_its_hooks_and_its_attempts_are_spans_below_whoever_asked() {
    let (origin, collector) = (Origin::start("a").await, Collector::start().await);
    let configuration = with(&[&origin], &collector, "resource = { \"deployment.environment.name\" = \"test\" }");
    let gateway = Gateway::start(&configuration.tables("[admin]\naddress = \"127.0.0.1:0\"")).await;
    for (version, path) in [("1.1", "/one"), ("2", "/two")] {
        let mut client = if version == "2" { Client::h2(&gateway).await } else { Client::h1(&gateway).await };
        let ask = Ask::get(&format!("{path}?secret=1"))
            .header("traceparent", &parent("01"))
            .header("tracestate", "a=1")
            .header("x-endpoint", "a")
            .header("authorization", "Bearer secret");
        let answer = client.ask(ask).await;
        let Trace { exchange, below } = collector.trace(path).await;
        assert_eq!((&*exchange.trace, &*exchange.parent, &*exchange.state), (TRACE, PARENT, "a=1"));
        // It is told of, and whoever asked is elsewhere.
        assert_eq!((exchange.name.as_str(), exchange.kind, exchange.flags), ("GET all", SpanKind::Server, 0x301));
        let expected = [
            ("http.request.method", "GET"),
            ("url.path", path),
            ("url.scheme", "https"),
            ("server.address", "app.test"),
            ("network.protocol.version", version),
            ("http.route", "all"),
            ("http.response.status_code", "200"),
            ("client.address", "127.0.0.1"),
            ("sluice.upstream", "app"),
            ("sluice.endpoint", "a"),
            ("sluice.chosen_by", "app/selection/chooses"),
            ("sluice.attempts", "1"),
            ("error.type", ""),
        ];
        for (name, value) in expected {
            assert_eq!(exchange.get(name), value, "{name} of {exchange:?}");
        }
        let names: Vec<_> = below.iter().map(|span| (span.name.as_str(), span.kind)).collect();
        let hook = SpanKind::Internal;
        let expected = [
            ("routing all/routing/guest", hook),
            ("selection app/selection/chooses", hook),
            ("GET", SpanKind::Client),
            ("response all/routing/guest", hook),
        ];
        assert_eq!(names[..3], expected[..3]);
        assert!(names.iter().all(|name| expected.contains(name)), "{names:?}");
        let [routing, selection, attempt] = [&below[0], &below[1], &below[2]];
        assert_eq!((routing.get("sluice.outcome"), selection.get("sluice.outcome")), ("pass", "chose"));
        assert_eq!((routing.get("sluice.plugin"), routing.get("sluice.hook")), ("guest", "routing"));
        assert_eq!(attempt.get("url.full"), format!("http://{}{path}", origin.address));
        assert_eq!(attempt.get("server.port"), origin.address.port().to_string());
        assert_eq!((attempt.get("sluice.endpoint"), attempt.get("http.response.status_code")), ("a", "200"));
        // The endpoint stands below the attempt.
        let onward = answer.seen_field("traceparent");
        assert_eq!(parts(&onward), ["00", TRACE, &attempt.id, "01"]);
        assert_eq!(answer.seen_field("tracestate"), "a=1");
        assert_eq!(gateway.exchange(path).await.text("trace"), TRACE);
        assert!(gateway.told("exchanges").await.to_string().contains(TRACE));
    }
    let said = format!("{:?}", collector.spans());
    assert!(!said.contains("secret"), "neither queries nor header values are told: {said}");
    let resource = collector.resource();
    let expected = [("service.name", "sluice"), ("deployment.environment.name", "test")];
    assert!(expected.iter().all(|(name, value)| resource[*name] == *value), "{resource:?}");
    assert!(resource.contains_key("service.version"), "{resource:?}");
}

#[tokio::test]
async fn each_attempt_is_a_span_that_says_why_it_was_made_and_the_endpoint_stands_below_its_own() {
    let ([a, b], collector) = (Origin::several().await, Collector::start().await);
    let configuration =
        with(&[&a, &b], &collector, "").route(r#"retry = { extra-attempts = 1, on = ["connect-failure", "503"] }"#);
    let gateway = Gateway::start(&configuration).await;
    let mut client = Client::h1(&gateway).await;
    a.answer(503);
    let answer = client.ask(Ask::get("/again").header("x-endpoint", "a")).await;
    let trace = collector.trace("/again").await;
    let [first, second] = trace.attempts()[..] else { panic!("{trace:?}") };
    assert_eq!(
        (first.get("sluice.endpoint"), first.get("error.type"), first.get("sluice.retry.reason")),
        ("a", "503", "")
    );
    assert_eq!((second.get("sluice.endpoint"), second.get("error.type")), ("b", ""));
    assert_eq!((second.get("http.request.resend_count"), second.get("sluice.retry.reason")), ("1", "status"));
    assert_eq!(parts(&answer.seen_field("traceparent"))[2], second.id);
    assert!(first.ended <= second.began && first.is_error && !second.is_error);
    assert_eq!(trace.exchange.get("sluice.why"), "a answered 503");

    a.die().await;
    client.ask(Ask::get("/dead").header("x-endpoint", "a")).await;
    let trace = collector.trace("/dead").await;
    let [first, second] = trace.attempts()[..] else { panic!("{trace:?}") };
    assert_eq!((first.get("error.type"), first.get("http.response.status_code")), ("connect-failure", ""));
    assert_eq!(second.get("sluice.retry.reason"), "connect-failure");
    assert!(!trace.exchange.is_error);
}

#[tokio::test]
async fn a_plugin_that_fails_and_what_comes_in_its_place_are_seen() {
    let (origin, collector) = (Origin::start("a").await, Collector::start().await);
    let configuration = Configuration::of(&[&origin])
        .plugin("trap", component("trap"))
        .routing(r#"["trap"]"#)
        .tables(&collector.table(""));
    let gateway = Gateway::start(&configuration).await;
    Client::h1(&gateway).await.ask(Ask::get("/trapped").header("x-misbehave", "routing")).await;
    let trace = collector.trace("/trapped").await;
    let failed = trace.below.iter().find(|span| span.name == "routing all/routing/trap").unwrap();
    assert_eq!((failed.get("sluice.outcome"), failed.get("error.type")), ("failed", "trap"));
    assert_eq!(trace.exchange.get("http.response.status_code"), "200");

    // What the gateway answers itself, what finds no route, and what is no request.
    origin.die().await;
    Client::h1(&gateway).await.get("/nobody").await;
    let trace = collector.trace("/nobody").await;
    assert_eq!((trace.exchange.get("error.type"), trace.exchange.is_error), ("502", true));
    let mut raw = Raw::plain(&gateway).await;
    raw.say("GET / HTTP/1.1\r\nhost : a\r\n\r\n").await;
    raw.hear_all().await;
    let found = collector.exchanges(3).await;
    let refused = found.iter().find(|span| span.get("http.response.status_code") == "400").unwrap();
    assert_eq!((refused.name.as_str(), refused.is_error, &*refused.parent), ("HTTP", false, ""), "{refused:?}");
}

#[tokio::test]
async fn a_strangers_parent_is_dropped_and_a_malformed_one_begins_a_new_trace() {
    let (origin, collector) = (Origin::start("a").await, Collector::start().await);
    let gateway = Gateway::start(&with(&[&origin], &collector, "")).await;
    // The plain listener believes nobody.
    let ask = |path: &str| Ask::get(path).header("traceparent", &parent("01")).header("tracestate", "a=1");
    let answer = Client::plain(&gateway).await.ask(ask("/stranger")).await;
    let exchange = collector.trace("/stranger").await.exchange;
    assert!(exchange.trace != TRACE && exchange.parent.is_empty() && exchange.state.is_empty(), "{exchange:?}");
    assert_eq!(
        (answer.seen_field("tracestate").as_str(), parts(&answer.seen_field("traceparent"))[1]),
        ("", &*exchange.trace)
    );

    let malformed = [
        format!("00-{TRACE}-{PARENT}"),
        format!("00-{TRACE}-{PARENT}-01-more"),
        format!("ff-{TRACE}-{PARENT}-01"),
        format!("00-{}-{PARENT}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        "nonsense".to_owned(),
        String::new(),
    ];
    for (client, number) in [(Client::h1(&gateway).await, 1), (Client::h2(&gateway).await, 2)] {
        let mut client = client;
        for (place, text) in malformed.iter().enumerate() {
            let path = format!("/malformed/{number}/{place}");
            let answer = client.ask(Ask::get(&path).header("traceparent", text).header("tracestate", "a=1")).await;
            let exchange = collector.trace(&path).await.exchange;
            assert!(exchange.trace != TRACE && exchange.parent.is_empty(), "{text:?}: {exchange:?}");
            assert_eq!(answer.seen_field("tracestate"), "", "{text:?}");
            assert_eq!(parts(&answer.seen_field("traceparent"))[1], exchange.trace, "{text:?}");
        }
        let twice = client.ask(ask(&format!("/twice/{number}")).header("traceparent", &parent("01"))).await;
        assert_ne!(parts(&twice.seen_field("traceparent"))[1], TRACE, "two of them say nothing");
    }
}

#[tokio::test]
async fn whose_word_counts_is_configured() {
    let origin = Origin::start("a").await;
    for (lines, believed, stranger) in [("parent = \"all\"", true, true), ("parent = \"none\"", false, false)] {
        let collector = Collector::start().await;
        let gateway = Gateway::start(&with(&[&origin], &collector, lines)).await;
        for (mut client, is_gone_on_with) in
            [(Client::h1(&gateway).await, believed), (Client::plain(&gateway).await, stranger)]
        {
            let answer = client.ask(Ask::get("/").header("traceparent", &parent("01"))).await;
            assert_eq!(parts(&answer.seen_field("traceparent"))[1] == TRACE, is_gone_on_with, "{lines}");
        }
    }
}

#[tokio::test]
async fn what_is_told_of_is_a_share_or_what_the_parent_says() {
    let (origin, collector) = (Origin::start("a").await, Collector::start().await);
    let gateway = Gateway::start(&with(&[&origin], &collector, "sample = \"0%\"")).await;
    let mut client = Client::h1(&gateway).await;
    // Not told of, but a trace all the same, so that nobody behind tells of half of it.
    let silent = client.get("/silent").await;
    let [version, trace, _, flags] = parts(&silent.seen_field("traceparent")).map(str::to_owned);
    assert_eq!((version.as_str(), flags.as_str()), ("00", "00"));
    let other = client.get("/silent").await;
    assert_ne!(parts(&other.seen_field("traceparent"))[1], trace);
    let answer = client.ask(Ask::get("/no").header("traceparent", &parent("00"))).await;
    let seen = answer.seen_field("traceparent");
    assert_eq!((parts(&seen)[1], parts(&seen)[3]), (TRACE, "00"));
    assert_ne!(parts(&seen)[2], PARENT);
    let answer = client.ask(Ask::get("/yes").header("traceparent", &parent("03"))).await;
    assert_eq!(parts(&answer.seen_field("traceparent"))[3], "03", "a flag of the trace stays");
    collector.trace("/yes").await;
    assert_eq!(gateway.exchange("/no").await.text("trace"), "");
    assert_eq!(collector.exchanges(1).await.len(), 1, "the others are not told of");

    let half = with(&[&origin], &collector, "sample = \"50%\"").text();
    gateway.reload(&half).await;
    load(&gateway, 8, 2_000, |_| Ask::get("/half")).await;
    gateway.exchanges(2_004).await;
    let told =
        gateway.log.filter("exchange", |event| event.text("path") == "/half" && event.0["trace"].is_string()).len();
    // Some ten standard deviations.
    assert!((780..=1_220).contains(&told), "{told} of 2000");
    let found = collector.exchanges(1 + told).await;
    assert_eq!(found.iter().filter(|span| span.get("url.path") == "/half").count(), told);
}

#[tokio::test]
async fn every_exchange_under_load_is_told_once_with_all_that_was_done_for_it() {
    let ([a, b], collector) = (Origin::several().await, Collector::start().await);
    let configuration =
        with(&[&a, &b], &collector, "queue = 100000").route(r#"retry = { on = ["503"], budget = "100%" }"#);
    let gateway = Gateway::start(&configuration).await;
    a.answer(503);
    load(&gateway, 8, 1_000, |number| Ask::get(&format!("/{number}"))).await;
    let exchanges = collector.exchanges(1_000).await;
    let by_path: HashMap<&str, &Span> = exchanges.iter().map(|span| (span.get("url.path"), span)).collect();
    assert_eq!((exchanges.len(), by_path.len()), (1_000, 1_000));
    let spans = collector.spans();
    let mut attempts: HashMap<&str, usize> = HashMap::new();
    for span in spans.iter().filter(|span| span.kind == SpanKind::Client) {
        *attempts.entry(span.parent.as_str()).or_default() += 1;
    }
    for exchange in &exchanges {
        assert_eq!(attempts[&*exchange.id].to_string(), exchange.get("sluice.attempts"), "{exchange:?}");
    }
    assert_eq!(attempts.values().sum::<usize>(), a.requests() + b.requests());
}

#[tokio::test]
async fn endpoints_over_http2_and_upgraded_streams_are_told_of_too() {
    let (origin, collector) = (Origin::start_as("a", Speaks::H2).await, Collector::start().await);
    let configuration = with(&[&origin], &collector, "").upstream("protocol = \"h2\"");
    let gateway = Gateway::start(&configuration).await;
    let answer = Client::h2(&gateway).await.ask(Ask::get("/h2")).await;
    let trace = collector.trace("/h2").await;
    assert_eq!(parts(&answer.seen_field("traceparent"))[2], trace.attempts()[0].id);
}
