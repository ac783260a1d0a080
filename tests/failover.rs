//! Who takes over when those that come first cannot: `failover` by priority, `nearest-zone` by distance.

use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, eventually, load};

/// One failed connection takes an endpoint out for the rest of the test, and all but one may go.
const EJECTION: &str = r#"ejection = { consecutive-failures = 1, for = "10m", at-most = "70%" }"#;

fn from(client: &str) -> Ask {
    Ask::get("/").header("x-forwarded-for", client)
}

fn count(answers: &[Answer], name: &str) -> usize {
    assert!(answers.iter().all(|answer| answer.status == 200));
    answers.iter().filter(|answer| answer.origin() == name).count()
}

#[tokio::test]
async fn failover_uses_the_next_group_only_when_nobody_of_the_first_is_left() {
    let origins: [Origin; 3] = Origin::several().await;
    let configuration = Configuration::of(&origins.each_ref()).selection(r#"["failover"]"#).upstream(EJECTION);
    let gateway = Gateway::start(&configuration.endpoint(0, "priority = 1")).await;
    // Of the first group each gets exactly half, over both workers.
    let answers = load(&gateway, 10, 1_000, |_| Ask::get("/")).await;
    assert_eq!(["a", "b", "c"].map(|name| count(&answers, name)), [0, 500, 500]);

    origins[1].die().await;
    assert_eq!(count(&load(&gateway, 10, 100, |_| Ask::get("/")).await, "c"), 100);
    origins[2].die().await;
    assert_eq!(count(&load(&gateway, 10, 100, |_| Ask::get("/")).await, "a"), 100);
}

/// Three zones with an endpoint each: from the client's, `a`, things spill to `b` and then to `c`. The gateway stands in `c`.
fn zones(origins: &[Origin; 3], more: &str) -> Configuration {
    let zones = r#"zones = { a = { clients = ["10.1.0.0/16"], spill-to = ["b", "c"] } }"#;
    let selection = format!(r#"[{{ plugin = "nearest-zone", config = {{ {zones}{more} }} }}]"#);
    let configuration = Configuration::of(&origins.each_ref()).selection(&selection).upstream(EJECTION);
    let configuration = configuration.top(r#"zone = "c""#).listener(0, r#"trusted-proxies = ["127.0.0.0/8"]"#);
    (0..3).zip(["a", "b", "c"]).fold(configuration, |configuration, (index, zone)| {
        configuration.endpoint(index, &format!("zone = \"{zone}\""))
    })
}

#[tokio::test]
async fn nearest_zone_goes_further_in_order_when_endpoints_die() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&zones(&origins, "")).await;
    for due in ["a", "b", "c"] {
        assert_eq!(count(&load(&gateway, 10, 100, |_| from("10.1.2.3")).await, due), 100);
        assert_eq!(count(&load(&gateway, 10, 100, |_| from("203.0.113.1")).await, "c"), 100);
        if due != "c" {
            origins.iter().find(|origin| origin.name == due).unwrap().die().await;
        }
    }
}

#[tokio::test]
async fn nearest_zone_goes_further_in_order_when_too_much_is_in_flight() {
    let origins: [Origin; 3] = Origin::several().await;
    origins.iter().for_each(Origin::hold);
    let gateway = Gateway::start(&zones(&origins, ", max-in-flight = 2")).await;
    let mut held = tokio::task::JoinSet::new();
    // The seventh finds every zone full, and no one is busier than another.
    for due in [[1, 0, 0], [2, 0, 0], [2, 1, 0], [2, 2, 0], [2, 2, 1], [2, 2, 2]] {
        let mut client = Client::h1(&gateway).await;
        held.spawn(async move { client.ask(from("10.1.2.3")).await });
        for (origin, count) in origins.iter().zip(due) {
            origin.holds(count).await;
        }
    }
    let mut client = Client::h1(&gateway).await;
    held.spawn(async move { client.ask(from("10.1.2.3")).await });
    let all = async || (origins.iter().map(Origin::in_hand).sum::<usize>() == 7).then_some(());
    eventually("the seventh", all).await;

    // As soon as there is room, the nearest serves again.
    origins.iter().for_each(Origin::release);
    assert!(held.join_all().await.iter().all(|answer| answer.status == 200));
    let mut client = Client::h1(&gateway).await;
    eventually("room", async || (client.ask(from("10.1.2.3")).await.origin() == "a").then_some(())).await;
}

#[tokio::test]
async fn a_chain_of_upstreams_goes_to_the_next_region_while_too_few_of_one_are_healthy_and_back() {
    let origins: [Origin; 4] = Origin::several().await;
    let address = origins[3].address;
    let two = format!(r#"{{ id = "d", address = "{address}" }}, {{ id = "e", address = "{address}" }}"#);
    let us = format!("[[upstream]]\nname = \"us\"\nendpoints = [{two}]\n");
    let eu = Configuration::of(&[&origins[0], &origins[1], &origins[2]]).tables(&us);
    let eu = eu.upstream(
        "when-all-bad = \"refuse\"\nhealth = { interval = \"20ms\", unhealthy-after = 1, healthy-after = 1 }",
    );
    let chain = r#"[{ plugin = "failover", config = { at-least = 2 } }]"#;
    let gateway = Gateway::start(&eu.routing(chain).route(r#"upstreams = ["us"]"#)).await;
    let in_us = async || count(&load(&gateway, 4, 40, |_| Ask::get("/")).await, "d");
    let judged = async |count| gateway.log.wait_for_all("unhealthy", count, |_| true).await;
    assert_eq!(in_us().await, 0);
    origins[0].answer(503);
    judged(1).await;
    assert_eq!(in_us().await, 0, "two are enough");
    origins[1].answer(503);
    judged(2).await;
    assert_eq!(in_us().await, 40, "one is not");
    origins[2].answer(503);
    judged(3).await;
    assert_eq!(in_us().await, 40);
    origins[0].answer(200);
    origins[2].answer(200);
    gateway.log.wait_for_all("healthy", 2, |_| true).await;
    assert_eq!(in_us().await, 0);
}

#[tokio::test]
async fn the_networks_of_clients_are_read_again_and_no_connection_is_lost_for_it() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&zones(&origins, "")).await;
    let mut client = Client::h1(&gateway).await;
    let mut home = async |from_network: &str| client.ask(from(from_network)).await.origin().to_owned();
    assert_eq!((home("10.1.2.3").await, home("10.7.2.3").await), ("a".to_owned(), "c".to_owned()));
    gateway.reload(&zones(&origins, "").text().replace("10.1.0.0/16", "10.7.0.0/16")).await;
    assert_eq!((home("10.1.2.3").await, home("10.7.2.3").await), ("c".to_owned(), "a".to_owned()));
}
