//! How a collector of traces is reached, and what becomes of what it does not take: one that is dead, slow, full or picky costs no
//! exchange anything, and no memory beyond the bound; what it does not get is counted.

use std::time::{Duration, Instant};

use crate::harness::certificates::{authority_pem, site};
use crate::harness::collector::{Answers, Collector};
use crate::harness::speaks::Speaks;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, eventually, load};

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"";

fn with(origin: &Origin, collector: &Collector, lines: &str) -> Configuration {
    Configuration::of(&[origin]).tables(&collector.table(lines)).tables(ADMIN)
}

fn outcome(outcome: &str) -> String {
    format!("sluice_trace_spans_total{{outcome=\"{outcome}\"}}")
}

#[tokio::test]
async fn a_collector_that_says_later_gets_the_same_batch_again_and_what_it_took_is_counted_once() {
    let (origin, collector) = (Origin::start("a").await, Collector::start().await);
    for (number, status) in [429, 502, 503, 504].into_iter().enumerate() {
        let gateway = Gateway::start(&with(&origin, &collector, "")).await;
        collector.says(Answers::Says(status, Some("0")));
        Client::h1(&gateway).await.get(&format!("/{number}")).await;
        gateway.log.wait_for("traces are not taken", |event| event.text("reason") == format!("status {status}")).await;
        assert_eq!(gateway.scrape().await.value("sluice_trace_spans_waiting"), 3.0);
        collector.says(Answers::Takes);
        collector.trace(&format!("/{number}")).await;
        gateway.log.wait_for("traces are taken again", |_| true).await;
        // The exchange, round-robin, and one attempt.
        gateway.shows(&[(&outcome("sent"), 3.0), ("sluice_trace_spans_waiting", 0.0)]).await;
    }
}

#[tokio::test]
async fn retry_after_is_kept_to() {
    let (origin, collector) = (Origin::start("a").await, Collector::start().await);
    let gateway = Gateway::start(&with(&origin, &collector, "")).await;
    collector.says(Answers::Says(503, Some("2")));
    let began = Instant::now();
    Client::h1(&gateway).await.get("/later").await;
    gateway.log.wait_for("traces are not taken", |_| true).await;
    collector.says(Answers::Takes);
    collector.trace("/later").await;
    // The first wait would be three quarters of a second at most.
    assert!(began.elapsed() > Duration::from_millis(1_800), "{:?}", began.elapsed());
    assert_eq!(collector.requests().len(), 2);
}

#[tokio::test]
async fn what_is_refused_is_not_sent_again_and_is_counted() {
    let (origin, collector) = (Origin::start("a").await, Collector::start().await);
    let gateway = Gateway::start(&with(&origin, &collector, "")).await;
    collector.says(Answers::Says(400, None));
    let mut client = Client::h1(&gateway).await;
    client.get("/refused").await;
    gateway.shows(&[(&outcome("refused"), 3.0), ("sluice_trace_spans_waiting", 0.0)]).await;
    collector.says(Answers::TakesAllBut(2));
    client.get("/partly").await;
    gateway.shows(&[(&outcome("refused"), 5.0), (&outcome("sent"), 1.0)]).await;
    assert_eq!(collector.requests().len(), 2);
    let said = gateway.log.filter("traces are not taken", |_| true);
    assert_eq!(said.iter().map(|event| event.text("reason")).collect::<Vec<_>>(), ["status 400"], "said once");
}

#[tokio::test]
async fn a_dead_or_silent_collector_costs_no_exchange_and_the_queue_has_its_bound() {
    let origin = Origin::start("a").await;
    for is_silent in [true, false] {
        let collector = Collector::start().await;
        let table = collector.table("queue = 300\ntimeout = \"200ms\"");
        if is_silent {
            collector.says(Answers::Stalls);
        } else {
            drop(collector);
        }
        let gateway = Gateway::start(&Configuration::of(&[&origin]).tables(&table).tables(ADMIN)).await;
        let answers = load(&gateway, 8, 2_000, |_| Ask::get("/")).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        let scrape = gateway.scrape().await;
        let (waiting, full) = (scrape.value("sluice_trace_spans_waiting"), scrape.value(&outcome("full")));
        assert!(waiting <= 300.0 && waiting > 200.0, "{waiting} wait");
        assert_eq!(full + waiting + scrape.value(&outcome("unreached")), 6_000.0, "each span is accounted for");
        let said = gateway.log.wait_for("traces are not taken", |_| true).await;
        let reason = if is_silent { "no answer within 200ms" } else { "no connection" };
        assert!(said.text("reason").contains(reason), "{said:?}");
    }
}

#[tokio::test]
async fn what_waits_at_the_end_is_sent_before_the_gateway_is_gone() {
    let (origin, collector) = (Origin::start("a").await, Collector::start().await);
    let mut gateway = Gateway::start(&with(&origin, &collector, "interval = \"1h\"")).await;
    let mut client = Client::h1(&gateway).await;
    for number in 0..20 {
        client.get(&format!("/{number}")).await;
    }
    gateway.exchanges(20).await;
    assert_eq!(collector.requests().len(), 0, "they wait for others");
    gateway.terminate();
    assert!(gateway.ended().await.success());
    assert_eq!(collector.exchanges(20).await.len(), 20);
}

#[tokio::test]
async fn a_dead_collector_does_not_keep_the_gateway_from_its_end() {
    let (origin, collector) = (Origin::start("a").await, Collector::start().await);
    collector.says(Answers::Stalls);
    let configuration =
        with(&origin, &collector, "interval = \"1h\"\ntimeout = \"1h\"").tables("[timeouts]\ndrain = \"1s\"");
    let mut gateway = Gateway::start(&configuration).await;
    let mut client = Client::h1(&gateway).await;
    client.get("/").await;
    gateway.exchanges(1).await;
    drop(client);
    let began = Instant::now();
    gateway.terminate();
    assert!(gateway.ended().await.success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_reload_changes_the_collector_and_what_was_told_before_goes_to_the_one_before() {
    let origin = Origin::start("a").await;
    let (one, other) = (Collector::start().await, Collector::start().await);
    let gateway = Gateway::start(&with(&origin, &one, "interval = \"1h\"")).await;
    let mut client = Client::h1(&gateway).await;
    client.get("/before").await;
    gateway.exchange("/before").await;
    gateway.reload(&with(&origin, &other, "").text()).await;
    client.get("/after").await;
    other.trace("/after").await;
    // Nobody tells anything by the queue of before any more, so that it is sent.
    one.trace("/before").await;
    assert_eq!((one.exchanges(1).await.len(), other.exchanges(1).await.len()), (1, 1));

    // Without a collector nothing is added to a request, and what a client says passes.
    gateway.reload(&Configuration::of(&[&origin]).tables(ADMIN).text()).await;
    let answer = client.get("/none").await;
    assert_eq!(answer.seen_field("traceparent"), "");
    let answer = client.ask(Ask::get("/theirs").header("traceparent", "nonsense")).await;
    assert_eq!(answer.seen_field("traceparent"), "nonsense");
    eventually("the queue's end", async || {
        gateway.scrape().await.get("sluice_trace_spans_waiting").is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_collector_over_tls_is_verified_and_gets_the_fields_that_it_wants() {
    let origin = Origin::start("a").await;
    let collector = Collector::start_as(Speaks::tls(&site(&["localhost"]), &["http/1.1"])).await;
    let table = |ca: &str| {
        let url = format!("https://localhost:{}/custom/path", collector.address.port());
        let table = collector.table(&format!(
            "{ca}headers = {{ x-team = \"edge\" }}\nheader-files = {{ authorization = \"otlp.token\" }}"
        ));
        table.replace(&format!("http://{}", collector.address), &url)
    };
    let plain =
        Configuration::of(&[&origin]).file("ca.pem", &authority_pem()).file("otlp.token", "Bearer of-the-file\n");
    let gateway = Gateway::start(&plain.clone().tables(&table("ca = \"ca.pem\"\n"))).await;
    Client::h1(&gateway).await.get("/secure").await;
    collector.trace("/secure").await;
    let (target, headers) = collector.requests().remove(0);
    assert_eq!(target, "/custom/path");
    assert_eq!(
        (&headers["x-team"], &headers["authorization"]),
        (&"edge".parse().unwrap(), &"Bearer of-the-file".parse().unwrap())
    );
    assert!(headers["user-agent"].to_str().unwrap().starts_with("sluice/"), "{headers:?}");

    // Another value of the file is taken without a restart.
    gateway.put("otlp.token", "Bearer another\n");
    gateway.hang_up();
    gateway.log.wait_for_all("reload", 1, |_| true).await;
    Client::h1(&gateway).await.get("/renewed").await;
    collector.trace("/renewed").await;
    assert_eq!(collector.requests().last().unwrap().1["authorization"], "Bearer another");

    // Who is not believed gets nothing.
    let gateway = Gateway::start(&plain.tables(&table(""))).await;
    Client::h1(&gateway).await.get("/unbelieved").await;
    let said = gateway.log.wait_for("traces are not taken", |_| true).await;
    assert!(said.text("reason").contains("its certificate"), "{said:?}");
}
