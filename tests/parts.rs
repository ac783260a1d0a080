//! Figures of the parts of a gateway: what came of attempts at each endpoint, what has come in at each listener, and what the calls
//! of each use cost.

use std::sync::Arc;

use crate::harness::client::try_tls;
use crate::harness::configuration::HOST;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, certificates, component, load};

fn shown(origins: &[&Origin]) -> Configuration {
    Configuration::of(origins).tables("[admin]\naddress = \"127.0.0.1:0\"")
}

#[tokio::test]
async fn what_came_of_attempts_and_connections_is_told_by_endpoint_and_listener() {
    let origins: [Origin; 2] = Origin::several().await;
    let gateway = Gateway::start(&shown(&origins.each_ref())).await;
    // Round-robin: every other one to each, so that both get all kinds.
    let answers = load(&gateway, 8, 400, |number| match (number / 2) % 4 {
        0 => Ask::get("/status/404"),
        1 => Ask::post("/", vec![b'x'; 100]),
        _ => Ask::get("/"),
    })
    .await;
    assert_eq!(answers.len(), 400);
    let all = r#"sluice_requests_total{route="all",code="2xx"}"#;
    let scrape = gateway.shows(&[(all, 300.0), (r#"sluice_exchanges_in_flight{route="all"}"#, 0.0)]).await;
    let of = |name: &str, more: &str| -> f64 {
        ["a", "b"].map(|id| scrape.value(&format!(r#"{name}{{upstream="app",endpoint="{id}"{more}}}"#))).iter().sum()
    };
    assert_eq!(of("sluice_endpoint_outcomes_total", r#",outcome="2xx""#), 300.0);
    assert_eq!(of("sluice_endpoint_outcomes_total", r#",outcome="4xx""#), 100.0);
    assert_eq!(scrape.sum("sluice_endpoint_outcomes_total"), 400.0);
    assert_eq!(of("sluice_endpoint_response_seconds_count", ""), 400.0);
    assert_eq!(of("sluice_endpoint_sent_bytes_total", ""), 10_000.0);
    let bytes: usize = answers.iter().map(|answer| answer.body.len()).sum();
    assert_eq!(of("sluice_endpoint_received_bytes_total", ""), bytes as f64);
    let (open, opened) = (of("sluice_endpoint_connections", ""), of("sluice_endpoint_connections_opened_total", ""));
    assert!(open <= opened && opened >= 2.0, "{open} of {opened}");

    let spoken = scrape.sum("sluice_client_protocol_connections_total");
    assert_eq!(spoken, scrape.sum("sluice_listener_connections_accepted_total"));
    assert_eq!(spoken, scrape.value("sluice_connections_accepted_total"));
    let handshakes = scrape.by("sluice_tls_handshakes_total", "outcome");
    assert!(handshakes.contains(&("failed".to_owned(), 0.0)), "{handshakes:?}");
}

#[tokio::test]
async fn a_handshake_that_fails_and_one_that_is_resumed_are_told() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&shown(&[&origin])).await;
    let config = Arc::new(certificates::client(&["http/1.1"]));
    for _ in 0..2 {
        let stream = try_tls(gateway.secure, HOST, config.clone()).await.unwrap();
        assert_eq!(Client::over(stream).await.get("/").await.status, 200);
    }
    let mut raw = Raw::to(gateway.secure).await;
    raw.say("no handshake at all\r\n\r\n").await;
    raw.hear_all().await;
    let series =
        |outcome: &str| format!(r#"sluice_tls_handshakes_total{{listener="{}",outcome="{outcome}"}}"#, gateway.secure);
    gateway.shows(&[(&series("full"), 1.0), (&series("resumed"), 1.0), (&series("failed"), 1.0)]).await;
}

#[tokio::test]
async fn what_calls_of_a_use_cost_is_told_and_goes_on_over_swaps() {
    let origin = Origin::start("a").await;
    let configuration = shown(&[&origin]).plugin("guest", component("stamp_v1")).routing(r#"["guest"]"#);
    let gateway = Gateway::start(&configuration).await;
    load(&gateway, 4, 100, |_| Ask::get("/")).await;
    gateway.swap("guest", &component("stamp_v2"), &["all/routing/guest"]).await;
    load(&gateway, 4, 100, |_| Ask::get("/")).await;
    let series = |name: &str, more: &str| format!(r#"{name}{{use="all/routing/guest",plugin="guest"{more}}}"#);
    let routing = r#",hook="routing""#;
    let scrape = gateway.shows(&[(&series("sluice_plugin_calls_total", routing), 200.0)]).await;
    let timed = scrape.value(&series("sluice_plugin_call_seconds_count", routing));
    assert!((12.0..=20.0).contains(&timed), "{timed}");
    assert!(scrape.value(&series("sluice_plugin_call_seconds_sum", routing)) > 0.0);
    assert!(scrape.value(&series("sluice_plugin_memory_peak_bytes", "")) > 0.0);
    // Two versions on two workers each.
    assert!(scrape.value(&series("sluice_plugin_instances_made_total", "")) >= 4.0);
}

#[tokio::test]
async fn cpu_time_of_a_plugin_that_takes_much_is_told_about_right() {
    let origin = Origin::start("a").await;
    let limits = "limits = { deadline = \"1s\", worker-share = \"100%\" }";
    let configuration =
        shown(&[&origin]).workers(1).plugin_with("spin", component("spin"), limits).routing(r#"["spin"]"#);
    let gateway = Gateway::start(&configuration).await;
    Client::h1(&gateway).await.ask(Ask::get("/").header("x-misbehave", "routing")).await;
    let series = |name: &str| format!(r#"{name}{{use="all/routing/spin",plugin="spin",hook="routing"}}"#);
    let scrape = gateway.shows(&[(&series("sluice_plugin_fallbacks_total"), 1.0)]).await;
    // A busy machine gives it less of the second that it takes.
    let (cpu, wall) = (series("sluice_plugin_cpu_seconds_total"), series("sluice_plugin_call_seconds_sum"));
    let (cpu, wall) = (scrape.value(&cpu), scrape.value(&wall));
    assert!(cpu > 0.1 && cpu <= wall * 1.1 && wall >= 0.9, "{cpu} s of {wall} s");
}
