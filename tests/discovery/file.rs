//! From a file; and what holds for every source.

use std::fmt::Write;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, mkfifoat};

use super::{found, list};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, eventually, load};

const FILE: &str = r#"{ file = "found.toml" }"#;

fn from_file(origins: &[&Origin]) -> Configuration {
    found(FILE).file("found.toml", &list(origins))
}

#[tokio::test]
async fn endpoints_come_and_go_under_load_and_no_request_is_lost() {
    let [a, b, c] = Origin::several().await;
    let gateway = Gateway::start(&from_file(&[&a, &b])).await;
    let lists = [[&b, &c], [&a, &c], [&a, &b], [&c, &b]];
    let (answers, ()) = tokio::join!(load(&gateway, 8, 6_000, |_| Ask::get("/")), async {
        for (turn, origins) in lists.iter().enumerate() {
            let mut ids: Vec<&str> = origins.iter().map(|origin| &*origin.name).collect();
            ids.sort_unstable();
            // In TOML as good tools save it, and in place as others do.
            match turn % 2 {
                0 => gateway.put("found.toml", list(origins)),
                _ => std::fs::write(gateway.folder().join("found.toml"), list(origins)).unwrap(),
            }
            gateway.has_endpoints(&ids).await;
        }
    });
    assert!(answers.iter().all(|answer| answer.status == 200));
    let before = a.requests();
    let after = load(&gateway, 4, 40, |_| Ask::get("/")).await;
    assert!(after.iter().all(|answer| answer.status == 200 && answer.origin() != "a"));
    assert_eq!(a.requests(), before, "who is gone gets nothing");
}

#[tokio::test]
async fn a_bad_file_keeps_the_old_endpoints_and_says_line_and_key_until_it_is_mended() {
    let [a, b] = Origin::several().await;
    let gateway = Gateway::start(&from_file(&[&a])).await;
    let mut client = Client::h1(&gateway).await;
    let cases = [
        ("endpoints = [\n{ address = 7 }]", "found.toml:2: endpoints[0].address: expected a host and a port"),
        ("endpoints = [\n{ addres = 'a:1' }]", "found.toml:2: endpoints[0].addres: unknown key"),
        ("endpoints = [", "found.toml:1: "),
        ("", "found.toml: endpoints: this key is required"),
        ("endpoints = [{ address = 'a:1' }, { address = 'a:1' }]", "another endpoint of this upstream has the id"),
    ];
    for (text, reason) in cases {
        gateway.put("found.toml", text);
        let said = gateway.log.wait_for("discovery failed", |event| event.text("reason").contains(reason)).await;
        assert_eq!((said.text("upstream"), said.number("endpoints")), ("app", 1));
        assert!(said.0["seconds"].is_number(), "{said:?}");
        assert_eq!(client.get("/").await.origin(), "a");
    }
    gateway.put("found.toml", "#".repeat(9 << 20));
    gateway.log.wait_for("discovery failed", |event| event.text("reason").contains("more than 8 MiB")).await;
    let many: String = (0..10_001).fold(String::new(), |mut text, number| {
        writeln!(text, "[[endpoints]]\naddress = \"10.0.0.1:80\"\nid = \"{number}\"").unwrap();
        text
    });
    gateway.put("found.toml", many);
    gateway.log.wait_for("discovery failed", |event| event.text("reason").contains("10000 at most")).await;
    let upstream = gateway.upstream().await;
    assert!(upstream["discovery"]["failing"].as_str().unwrap().contains("10000 at most"), "{upstream}");
    gateway.shows(&[(r#"sluice_discovery_up{upstream="app"}"#, 0.0)]).await;
    assert_eq!(client.get("/").await.origin(), "a");

    gateway.put("found.toml", list(&[&b]));
    gateway.log.wait_for("discovery answers again", |event| event.text("upstream") == "app").await;
    let upstream = gateway.has_endpoints(&["b"]).await;
    assert!(upstream["discovery"]["failing"].is_null() && upstream["discovery"]["answered"].is_number(), "{upstream}");
    gateway.shows(&[(r#"sluice_discovery_up{upstream="app"}"#, 1.0)]).await;
    assert_eq!(client.get("/").await.origin(), "b");
}

#[tokio::test]
async fn a_file_that_is_gone_or_none_keeps_the_old_endpoints() {
    let a = Origin::start("a").await;
    let gateway = Gateway::start(&from_file(&[&a])).await;
    let mut client = Client::h1(&gateway).await;
    let path = gateway.folder().join("found.toml");
    std::fs::remove_file(&path).unwrap();
    gateway.log.wait_for("discovery failed", |event| event.text("reason").contains("cannot be read")).await;
    assert_eq!(client.get("/").await.origin(), "a");
    let fifo = gateway.folder().join("pipe");
    mkfifoat(rustix::fs::CWD, &fifo, Mode::RUSR).unwrap();
    std::fs::rename(&fifo, &path).unwrap();
    gateway.log.wait_for("discovery failed", |event| event.text("reason").contains("not a regular file")).await;
    assert_eq!(client.get("/").await.origin(), "a");
}

#[tokio::test]
async fn requests_at_an_endpoint_that_is_gone_are_finished() {
    let [a, b] = Origin::several().await;
    let gateway = Gateway::start(&from_file(&[&a])).await;
    a.hold();
    let mut first = Client::h1(&gateway).await;
    let held = tokio::spawn(async move { first.get("/held").await });
    a.holds(1).await;
    gateway.put("found.toml", list(&[&b]));
    let upstream = gateway.has_endpoints(&["b"]).await;
    let leaving = &upstream["discovery"]["leaving"];
    assert_eq!((leaving[0]["id"].as_str(), leaving[0]["in_flight"].as_u64()), (Some("a"), Some(1)), "{leaving}");
    gateway.shows(&[(r#"sluice_discovery_leaving{upstream="app"}"#, 1.0)]).await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.origin(), "b");
    a.release();
    let answer = held.await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.origin()), (200, "a"));
    gateway.shows(&[(r#"sluice_discovery_leaving{upstream="app"}"#, 0.0)]).await;
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_said_and_a_list_that_comes_later_is_served() {
    let a = Origin::start("a").await;
    let configuration = found(r#"{ file = "found.toml", wait = "50ms" }"#);
    let gateway = Gateway::start(&configuration).await;
    gateway.log.wait_for("no endpoints known yet", |event| event.text("upstream") == "app").await;
    gateway.log.wait_for("discovery failed", |event| event.text("reason").contains("cannot be read")).await;
    let readiness = async || gateway.ask_admin("GET /readyz HTTP/1.1\r\nhost: localhost").await.1;
    assert_eq!(readiness().await, "200 OK: serving; no endpoints known yet, upstreams: 1\n");
    let mut client = Client::h1(&gateway).await;
    assert_eq!(client.get("/early").await.status, 503);
    gateway.put("found.toml", list(&[&a]));
    gateway.has_endpoints(&["a"]).await;
    assert_eq!(client.get("/").await.origin(), "a");
    assert_eq!(readiness().await, "200 OK: serving\n");
    // A list may be empty, too.
    gateway.put("found.toml", "endpoints = []");
    gateway.has_endpoints(&[]).await;
    assert_eq!(client.get("/late").await.status, 503);
}

#[tokio::test]
async fn a_reload_that_leaves_discover_as_it_is_keeps_endpoints_and_instances() {
    let [a, b, c] = Origin::several().await;
    let base = from_file(&[&a, &b]);
    let gateway = Gateway::start(&base).await;
    let mut client = Client::h1(&gateway).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let answers = async || gateway.upstream().await["discovery"]["answers"].as_u64().unwrap();
    // Once at the start, and once when it was first watched.
    eventually("two answers", async || (answers().await == 2).then_some(())).await;
    let attempts = a.requests() as f64;
    let event = gateway.reload(&base.clone().route("via = true").text()).await;
    assert_eq!((event.number("uses"), event.number("uses_kept")), (1, 1));
    // Another bound makes the upstream anew, not what is known.
    gateway.reload(&base.clone().upstream("slow-start = \"1m\"").text()).await;
    gateway.has_endpoints(&["a", "b"]).await;
    gateway.shows(&[(r#"sluice_attempts_total{upstream="app",endpoint="a"}"#, attempts)]).await;
    assert_eq!(answers().await, 2, "nobody was asked again");
    gateway.put("found.toml", list(&[&b, &c]));
    gateway.has_endpoints(&["b", "c"]).await;

    // From another source: what is known serves until that one has answered.
    gateway.reload(&base.text().replace("found.toml", "other.toml")).await;
    gateway.log.wait_for("discovery failed", |event| event.text("source").ends_with("other.toml")).await;
    assert_ne!(client.get("/").await.origin(), "a");
    gateway.put("other.toml", list(&[&a]));
    gateway.has_endpoints(&["a"]).await;
    assert_eq!(client.get("/").await.origin(), "a");
    // And back to a list in the configuration itself.
    gateway.reload(&Configuration::of(&[&c]).tables("[admin]\naddress = \"127.0.0.1:0\"").text()).await;
    assert!(gateway.upstream().await["discovery"].is_null());
    assert_eq!(client.get("/").await.origin(), "c");
}

#[tokio::test]
async fn weights_labels_and_states_come_along() {
    let [a, b, c] = Origin::several().await;
    let text = format!(
        r#"[{{ "id": "a", "address": "{}", "weight": 3 }}, {{ "id": "b", "address": "{}" }},
            {{ "id": "c", "address": "{}", "state": "draining" }}]"#,
        a.address, b.address, c.address
    );
    let configuration = found(r#"{ file = "found.json" }"#).selection(r#"["weighted-round-robin"]"#);
    let gateway = Gateway::start(&configuration.file("found.json", &text)).await;
    let answers = load(&gateway, 4, 80, |_| Ask::get("/")).await;
    let of = |name: &str| answers.iter().filter(|answer| answer.origin() == name).count();
    assert_eq!(["a", "b", "c"].map(of), [60, 20, 0]);
}

#[tokio::test]
async fn endpoints_that_are_found_are_checked_and_their_connections_kept() {
    let [a, b] = Origin::several().await;
    let health = r#"health = { path = "/healthz", interval = "50ms" }"#;
    let gateway = Gateway::start(&from_file(&[&a]).workers(1).upstream(health)).await;
    gateway.put("found.toml", list(&[&a, &b]));
    gateway.has_endpoints(&["a", "b"]).await;
    eventually("checks of who has joined", async || {
        let upstream = gateway.upstream().await;
        upstream["endpoints"][1]["checks"]["good"].as_u64().filter(|good| *good > 2)
    })
    .await;
    // Checks have connections of their own.
    let mut client = Client::h1(&gateway).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.status, 200);
    }
    gateway.shows(&[(r#"sluice_endpoint_connections_opened_total{upstream="app",endpoint="b"}"#, 1.0)]).await;
    // Of who is gone nothing is asked any more.
    gateway.put("found.toml", list(&[&a]));
    gateway.has_endpoints(&["a"]).await;
    b.die().await;
    gateway.put("found.toml", list(&[&a, &b]));
    gateway.log.wait_for("unhealthy", |event| event.text("endpoint") == "b").await;
}

#[tokio::test]
async fn changes_that_come_in_swarms_are_taken_together_and_cost_no_request() {
    let [a, b] = Origin::several().await;
    let many = |turn: usize| {
        (0..200).fold("endpoints = [\n".to_owned(), |mut text, number| {
            let (origin, id) = (if number % 2 == 0 { &a } else { &b }, number + turn % 50);
            writeln!(text, "{{ id = \"e{id}\", address = \"{}\" }},", origin.address).unwrap();
            text
        }) + "]"
    };
    let gateway = Gateway::start(&found(FILE).file("found.toml", &many(0))).await;
    let began = Instant::now();
    let turns = async {
        for turn in 1..=200 {
            gateway.put("found.toml", many(turn));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (answers, ()) = tokio::join!(load(&gateway, 8, 4_000, |_| Ask::get("/")), turns);
    assert!(answers.iter().all(|answer| answer.status == 200));
    let first = format!("e{}", 200 % 50);
    eventually("the last list", async || {
        let upstream = gateway.upstream().await;
        let ids = upstream["endpoints"].as_array().unwrap().iter();
        ids.min_by_key(|one| one["id"].as_str().unwrap()[1..].parse::<u64>().unwrap())
            .filter(|one| one["id"] == *first)
            .cloned()
    })
    .await;
    let changes = gateway.upstream().await["discovery"]["changes"].as_f64().unwrap();
    let most = began.elapsed().as_secs_f64() * 10.0 + 2.0;
    assert!((2.0..=most).contains(&changes), "{changes} changes, {most} at most");
}

#[tokio::test]
async fn a_check_says_who_would_be_asked_and_what_is_wrong_there() {
    let output = Gateway::check(&found(FILE).file("found.toml", "endpoints = [{ address = 'a:1' }]"));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("upstream app: its endpoints come from file "), "{said}");
    assert!(said.contains("found.toml, which names 1 endpoint\n"), "{said}");
    let output = Gateway::check(&found(FILE).file("found.toml", "endpoints = 7"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.starts_with("warning: "), "{said}");
    assert!(
        said.contains("upstream[0].discover: ") && said.contains("found.toml:1: endpoints: expected a list"),
        "{said}"
    );
}
