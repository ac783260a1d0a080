//! What becomes of plugins that fail, take too much or grow: others do not suffer for it, and it is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::guests::{digest, retouched};
use crate::harness::{Ask, Client, Configuration, Event, Gateway, Origin, component, eventually, load};

#[tokio::test]
async fn a_client_that_makes_a_policy_trap_takes_it_from_nobody_else() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin("fragile", component("fragile"));
    let gateway = Arc::new(Gateway::start(&configuration.routing(r#"["fragile"]"#)).await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut good = tokio::task::JoinSet::new();
    for number in 0..4 {
        let (gateway, stop) = (gateway.clone(), stop.clone());
        good.spawn(async move {
            let mut client = if number % 2 == 0 { Client::h1(&gateway).await } else { Client::h2(&gateway).await };
            let (mut asked, mut kept) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let answer = client.get("/good").await;
                assert_eq!(answer.status, 200);
                asked += 1;
                kept += usize::from(answer.seen_field("x-policy") == "kept");
            }
            (asked, kept)
        });
    }
    let bad = load(&gateway, 2, 1_000, |_| Ask::get("/bad").header("x-misbehave", "routing")).await;
    stop.store(true, Ordering::Relaxed);
    assert!(bad.iter().all(|answer| answer.status == 200));
    let (asked, kept) = good.join_all().await.into_iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    eprintln!("{kept} of {asked} good requests kept their policy");
    assert!(kept * 100 >= asked * 95, "only {kept} of {asked} good requests kept their policy");
}

#[tokio::test]
async fn a_version_that_fails_soon_after_its_swap_is_taken_back() {
    let origin = Origin::start("a").await;
    let old = component("stamp_v1");
    let configuration = Configuration::of(&[&origin]).workers(1).plugin("guest", old.clone());
    let gateway = Gateway::start(&configuration.routing(r#"["guest"]"#)).await;
    let new = component("trap");
    let name = "all/routing/guest";
    gateway.swap("guest", &new, &[name]).await;
    let mut client = Client::h1(&gateway).await;
    for _ in 0..5 {
        let answer = client.ask(Ask::get("/bad").header("x-misbehave", "routing")).await;
        assert_eq!(answer.status, 200);
    }
    let back = gateway.log.wait_for("rolled back", |event| event.text("use") == name).await;
    assert_eq!((back.text("old"), back.text("new")), (&*digest(&new), &*digest(&old)));
    assert_eq!(client.get("/").await.seen_field("x-routed-by"), "v1");
    // The file still has what was taken back: saved again, it is not tried again; something new is.
    gateway.save("guest", &new);
    let newer = retouched(&new, "mended");
    gateway.swap("guest", &newer, &[name]).await;
    assert_eq!(gateway.swaps(name).len(), 2);
}

#[tokio::test]
async fn a_version_that_has_proved_itself_is_not_taken_back() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).workers(1).plugin("guest", component("trap"));
    let gateway = Gateway::start(&configuration.routing(r#"["guest"]"#)).await;
    let mut client = Client::h1(&gateway).await;
    for _ in 0..20 {
        client.ask(Ask::get("/bad").header("x-misbehave", "routing")).await;
    }
    // Nothing was there before it.
    gateway.swap("guest", &component("stamp_v1"), &["all/routing/guest"]).await;
    assert_eq!(client.get("/").await.seen_field("x-routed-by"), "v1");
    assert_eq!(gateway.log.filter("rolled back", |_| true), []);
}

#[tokio::test]
async fn a_use_that_takes_more_than_its_share_is_shed_until_the_second_is_over() {
    let origin = Origin::start("a").await;
    let burns = |share: &str| {
        let limits = format!("limits = {{ worker-share = \"{share}\" }}");
        let configuration = Configuration::of(&[&origin]).workers(1).plugin_with("burns", component("burns"), &limits);
        configuration.routing(r#"["burns"]"#)
    };
    let burning = |_| Ask::get("/").header("x-misbehave", "routing");
    let gateway = Gateway::start(&burns("5%")).await;
    let answers = load(&gateway, 4, 200, burning).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let shed = gateway.log.wait_for("shed", |event| event.text("use") == "all/routing/burns").await;
    assert_eq!((shed.text("plugin"), shed.0["percent"].as_f64()), ("burns", Some(5.0)));
    let left_out = gateway.log.filter("exchange", |event| event.text("why").contains("shed")).len();
    assert!(left_out >= 50, "only {left_out} of 200 exchanges went without it");
    // The next second is its own again.
    let mut client = Client::h1(&gateway).await;
    eventually("a call", async || {
        client.ask(Ask::get("/later")).await;
        let line = gateway.log.filter("exchange", |event| event.text("path") == "/later").pop()?;
        line.text("why").is_empty().then_some(())
    })
    .await;

    let gateway = Gateway::start(&burns("100%")).await;
    load(&gateway, 4, 200, burning).await;
    assert_eq!(gateway.log.filter("shed", |_| true), [], "all of it was allowed");
}

#[tokio::test]
async fn an_instance_that_only_grows_is_replaced_before_it_fails() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).workers(1).plugin("grows", component("grows"));
    let configuration = configuration.response(r#"["grows"]"#).tables("[log]\nlevel = \"debug\"");
    let gateway = Gateway::start(&configuration).await;
    let mut client = Client::h1(&gateway).await;
    for call in 1..=300 {
        assert_eq!(client.get("/").await.header("x-calls"), call.to_string(), "the count was not handed over");
        if call % 10 == 0 {
            // The spare for the next time is made on another thread.
            let made = |event: &Event| event.text("target") == "guest" && event.message().starts_with("made for");
            let recycled = gateway.log.filter("recycled", |_| true).len();
            let spares = || gateway.log.events().iter().filter(|event| made(event)).count();
            eventually("a spare", async || (spares() >= recycled + 2).then_some(())).await;
        }
    }
    let recycled = gateway.log.filter("recycled", |event| event.text("use") == "all/response/grows");
    assert!(recycled.len() >= 5, "recycled {} times", recycled.len());
    assert!(recycled.iter().all(|event| event.number("bytes") < 64 << 20));
    assert_eq!(gateway.log.filter("plugin failed", |_| true), []);
}

#[tokio::test]
async fn slots_can_be_shared_by_all_workers() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin_with("counts", component("counts"), "slots = 1");
    let gateway = Gateway::start(&configuration.selection(r#"["counts", "round-robin"]"#)).await;
    let answers = load(&gateway, 20, 1_000, |_| Ask::get("/")).await;
    let mut calls: Vec<usize> = answers.iter().map(|answer| answer.header("x-calls").parse().unwrap()).collect();
    calls.sort_unstable();
    assert_eq!(calls, (1..=1_000).collect::<Vec<_>>(), "one instance counts them all");
    assert!(answers.iter().all(|answer| answer.header("x-worker") == "0"));
    let workers: std::collections::BTreeSet<u64> =
        gateway.exchanges(1_000).await.iter().map(|event| event.number("worker")).collect();
    assert_eq!(workers.len(), 2, "both workers served");
}

#[tokio::test]
async fn instances_are_made_on_first_need() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin("grows", component("grows"));
    let gateway = Gateway::start(&configuration.response(r#"["grows"]"#)).await;
    let made = || {
        let events = gateway.log.events();
        events.iter().filter(|event| event.text("target") == "guest" && event.message().starts_with("made for")).count()
    };
    // One shows at the start that it can be made.
    assert_eq!(made(), 1);
    load(&gateway, 20, 40, |_| Ask::get("/")).await;
    eventually("an instance and a spare on both workers", async || (made() == 4).then_some(())).await;
}

#[tokio::test]
async fn what_a_plugin_may_write_is_bounded_as_configured() {
    let origin = Origin::start("a").await;
    let written = async |limits: &str, header: usize, line: usize| {
        let configuration = Configuration::of(&[&origin]).plugin_with("writes", component("writes"), limits);
        let config = format!(r#"[{{ plugin = "writes", config = {{ header = {header}, line = {line} }} }}]"#);
        let gateway = Gateway::start(&configuration.response(&config)).await;
        let answer = Client::h1(&gateway).await.get("/").await;
        assert_eq!(answer.status, 200);
        (answer.header("x-long").len(), answer.header("x-written").to_owned())
    };
    let taken = |length| (length, "yes".to_owned());
    assert_eq!(written("", 16_000, 10).await, taken(16_000));
    assert_eq!(written("", 17_000, 10).await, (0, "no".to_owned()));
    assert_eq!(written("limits = { output = \"32KiB\" }", 17_000, 10).await, taken(17_000));
    assert_eq!(written("limits = { output = \"1KiB\" }", 1_100, 10).await, (0, "no".to_owned()));
    assert_eq!(written("", 10, 1_000_000).await, taken(10));
    // The call fails as a whole, so that nothing of it is seen.
    assert_eq!(written("", 10, 1_100_000).await, (0, String::new()));
    assert_eq!(written("limits = { host-call = \"2MiB\" }", 10, 1_100_000).await, taken(10));
    assert_eq!(written("limits = { host-call = \"4KiB\" }", 10, 5_000).await, (0, String::new()));
}
