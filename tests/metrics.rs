//! Operators are told figures at `GET /metrics`: exact ones, in a form that scrapers take. Each scrape here reads both formats
//! and takes none that breaks a rule of its own.

use std::time::SystemTime;

use crate::harness::guests::digest;
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, component, load};

fn shown(origins: &[&Origin]) -> Configuration {
    Configuration::of(origins).tables("[admin]\naddress = \"127.0.0.1:0\"")
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[tokio::test]
async fn counts_are_exact_after_a_load_over_all_workers_and_protocols() {
    let origins: [Origin; 2] = Origin::several().await;
    let configuration = shown(&origins.each_ref()).route("match = { hosts = [\"app.test\"] }");
    let gateway = Gateway::start(&configuration).await;
    let answers = load(&gateway, 16, 800, |number| match number % 5 {
        0 => Ask::get("/"),
        1 => Ask::get("/status/404"),
        2 => Ask::get("/status/503"),
        3 => Ask::post("/", vec![b'x'; number]),
        _ => Ask::get("/").host("nowhere.test"),
    })
    .await;
    let bytes = |answers: Vec<&Answer>| answers.iter().map(|answer| answer.body.len() as f64).sum::<f64>();
    let (routed, unrouted): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| !answer.origin().is_empty());
    let posted: usize = (0..800).filter(|number| number % 5 == 3).sum();
    let scrape = gateway
        .shows(&[
            (r#"sluice_requests_total{route="all",code="2xx"}"#, 320.0),
            (r#"sluice_requests_total{route="all",code="4xx"}"#, 160.0),
            (r#"sluice_requests_total{route="all",code="5xx"}"#, 160.0),
            (r#"sluice_requests_total{route="all",code="none"}"#, 0.0),
            (r#"sluice_requests_total{route="",code="4xx"}"#, 160.0),
            (r#"sluice_request_duration_seconds_count{route="all"}"#, 640.0),
            (r#"sluice_request_duration_seconds_count{route=""}"#, 160.0),
            (r#"sluice_received_bytes_total{route="all"}"#, posted as f64),
            (r#"sluice_sent_bytes_total{route="all"}"#, bytes(routed)),
            (r#"sluice_sent_bytes_total{route=""}"#, bytes(unrouted)),
            (r#"sluice_attempts_total{upstream="app",endpoint="a"}"#, 320.0),
            (r#"sluice_attempts_total{upstream="app",endpoint="b"}"#, 320.0),
            (r#"sluice_retries_total{route="all",reason="connect-failure"}"#, 0.0),
            (r#"sluice_requests_in_flight{upstream="app",endpoint="a"}"#, 0.0),
            ("sluice_connections", 0.0),
            ("sluice_connections_accepted_total", 16.0),
            (r#"sluice_connections_refused_total{reason="full"}"#, 0.0),
        ])
        .await;
    assert_eq!(scrape.sum("sluice_requests_total"), 800.0);
    let lines = gateway.exchanges(800).await;
    let logged: u64 = lines.iter().map(|line| line.number("duration_us")).sum();
    let told = scrape.sum("sluice_request_duration_seconds_sum");
    assert!((told - logged as f64 / 1e6).abs() < 1e-6, "{told} s, {logged} us");
    assert!([0, 1].iter().all(|worker| lines.iter().any(|line| line.number("worker") == *worker)), "one worker idled");
}

#[tokio::test]
async fn what_happens_now_is_shown_now_and_who_left_is_counted() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&shown(&[&origin])).await;
    let in_flight = r#"sluice_requests_in_flight{upstream="app",endpoint="a"}"#;
    origin.hold();
    let mut clients = Vec::new();
    for number in 0..6 {
        let mut client = if number % 2 == 0 { Client::h1(&gateway).await } else { Client::h2(&gateway).await };
        clients.push(tokio::spawn(async move { client.get("/").await }));
    }
    origin.holds(6).await;
    gateway.shows(&[(in_flight, 6.0), ("sluice_connections", 6.0)]).await;
    for client in clients.drain(..2) {
        client.abort();
    }
    let left = r#"sluice_requests_total{route="all",code="none"}"#;
    gateway.shows(&[(left, 2.0), (in_flight, 4.0), ("sluice_connections", 4.0)]).await;
    origin.release();
    for client in clients {
        assert_eq!(client.await.unwrap().status, 200);
    }
    gateway.shows(&[(left, 2.0), (r#"sluice_requests_total{route="all",code="2xx"}"#, 4.0), (in_flight, 0.0)]).await;
}

#[tokio::test]
async fn an_endpoint_that_dies_shows_in_retries_and_health() {
    let [dead, alive] = Origin::several().await;
    let configuration = shown(&[&dead, &alive]).upstream("ejection = { consecutive-failures = 1, for = \"5m\" }");
    let gateway = Gateway::start(&configuration).await;
    let healthy = |name: &str| format!(r#"sluice_endpoint_healthy{{upstream="app",endpoint="{name}"}}"#);
    gateway.shows(&[(&healthy("a"), 1.0), (&healthy("b"), 1.0)]).await;
    dead.die().await;
    let mut client = Client::h1(&gateway).await;
    for _ in 0..8 {
        assert_eq!(client.get("/").await.status, 200);
    }
    gateway
        .shows(&[
            (&healthy("a"), 0.0),
            (&healthy("b"), 1.0),
            (r#"sluice_attempts_total{upstream="app",endpoint="a"}"#, 1.0),
            (r#"sluice_attempts_total{upstream="app",endpoint="b"}"#, 8.0),
            (r#"sluice_retries_total{route="all",reason="connect-failure"}"#, 1.0),
            (r#"sluice_requests_total{route="all",code="2xx"}"#, 8.0),
        ])
        .await;
}

#[tokio::test]
async fn failures_are_told_by_use_kind_and_hook() {
    let origin = Origin::start("a").await;
    let chains = |configuration: Configuration| {
        let here = r#"["trap", "spin"]"#;
        configuration.routing(here).selection(r#"["trap", "round-robin"]"#).response(here)
    };
    let configuration = shown(&[&origin]).plugin("trap", component("trap")).plugin("spin", component("spin"));
    let gateway = Gateway::start(&chains(configuration)).await;
    let mut client = Client::h1(&gateway).await;
    for _ in 0..3 {
        assert_eq!(client.ask(Ask::get("/").header("x-misbehave", "routing selection")).await.status, 200);
    }
    assert_eq!(client.get("/").await.status, 200);
    let failures = |name: &str, plugin: &str, kind: &str| {
        format!(r#"sluice_plugin_failures_total{{use="{name}",plugin="{plugin}",kind="{kind}"}}"#)
    };
    let fallbacks = |name: &str, plugin: &str, hook: &str| {
        format!(r#"sluice_plugin_fallbacks_total{{use="{name}",plugin="{plugin}",hook="{hook}"}}"#)
    };
    let scrape = gateway
        .shows(&[
            (&failures("all/routing/trap", "trap", "trap"), 3.0),
            (&failures("app/selection/trap", "trap", "trap"), 3.0),
            (&failures("all/response/trap", "trap", "trap"), 0.0),
            (&failures("all/routing/spin", "spin", "deadline"), 3.0),
            (&failures("all/routing/spin", "spin", "trap"), 0.0),
            (&fallbacks("all/routing/trap", "trap", "routing"), 3.0),
            (&fallbacks("all/routing/spin", "spin", "routing"), 3.0),
            (&fallbacks("app/selection/trap", "trap", "selection"), 3.0),
            (&fallbacks("app/selection/trap", "trap", "response"), 0.0),
        ])
        .await;
    // A series for each hook that the plugin has, and for no other.
    assert_eq!(scrape.get(&fallbacks("app/selection/round-robin", "round-robin", "selection")), Some(0.0));
    assert_eq!(scrape.get(&fallbacks("app/selection/round-robin", "round-robin", "routing")), None);
    assert_eq!(scrape.sum("sluice_plugin_failures_total"), 9.0);
}

#[tokio::test]
async fn exchanges_that_a_use_was_left_out_of_are_fallbacks_too() {
    let origin = Origin::start("a").await;
    let configuration = shown(&[&origin]).workers(1).plugin("spin", component("spin")).routing(r#"["spin"]"#);
    let gateway = Gateway::start(&configuration).await;
    let answers = load(&gateway, 2, 40, |_| Ask::get("/").header("x-misbehave", "routing")).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let all = r#"sluice_plugin_fallbacks_total{use="all/routing/spin",plugin="spin",hook="routing"}"#;
    let scrape = gateway.shows(&[(all, 40.0)]).await;
    let kinds = scrape.by("sluice_plugin_failures_total", "kind");
    let of = |kind: &str| kinds.iter().filter(|(name, _)| name == kind).map(|(_, count)| count).sum::<f64>();
    assert!(of("bypassed") >= 1.0, "{kinds:?}");
    assert_eq!(scrape.sum("sluice_plugin_failures_total"), 40.0, "{kinds:?}");
}

#[tokio::test]
async fn choices_and_retries_that_were_not_granted_are_told() {
    let origins: [Origin; 2] = Origin::several().await;
    let configuration = shown(&origins.each_ref())
        .plugin("chooses", component("chooses"))
        .plugin("retries", component("retries"))
        .endpoint(0, "max-in-flight = 1");
    let configuration = configuration.selection(r#"["chooses", "round-robin"]"#).response(r#"["retries"]"#);
    let gateway = Gateway::start(&configuration).await;
    origins[0].hold();
    let mut first = Client::h1(&gateway).await;
    let first = tokio::spawn(async move { first.ask(Ask::get("/").header("x-endpoint", "a")).await });
    origins[0].holds(1).await;
    let mut client = Client::h2(&gateway).await;
    assert_eq!(client.ask(Ask::get("/").header("x-endpoint", "a")).await.origin(), "b");
    origins[0].release();
    assert_eq!(first.await.unwrap().origin(), "a");
    // Sent once more it might happen twice.
    assert_eq!(client.ask(Ask::post("/status/500", "x")).await.status, 500);
    gateway
        .shows(&[
            (r#"sluice_plugin_overridden_total{use="app/selection/chooses",plugin="chooses"}"#, 1.0),
            (r#"sluice_plugin_retries_ignored_total{use="all/response/retries",plugin="retries"}"#, 1.0),
        ])
        .await;
}

#[tokio::test]
async fn swaps_are_told_those_that_were_refused_and_taken_back_too() {
    let origin = Origin::start("a").await;
    let old = component("stamp_v1");
    let configuration = shown(&[&origin]).workers(1).plugin("guest", old.clone()).routing(r#"["guest"]"#);
    let gateway = Gateway::start(&configuration).await;
    let info = |content: &[u8]| {
        let digest = digest(content);
        move |found: &(String, f64)| found == &(digest.clone(), 1.0)
    };
    let counts = |swaps: f64, refused: f64, rollbacks: f64| {
        [
            (r#"sluice_swaps_total{plugin="guest"}"#, swaps),
            (r#"sluice_swaps_refused_total{plugin="guest"}"#, refused),
            (r#"sluice_rollbacks_total{plugin="guest"}"#, rollbacks),
            (r#"sluice_swaps_total{plugin="round-robin"}"#, 0.0),
        ]
    };
    let scrape = gateway.shows(&counts(0.0, 0.0, 0.0)).await;
    assert!(scrape.by("sluice_plugin_info", "digest").iter().any(info(&old)));
    gateway.refused_swap("guest", b"no component").await;
    gateway.shows(&counts(0.0, 1.0, 0.0)).await;
    let new = component("trap");
    gateway.swap("guest", &new, &["all/routing/guest"]).await;
    let scrape = gateway.shows(&counts(1.0, 1.0, 0.0)).await;
    let live = scrape.by("sluice_plugin_info", "digest");
    assert!(live.iter().any(info(&new)) && !live.iter().any(info(&old)), "{live:?}");
    let mut client = Client::h1(&gateway).await;
    for _ in 0..5 {
        client.ask(Ask::get("/").header("x-misbehave", "routing")).await;
    }
    let scrape = gateway.shows(&counts(1.0, 1.0, 1.0)).await;
    assert!(scrape.by("sluice_plugin_info", "digest").iter().any(info(&old)));
    // The figures of the use are not those of a version.
    let trapped = r#"sluice_plugin_failures_total{use="all/routing/guest",plugin="guest",kind="trap"}"#;
    assert_eq!(scrape.value(trapped), 5.0);
}

#[tokio::test]
async fn figures_go_on_over_reloads_which_are_figures_too() {
    let origin = Origin::start("a").await;
    let begun = seconds(SystemTime::now());
    let base = shown(&[&origin]).plugin("trap", component("trap")).routing(r#"["trap"]"#);
    let gateway = Gateway::start(&base).await;
    let mut client = Client::h1(&gateway).await;
    let read_at = "sluice_last_reload_success_timestamp_seconds";
    let served = r#"sluice_reloads_total{outcome="served"}"#;
    let refused = r#"sluice_reloads_total{outcome="refused"}"#;
    let first = gateway.shows(&[(served, 0.0), (refused, 0.0)]).await;
    let started = first.value("process_start_time_seconds");
    assert!(started >= begun - 1.0 && started <= seconds(SystemTime::now()), "{started}");
    assert_eq!(first.value(read_at), started);

    client.ask(Ask::get("/").header("x-misbehave", "routing")).await;
    let more = "[[route]]\nname = \"more\"\nmatch = { path = \"/more\" }\nupstream = \"app\"\n";
    gateway.reload(&base.clone().endpoint(0, "weight = 7").tables(more).text()).await;
    client.get("/").await;
    client.get("/more").await;
    let asked = r#"sluice_requests_total{route="all",code="2xx"}"#;
    let asked_more = r#"sluice_requests_total{route="more",code="2xx"}"#;
    let attempts = r#"sluice_attempts_total{upstream="app",endpoint="a"}"#;
    let trapped = r#"sluice_plugin_failures_total{use="all/routing/trap",plugin="trap",kind="trap"}"#;
    let second = gateway
        .shows(&[(served, 1.0), (asked, 2.0), (asked_more, 1.0), (attempts, 3.0), (trapped, 1.0), (refused, 0.0)])
        .await;
    assert!(second.value(read_at) > started);

    gateway.refused_reload("no toml").await;
    let third = gateway.shows(&[(served, 1.0), (refused, 1.0), (asked, 2.0)]).await;
    assert_eq!(third.value(read_at), second.value(read_at));
    // What is not configured any more is not shown any more.
    gateway.reload(&base.text()).await;
    let fourth = gateway.shows(&[(served, 2.0), (asked, 2.0)]).await;
    assert_eq!(fourth.get(asked_more), None);
}

#[tokio::test]
async fn what_plugins_count_themselves_is_told_once_for_each_use() {
    let origin = Origin::start("a").await;
    // One table at places that see different upstreams, and a use of its own: two names in all.
    let other = format!(
        "[[use]]\nname = \"shared\"\nplugin = \"guest\"\nconfig = {{ greeting = \"hi\" }}\n\
         [[upstream]]\nname = \"other\"\nendpoints = [{{ id = \"o\", address = \"{}\" }}]\n\
         [[route]]\nname = \"other\"\nmatch = {{ path = \"/other\" }}\nupstream = \"other\"\nresponse = [\"shared\"]\n",
        origin.address
    );
    let own = r#"["shared", { plugin = "guest", config = { greeting = "ho" } }]"#;
    let configuration = shown(&[&origin]).plugin("guest", component("everything")).tables(&other).response(own);
    let gateway = Gateway::start(&configuration).await;
    let answers = load(&gateway, 4, 60, |number| Ask::get(if number % 3 == 0 { "/other" } else { "/" })).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let series = |name: &str, name_of_use: &str| format!(r#"sluice_use_guest_{name}{{use="{name_of_use}"}}"#);
    let bucket = |bound: &str| format!(r#"sluice_use_guest_sizes_bucket{{use="shared",le="{bound}"}}"#);
    let scrape = gateway
        .shows(&[
            (&series("calls_total", "shared"), 60.0),
            (&series("calls_total", "all/response/guest"), 40.0),
            (&series("mood", "shared"), 0.5),
            (&series("sizes_count", "shared"), 60.0),
            (&series("sizes_sum", "shared"), 180.0),
            (&bucket("2.0"), 0.0),
            (&bucket("4.0"), 60.0),
            (&bucket("+Inf"), 60.0),
            ("sluice_plugin_metrics_left_out", 0.0),
        ])
        .await;
    let kinds = ["calls", "mood", "sizes"].map(|name| scrape.types()[&format!("sluice_use_guest_{name}")].as_str());
    assert_eq!(kinds, ["counter", "gauge", "histogram"]);
}
