//! Plugins that misbehave: the log says which use, plugin, version and hook it was and why, the exchange goes by the
//! use's policy, and the next one is fine.

use crate::harness::{Answer, Ask, Client, Configuration, Event, Gateway, Origin, component, eventually};

const HOOKS: [&str; 3] = ["routing", "selection", "response"];

/// A gateway with that guest in all three chains.
async fn with_guest(origin: &Origin, guest: &str, on_error: &str) -> Gateway {
    let on_error = if on_error.is_empty() { String::new() } else { format!(", on-error = \"{on_error}\"") };
    let here = format!(r#"{{ plugin = "guest"{on_error} }}"#);
    let configuration = Configuration::of(&[origin]).workers(1).plugin("guest", component(guest));
    let configuration = configuration.routing(&format!("[{here}]")).response(&format!("[{here}]"));
    Gateway::start(&configuration.selection(&format!("[{here}, \"round-robin\"]"))).await
}

fn use_of(hook: &str) -> String {
    format!("{}/{hook}/guest", if hook == "selection" { "app" } else { "all" })
}

/// Asks for trouble in a hook, and then for something harmless.
async fn trouble(gateway: &Gateway, hook: &str) -> Answer {
    let mut client = Client::h1(gateway).await;
    let path = format!("/{hook}");
    let answer = client.ask(Ask::get(&path).header("x-misbehave", hook)).await;
    let next = client.get("/next").await;
    assert_eq!(next.status, 200, "the exchange after trouble in {hook}");
    answer
}

/// The log line of a failure, with all that it must name.
async fn failure(gateway: &Gateway, hook: &str) -> Event {
    let event = gateway.failure(&use_of(hook), hook).await;
    assert_eq!(event.text("plugin"), "guest");
    assert!(!event.text("version").is_empty() && event.text("digest").len() == 12, "{event:?}");
    event
}

/// A guest that fails in each hook with that reason, while every exchange is answered as if it had no opinion.
async fn fails_in_every_hook(guest: &str, reason: &str) {
    let origin = Origin::start("a").await;
    let gateway = with_guest(&origin, guest, "").await;
    for hook in HOOKS {
        let answer = trouble(&gateway, hook).await;
        assert_eq!((answer.status.as_u16(), answer.origin()), (200, "a"), "{guest} in {hook}");
        let event = failure(&gateway, hook).await;
        assert!(event.text("reason").contains(reason), "{guest} in {hook}: {event:?}");
        let exchange = gateway.exchange(&format!("/{hook}")).await;
        assert!(exchange.text("why").contains(&use_of(hook)), "no reason in the access line: {exchange:?}");
    }
    assert_eq!(origin.requests(), 6);
}

#[tokio::test]
async fn a_guest_that_traps_fails_alone() {
    fails_in_every_hook("trap", "trap: ").await;
}

#[tokio::test]
async fn a_guest_that_loops_is_cut_off_at_its_deadline() {
    fails_in_every_hook("spin", "deadline: more than 5ms of CPU time").await;
}

#[tokio::test]
async fn a_guest_that_recurses_runs_out_of_its_own_stack() {
    fails_in_every_hook("recurse", "call stack exhausted").await;
}

#[tokio::test]
async fn a_guest_that_hoards_memory_gets_no_more_than_its_share() {
    fails_in_every_hook("hoard", "memory: more than 67108864 bytes").await;
}

#[tokio::test]
async fn a_guest_that_panics_says_so_in_the_log_and_forges_no_line() {
    fails_in_every_hook("panics", "trap: ").await;
    let origin = Origin::start("a").await;
    let gateway = with_guest(&origin, "panics", "").await;
    trouble(&gateway, "selection").await;
    let says = |event: &Event| event.text("use") == use_of("selection");
    gateway.failure(&use_of("selection"), "selection").await;
    let said: Vec<Event> =
        gateway.log.events().into_iter().filter(|event| event.text("target") == "guest" && says(event)).collect();
    assert!(said.iter().any(|event| event.message().contains("the guest is out of its depth")), "{said:?}");
    assert!(gateway.log.filter("forged", |_| true).is_empty());
}

#[tokio::test]
async fn an_exchange_whose_plugin_fails_goes_by_the_policy_of_the_use() {
    let origin = Origin::start("a").await;
    for (policy, status) in [("pass", 200), ("fallback", 200), ("fail", 503)] {
        let gateway = with_guest(&origin, "trap", policy).await;
        for hook in HOOKS {
            if policy == "fallback" && hook != "selection" {
                continue;
            }
            let answer = trouble(&gateway, hook).await;
            assert_eq!(answer.status, status, "{policy} in {hook}");
            let exchange = gateway.exchange(&format!("/{hook}")).await;
            match (policy, hook) {
                ("fail", _) => assert!(answer.header("proxy-status").starts_with("sluice"), "{answer:?}"),
                ("pass", _) => assert_eq!(exchange.text("chosen_by"), "app/selection/round-robin"),
                _ => assert_eq!(exchange.text("chosen_by"), "fallback"),
            }
        }
    }
}

#[tokio::test]
async fn answers_that_name_nobody_are_faults() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin("guest", component("out_of_range"));
    let gateway = Gateway::start(&configuration.routing(r#"["guest"]"#).selection(r#"["guest", "round-robin"]"#)).await;
    let mut client = Client::h2(&gateway).await;
    for (asked, hook) in
        [("routing", "routing"), ("reply", "routing"), ("selection", "selection"), ("reject", "selection")]
    {
        let before = gateway.log.filter("plugin failed", |_| true).len();
        let answer = client.ask(Ask::get("/").header("x-misbehave", asked)).await;
        assert_eq!(answer.status, 200, "{asked}");
        assert_eq!(answer.seen_field("x-edited"), "", "edits of an invalid answer were made");
        let event = gateway.log.wait_for_all("plugin failed", before + 1, |_| true).await.remove(before);
        assert!(event.text("reason").starts_with("invalid answer: "), "{event:?}");
        assert_eq!(event.text("hook"), hook);
        assert_eq!(client.get("/next").await.status, 200);
    }
}

#[tokio::test]
async fn header_values_with_line_breaks_are_never_written() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin("guest", component("crlf"));
    let gateway = Gateway::start(&configuration.routing(r#"["guest"]"#).response(r#"["guest"]"#)).await;
    let mut client = Client::h1(&gateway).await;
    let answer = client.ask(Ask::get("/").header("x-misbehave", "routing response")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.seen_field("x-said"), "invalid invalid invalid forbidden invalid");
    assert_eq!(answer.header("x-said"), "invalid invalid invalid forbidden forbidden invalid read-only");
    for field in ["x-split", "x-smuggled", "x-nul"] {
        assert_eq!((answer.header(field), &*answer.seen_field(field)), ("", ""), "{field}");
    }
    assert_eq!(client.get("/next").await.status, 200);
}

#[tokio::test]
async fn edits_prepared_with_line_breaks_refuse_the_plugin() {
    let origin = Origin::start("a").await;
    let response = r#"[{ plugin = "guest", config = { prepare = true } }]"#;
    let configuration = Configuration::of(&[&origin]).plugin("guest", component("crlf")).response(response);
    let output = Gateway::refuse(&configuration);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("configure"), "{said}");
}

#[tokio::test]
async fn what_a_guest_prints_becomes_log_lines_one_for_each_and_not_too_many() {
    let origin = Origin::start("a").await;
    let gateway = with_guest(&origin, "prints", "").await;
    assert_eq!(trouble(&gateway, "selection").await.status, 200);
    let lines = |wanted: &str| {
        let wanted = wanted.to_owned();
        move |event: &Event| event.text("target") == "guest" && event.message() == wanted
    };
    let all = [
        "printed on stdout",
        "printed on stderr",
        "\\u{1b}[31mred\\u{1b}[0m",
        "first of two",
        "second of two",
        "flood 10",
    ];
    for line in all {
        let event = gateway.log.wait_for(line, lines(line)).await;
        assert_eq!(event.text("use"), use_of("selection"));
    }
    let flood = gateway.log.events().iter().filter(|event| event.message().contains("flood")).count();
    assert!((1..=100).contains(&flood), "{flood} lines of a flood");
    assert_eq!(gateway.log.filter("plugin failed", |_| true), []);
}

#[tokio::test]
async fn a_guest_finds_no_file_no_network_and_no_environment() {
    let origin = Origin::start("a").await;
    let gateway = with_guest(&origin, "opens", "").await;
    assert_eq!(trouble(&gateway, "response").await.status, 200);
    for what in ["file", "folder", "written", "connected", "listening", "resolved"] {
        gateway.log.wait_for(&format!("{what}: denied"), |event| event.text("use") == use_of("response")).await;
    }
    gateway.log.wait_for("environment: 0 variables, 0 arguments", |_| true).await;
    assert!(!std::path::Path::new("/tmp/sluice-guest").exists());
}

#[tokio::test]
async fn huge_answers_are_not_taken() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin("guest", component("huge"));
    let gateway = Gateway::start(&configuration.routing(r#"["guest"]"#).response(r#"["guest"]"#)).await;
    let mut client = Client::h1(&gateway).await;
    let before = gateway.resident();
    for asked in ["routing", "response"] {
        let answer = client.ask(Ask::get("/").header("x-misbehave", asked)).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-long")), (200, ""), "{asked}");
        gateway.failure(&use_of(asked), asked).await;
    }
    let answer = client.ask(Ask::get("/").header("x-misbehave", "many log")).await;
    assert_eq!(answer.headers("x-many").len(), 64);
    gateway.log.wait_for("64 edits were taken", |_| true).await;
    let long = |event: &Event| event.text("target") == "guest" && event.message().starts_with("long long");
    let line = || gateway.log.events().iter().find(|event| long(event)).map(|event| event.message().len());
    assert_eq!(eventually("the long line", async || line()).await, 1024);
    if let (Some(before), Some(after)) = (before, gateway.resident()) {
        assert!(after < before + (64 << 20), "grew from {before} to {after} bytes");
    }
    assert_eq!(client.get("/next").await.status, 200);
}

#[tokio::test]
async fn a_use_that_keeps_failing_is_left_out_for_a_while_and_comes_back() {
    let origin = Origin::start("a").await;
    let gateway = with_guest(&origin, "spin", "").await;
    let mut client = Client::h1(&gateway).await;
    // Each of these would hold the worker up for its deadline; beside them come harmless ones.
    for _ in 0..200 {
        assert_eq!(client.ask(Ask::get("/bad").header("x-misbehave", "routing")).await.status, 200);
        assert_eq!(client.get("/good").await.status, 200);
    }
    let bypassed = gateway.log.wait_for("bypassed", |event| event.text("use") == use_of("routing")).await;
    assert_eq!(bypassed.text("plugin"), "guest");
    let tried = gateway.log.filter("plugin failed", |event| event.text("hook") == "routing").len();
    assert!(tried < 50, "asked {tried} times although it always failed");
    let left_out = gateway.log.filter("exchange", |event| event.text("why").contains("bypassed")).len();
    assert!(left_out >= 100, "{left_out}");
    eventually("the use", async || {
        client.get("/later").await;
        let line = gateway.log.filter("exchange", |event| event.text("path") == "/later").pop()?;
        (!line.text("why").contains("bypassed")).then_some(())
    })
    .await;
}
