//! The built-in ways to choose an endpoint, each with the figures that it promises, over real connections and two
//! workers.

use std::collections::HashMap;

use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, component, eventually, load, statistics};

const REQUESTS: usize = 3_000;
const CONNECTIONS: usize = 30;

/// How many answers each origin gave, in the order of these names.
fn shares<const N: usize>(answers: &[Answer], names: [&str; N]) -> [u64; N] {
    assert!(answers.iter().all(|answer| answer.status == 200));
    names.map(|name| answers.iter().filter(|answer| answer.origin() == name).count() as u64)
}

/// Both workers serve at least a fifth of the exchanges.
async fn assert_both_workers_serve(gateway: &Gateway, requests: usize) {
    let exchanges = gateway.exchanges(requests).await;
    for worker in [0, 1] {
        let served = exchanges.iter().filter(|event| event.number("worker") == worker).count();
        assert!(served * 5 >= exchanges.len(), "worker {worker} served {served} of {}", exchanges.len());
    }
}

#[tokio::test]
async fn round_robin_gives_each_of_three_exactly_a_third_over_both_workers() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).selection(r#"["round-robin"]"#)).await;
    let answers = load(&gateway, CONNECTIONS, REQUESTS, |_| Ask::get("/")).await;
    assert_eq!(shares(&answers, ["a", "b", "c"]), [1_000; 3]);
    assert_both_workers_serve(&gateway, REQUESTS).await;
}

#[tokio::test]
async fn round_robin_serves_where_no_selection_is_configured() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).without_selection()).await;
    let answers = load(&gateway, 3, 30, |_| Ask::get("/")).await;
    assert_eq!(shares(&answers, ["a", "b", "c"]), [10; 3]);
    assert_eq!(gateway.exchanges(1).await[0].text("chosen_by"), "app/selection/round-robin");
}

fn weighted(origins: &[Origin; 3], selection: &str, weights: [u32; 3]) -> Configuration {
    let configuration = Configuration::of(&origins.each_ref()).selection(selection);
    (0..3)
        .zip(weights)
        .fold(configuration, |configuration, (n, weight)| configuration.endpoint(n, &format!("weight = {weight}")))
}

#[tokio::test]
async fn weighted_round_robin_is_exact_over_a_cycle_and_interleaved() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&weighted(&origins, r#"["weighted-round-robin"]"#, [5, 3, 1])).await;
    // One after the other, over connections of both workers: the order is that of the choices.
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(Client::h1(&gateway).await);
    }
    let mut order = Vec::new();
    for number in 0..90 {
        order.push(clients[number % 10].get("/").await.origin().to_owned());
    }
    for cycle in order.chunks(9) {
        let share = |name: &str| cycle.iter().filter(|origin| *origin == name).count();
        assert_eq!(["a", "b", "c"].map(share), [5, 3, 1], "{cycle:?}");
    }
    let longest_run = order.chunk_by(|one, next| one == next).map(<[_]>::len).max();
    assert!(longest_run <= Some(2), "not interleaved: {order:?}");
}

#[tokio::test]
async fn weighted_round_robin_keeps_the_shares_under_load() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&weighted(&origins, r#"["weighted-round-robin"]"#, [5, 3, 1])).await;
    let answers = load(&gateway, CONNECTIONS, 2_700, |_| Ask::get("/")).await;
    assert_eq!(shares(&answers, ["a", "b", "c"]), [1_500, 900, 300]);
    assert_both_workers_serve(&gateway, 2_700).await;
}

#[tokio::test]
async fn random_spreads_by_weight_as_chance_would() {
    let origins: [Origin; 3] = Origin::several().await;
    for (weights, expected) in [([1, 1, 1], [1_000.0; 3]), ([1, 2, 3], [500.0, 1_000.0, 1_500.0])] {
        let gateway = Gateway::start(&weighted(&origins, r#"["random"]"#, weights)).await;
        let answers = load(&gateway, CONNECTIONS, REQUESTS, |_| Ask::get("/")).await;
        let found = shares(&answers, ["a", "b", "c"]);
        let distance = statistics::chi_square(&found, &expected);
        assert!(distance < statistics::ONE_IN_A_MILLION_OF_THREE, "{found:?} instead of {expected:?}");
        assert_both_workers_serve(&gateway, REQUESTS).await;
    }
}

#[tokio::test]
async fn least_connections_keeps_in_flight_requests_even_to_as_many_as_there_are_workers() {
    let origins: [Origin; 3] = Origin::several().await;
    origins.iter().for_each(Origin::hold);
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).selection(r#"["least-connections"]"#)).await;
    let held = tokio::spawn(in_background(&gateway, CONNECTIONS, "").await);
    let all = async || (origins.iter().map(Origin::in_hand).sum::<usize>() == CONNECTIONS).then_some(());
    eventually("thirty held requests", all).await;
    let in_hand = origins.each_ref().map(Origin::in_hand);
    let spread = in_hand.iter().max().unwrap() - in_hand.iter().min().unwrap();
    assert!(spread <= 2, "{in_hand:?}");

    // From here one holds what it has, and the others answer.
    let before = origins[0].requests();
    origins[1].release();
    origins[2].release();
    origins[1].holds(0).await;
    origins[2].holds(0).await;
    let answers = load(&gateway, 4, 400, |_| Ask::get("/")).await;
    assert_eq!(answers.len(), 400);
    let more = origins[0].requests() - before;
    assert!(more <= 2, "the one that holds its requests got {more} more");
    origins[0].release();
    held.await.unwrap();
}

#[tokio::test]
async fn power_of_two_choices_leaves_an_endpoint_alone_that_holds_more_than_the_others() {
    let origins: [Origin; 2] = Origin::several().await;
    origins[0].hold();
    let chain = r#"["chooses", "power-of-two-choices"]"#;
    let configuration = Configuration::of(&origins.each_ref()).plugin("chooses", component("chooses"));
    let gateway = Gateway::start(&configuration.selection(chain)).await;
    let held = tokio::spawn(in_background(&gateway, 8, "a").await);
    origins[0].holds(8).await;
    let answers = load(&gateway, 4, 50, |_| Ask::get("/")).await;
    // Only a draw of twice the same could choose it, and there are two.
    assert_eq!(shares(&answers, ["a", "b"]), [0, 50]);
    origins[0].release();
    held.await.unwrap();
}

#[tokio::test]
async fn least_response_time_leaves_a_slow_endpoint_alone_until_it_has_recovered() {
    let origins: [Origin; 3] = Origin::several().await;
    origins.iter().for_each(|origin| origin.answers_after(5));
    origins[0].answers_after(100);
    let chain = r#"["least-response-time"]"#;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).selection(chain)).await;
    let [slow, ..] = shares(&load(&gateway, CONNECTIONS, REQUESTS, |_| Ask::get("/")).await, ["a", "b", "c"]);
    assert!(slow * 20 < REQUESTS as u64, "{slow} of {REQUESTS} requests went to one that is 20 times slower");
    assert_both_workers_serve(&gateway, REQUESTS).await;

    origins[0].answers_after(5);
    eventually("its share", async || {
        let [recovered, ..] = shares(&load(&gateway, 10, 1_000, |_| Ask::get("/")).await, ["a", "b", "c"]);
        (recovered > 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn least_response_time_starves_none_of_five_equal_endpoints() {
    let origins: [Origin; 5] = Origin::several().await;
    let chain = r#"["least-response-time"]"#;
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref()).selection(chain)).await;
    let answers = load(&gateway, CONNECTIONS, 10_000, |_| Ask::get("/")).await;
    let found = shares(&answers, ["a", "b", "c", "d", "e"]);
    assert!(found.iter().all(|count| *count > 500), "{found:?}");
}

/// That many requests at once for that endpoint, each over its own connection; ends when all are answered.
async fn in_background(
    gateway: &Gateway,
    count: usize,
    endpoint: &'static str,
) -> impl Future<Output = ()> + Send + use<> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(Client::h1(gateway).await);
    }
    async move {
        let mut requests = tokio::task::JoinSet::new();
        for mut client in clients {
            let ask = Ask::get("/held").header("x-endpoint", endpoint);
            requests.spawn(async move { assert_eq!(client.ask(ask).await.status, 200) });
        }
        requests.join_all().await;
    }
}

/// Where each key went.
async fn places(gateway: &Gateway, keys: usize) -> HashMap<usize, String> {
    let answers = load(gateway, CONNECTIONS, keys, |key| Ask::get("/").header("x-user", &format!("user-{key}"))).await;
    answers.iter().map(|answer| answer.origin().to_owned()).enumerate().collect()
}

#[tokio::test]
async fn consistent_hash_keeps_keys_and_moves_a_tenth_when_one_of_ten_leaves() {
    let origins: [Origin; 10] = Origin::several().await;
    let by_user = r#"[{ plugin = "consistent-hash", config = { key = [{ header = "x-user" }] } }]"#;
    let ten = Configuration::of(&origins.each_ref()).selection(by_user);
    let nine = Configuration::of(&origins.iter().take(9).collect::<Vec<_>>()).selection(by_user);

    let gateway = Gateway::start(&ten).await;
    let before = places(&gateway, 10_000).await;
    let again = places(&gateway, 1_000).await;
    assert!(again.iter().all(|(key, place)| before[key] == *place), "a key moved without a reason");
    assert_both_workers_serve(&gateway, 11_000).await;

    // Another gateway, so that this also shows that all gateways have the same table.
    let after = places(&Gateway::start(&nine).await, 10_000).await;
    let moved = before.iter().filter(|(key, place)| after[key] != **place).count();
    assert!((800..=1_500).contains(&moved), "{moved} of 10,000 keys moved");
    let left = before.values().filter(|place| *place == "j").count();
    assert!((700..=1_300).contains(&left), "one of ten had {left} of 10,000 keys");
}

#[tokio::test]
async fn ip_hash_behind_a_trusted_proxy_goes_by_the_clients_address() {
    let origins: [Origin; 3] = Origin::several().await;
    let configuration = Configuration::of(&origins.each_ref()).selection(r#"["ip-hash"]"#);
    let gateway = Gateway::start(&configuration.listener(0, r#"trusted-proxies = ["127.0.0.0/8"]"#)).await;
    let ask = |client: usize| Ask::get("/").header("x-forwarded-for", &format!("203.0.113.{}", client % 100));
    let answers = load(&gateway, 10, 300, ask).await;
    for client in 0..100 {
        let places = [client, client + 100, client + 200].map(|number| answers[number].origin());
        assert!(places.iter().all(|place| *place == places[0]), "client {client} went to {places:?}");
    }
    let found = shares(&answers, ["a", "b", "c"]);
    assert!(found.iter().all(|count| *count > 0), "{found:?}");

    // Whoever is not trusted is the client itself, whatever it says.
    let mut client = Client::plain(&gateway).await;
    let mut places = Vec::new();
    for number in 0..20 {
        places.push(client.ask(ask(number)).await.origin().to_owned());
    }
    assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
}
