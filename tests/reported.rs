//! Load that endpoints report of themselves: in fields of their answers, in trailers, or where they show series; what becomes of
//! it on the way, and that shares follow it.

mod scraped;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::harness::raw::RawOrigin;
use crate::harness::scrape::Scrape;
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, component, eventually, load};

/// Two workers that tell figures, with that `reported-load`.
fn reporting(configuration: Configuration, reported: &str) -> Configuration {
    configuration.upstream(&format!("reported-load = {{ {reported} }}")).tables("[admin]\naddress = \"127.0.0.1:0\"")
}

fn figure(endpoint: &str, figure: &str) -> String {
    format!(r#"sluice_endpoint_reported{{upstream="app",endpoint="{endpoint}",figure="{figure}"}}"#)
}

fn reports(endpoint: &str, outcome: &str) -> String {
    format!(r#"sluice_endpoint_reports_total{{upstream="app",endpoint="{endpoint}",outcome="{outcome}"}}"#)
}

/// What an endpoint has reported last, as the admin API tells it.
async fn told(gateway: &Gateway, endpoint: usize) -> serde_json::Value {
    let (_, body) = gateway.ask_admin("GET /api/v1/upstreams HTTP/1.1\r\nhost: localhost").await;
    let upstreams: serde_json::Value = serde_json::from_str(&body).unwrap();
    upstreams["upstreams"][0]["endpoints"][endpoint]["report"].clone()
}

#[tokio::test]
async fn a_report_in_a_field_is_kept_for_plugins_and_taken_off_the_answer() {
    let origin = Origin::start("a").await;
    let configuration = reporting(Configuration::of(&[&origin]), r#"header = true, named = ["queue"]"#);
    let gateway = Gateway::start(&configuration).await;
    let forms = [
        "TEXT cpu_utilization=0.25, mem_utilization=0.5, rps_fractional=12.5, eps=1, named_metrics.queue=7, named_metrics.other=8",
        r#"JSON {"cpu_utilization": 0.25, "mem_utilization": 0.5, "rps_fractional": 12.5, "eps": 1, "named_metrics": {"queue": 7}}"#,
        // The same as Protocol Buffers write it.
        "BIN CQAAAAAAANA/EQAAAAAAAOA/MQAAAAAAAClAOQAAAAAAAPA/QhAKBXF1ZXVlEQAAAAAAABxA",
    ];
    let mut clients = [Client::h1(&gateway).await, Client::h2(&gateway).await];
    for (number, form) in forms.iter().enumerate() {
        let ask = Ask::get("/").header("x-answer-with", &format!("endpoint-load-metrics: {form}|x-kept: yes"));
        let answer = clients[number % 2].ask(ask).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-kept")), (200, "yes"));
        assert_eq!(answer.headers("endpoint-load-metrics"), Vec::<&str>::new(), "it is not for clients");
        let expected = serde_json::json!({
            "cpu": 0.25, "memory": 0.5, "utilization": 0.0, "requests-per-second": 12.5, "errors-per-second": 1.0, "named.queue": 7.0,
        });
        assert_eq!(told(&gateway, 0).await["figures"], expected, "{form}");
        gateway.shows(&[(&reports("a", "taken"), (number + 1) as f64)]).await;
    }
    let scrape = gateway
        .shows(&[
            (&figure("a", "cpu"), 0.25),
            (&figure("a", "requests-per-second"), 12.5),
            (&figure("a", "named.queue"), 7.0),
            (&reports("a", "refused"), 0.0),
        ])
        .await;
    assert_eq!(scrape.get(&figure("a", "named.other")), None, "nobody keeps it");
    assert!(age(&scrape) < 30.0);
}

fn age(scrape: &Scrape) -> f64 {
    scrape.value(r#"sluice_endpoint_report_age_seconds{upstream="app",endpoint="a"}"#)
}

#[tokio::test]
async fn what_is_no_report_changes_nothing_and_is_counted() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&reporting(Configuration::of(&[&origin]), "header = true")).await;
    let mut client = Client::h1(&gateway).await;
    let mut say = async |fields: &str| {
        let answer = client.ask(Ask::get("/").header("x-answer-with", fields)).await;
        assert_eq!((answer.status.as_u16(), answer.headers("endpoint-load-metrics")), (200, Vec::new()), "{fields}");
    };
    say("endpoint-load-metrics: TEXT cpu_utilization=0.5").await;
    let long = format!("endpoint-load-metrics: TEXT cpu_utilization=0.9{}", ", x=1".repeat(1500));
    let bad = [
        "endpoint-load-metrics: cpu_utilization=0.9",
        "endpoint-load-metrics: TEXT cpu_utilization=-1",
        "endpoint-load-metrics: TEXT cpu_utilization=0.9, rps_fractional=NaN",
        "endpoint-load-metrics: TEXT cpu_utilization=1e400",
        "endpoint-load-metrics: JSON {\"cpu_utilization\": 0.9",
        "endpoint-load-metrics: BIN !",
        "endpoint-load-metrics: TEXT cpu_utilization=0.9|endpoint-load-metrics: TEXT cpu_utilization=0.9",
        "endpoint-load-metrics: TEXT cpu_utilization=0.9|endpoint-load-metrics-bin: CQ",
        &long,
    ];
    for fields in bad {
        say(fields).await;
    }
    let refused = bad.len() as f64;
    gateway
        .shows(&[(&reports("a", "taken"), 1.0), (&reports("a", "refused"), refused), (&figure("a", "cpu"), 0.5)])
        .await;
}

#[tokio::test]
async fn clients_get_the_field_where_that_is_configured_or_nobody_reads_it() {
    let origin = Origin::start("a").await;
    origin.answers_with("endpoint-load-metrics: TEXT cpu_utilization=0.5");
    let gateway = Gateway::start(&reporting(Configuration::of(&[&origin]), "header = true, pass-on = true")).await;
    let answer = Client::h1(&gateway).await.get("/").await;
    assert_eq!(answer.header("endpoint-load-metrics"), "TEXT cpu_utilization=0.5");
    gateway.shows(&[(&figure("a", "cpu"), 0.5)]).await;

    // A change takes effect on reload, and what nobody asks for is left alone.
    gateway.reload(&reporting(Configuration::of(&[&origin]), "header = true").text()).await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.header("endpoint-load-metrics"), "");
    gateway.shows(&[(&reports("a", "taken"), 2.0)]).await;
    gateway.reload(&Configuration::of(&[&origin]).tables("[admin]\naddress = \"127.0.0.1:0\"").text()).await;
    let answer = Client::h1(&gateway).await.get("/").await;
    assert_eq!(answer.header("endpoint-load-metrics"), "TEXT cpu_utilization=0.5");
    assert_eq!(gateway.scrape().await.get(&reports("a", "taken")), None);
}

#[tokio::test]
async fn a_report_in_trailers_is_kept_and_the_other_trailers_go_on() {
    let mut message = vec![0x09];
    message.extend(0.75_f64.to_le_bytes());
    let report = STANDARD_NO_PAD.encode(message);
    let origin = RawOrigin::answers(format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: endpoint-load-metrics-bin, x-sum\r\n\r\n2\r\nhi\r\n0\r\n\
         endpoint-load-metrics-bin: {report}\r\nx-sum: 7\r\n\r\n"
    ))
    .await;
    let gateway = Gateway::start(&reporting(Configuration::at(&[("a", origin.address)]), "header = true")).await;
    let answer = Client::h2(&gateway).await.ask(Ask::get("/").header("te", "trailers")).await;
    assert_eq!(answer.text(), "hi");
    let trailers = answer.trailers;
    assert_eq!((trailers.get("x-sum").map(|sum| sum.as_bytes()), trailers.len()), (Some(&b"7"[..]), 1));
    gateway.shows(&[(&figure("a", "cpu"), 0.75), (&reports("a", "taken"), 1.0)]).await;
}

#[tokio::test]
async fn a_selector_is_told_what_endpoints_report() {
    let origins: [Origin; 2] = Origin::several().await;
    let configuration = Configuration::of(&origins.each_ref())
        .workers(1)
        .plugin("guest", component("everything"))
        .selection(r#"[{ plugin = "guest", config = { greeting = "hello" } }, "round-robin"]"#);
    let gateway = Gateway::start(&reporting(configuration, r#"header = true, named = ["queue"]"#)).await;
    let mut client = Client::h1(&gateway).await;
    let mut seen = async || -> serde_json::Value {
        let answer = client.get("/").await;
        serde_json::from_str(answer.headers("x-report").last().expect("a report")).unwrap()
    };
    assert_eq!(seen().await["reports"], serde_json::json!([null, null]));
    origins[1]
        .answers_with("endpoint-load-metrics: TEXT cpu_utilization=0.25, rps_fractional=3, named_metrics.queue=7");
    let told = eventually("a report", async || Some(seen().await).filter(|seen| !seen["reports"][1].is_null())).await;
    let figures = &told["reports"][1];
    assert_eq!(figures["figures"], serde_json::json!([0.25, 0.0, 0.0, 3.0, 0.0]));
    assert!(figures["age_us"].as_u64() < Some(30_000_000) && figures["steady_us"].is_u64(), "{figures}");
    assert_eq!((&told["reports"][0], &told["queue"]), (&serde_json::Value::Null, &serde_json::json!([null, 7.0])));
}

/// What each of three origins got of so many answers, in parts of all.
fn parts(answers: &[Answer]) -> [f64; 3] {
    ["a", "b", "c"]
        .map(|name| answers.iter().filter(|answer| answer.origin() == name).count() as f64 / answers.len() as f64)
}

/// Sends requests until their shares are within 3 % of these.
async fn until_shared(gateway: &Gateway, due: [f64; 3]) {
    let total: f64 = due.iter().sum();
    eventually(&format!("shares of {due:?}"), async || {
        let parts = parts(&load(gateway, 6, 700, |_| Ask::get("/")).await);
        let is_near = parts.iter().zip(due).all(|(part, due)| (part - due / total).abs() < 0.03);
        is_near.then_some(())
    })
    .await;
}

#[tokio::test]
async fn shares_go_by_what_three_backends_report_and_one_that_stops_is_back_at_its_weight() {
    let origins: [Origin; 3] = Origin::several().await;
    let selection = r#"[{ plugin = "reported-load", config = { update = "100ms", blackout = "200ms" } }]"#;
    let configuration = Configuration::of(&origins.each_ref()).selection(selection).endpoint(2, "weight = 2");
    let gateway = Gateway::start(&reporting(configuration, r#"header = true, expire = "2s""#)).await;
    until_shared(&gateway, [1.0, 1.0, 2.0]).await;
    for (origin, cpu) in origins.iter().zip([0.2, 0.4, 0.8]) {
        origin.answers_with(&format!("endpoint-load-metrics: TEXT cpu_utilization={cpu}, rps_fractional=100"));
    }
    // 100 / 0.2, 100 / 0.4, 100 / 0.8.
    until_shared(&gateway, [4.0, 2.0, 1.0]).await;
    let rated = r#"sluice_use_rated_endpoints{use="app/selection/reported-load"}"#;
    assert_eq!(gateway.scrape().await.get(rated), Some(3.0));
    let answers = load(&gateway, 6, 2_100, |_| Ask::get("/")).await;
    for (part, due) in parts(&answers).into_iter().zip([4.0 / 7.0, 2.0 / 7.0, 1.0 / 7.0]) {
        assert!((part - due).abs() < 0.03, "{part} instead of {due}");
    }
    // What it is worth among the two that still report, of whom each has a weight of one.
    origins[2].answers_with("");
    until_shared(&gateway, [2.0, 1.0, 3.0]).await;
    origins.iter().for_each(|origin| origin.answers_with(""));
    until_shared(&gateway, [1.0, 1.0, 2.0]).await;
}
