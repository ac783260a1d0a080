//! Bad lines: what is lost is sent again by the system, and nobody gets a reply twice, or none, or half of one. In a network of the
//! test's own, where it can be had.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::harness::network::Network;
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, eventually, load};

/// GETs and POSTs, short and long, each with an id of its own.
fn mixed(number: usize) -> Ask {
    let ask = match number % 3 {
        0 => Ask::post("/", vec![b'x'; 20_000]),
        1 => Ask::get("/bytes/20000"),
        _ => Ask::get("/"),
    };
    ask.header("x-id", &number.to_string())
}

/// How often each request came to an origin.
fn came(origins: &[Origin]) -> HashMap<String, u64> {
    let mut all = HashMap::new();
    for (id, count) in origins.iter().flat_map(Origin::ids) {
        *all.entry(id).or_default() += count;
    }
    all
}

/// Each has all of its reply.
fn assert_whole(answers: &[Answer]) {
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
        match number % 3 {
            0 => assert_eq!(answer.seen()["body_bytes"], 20_000),
            1 => assert_eq!(answer.body.len(), 20_000),
            _ => assert_eq!(answer.seen()["method"], "GET"),
        }
    }
}

/// E8
#[test]
fn e8_where_packets_are_lost_no_reply_is() {
    const REQUESTS: usize = 300;
    Network::run(async |network| {
        let origins: [Origin; 2] = Origin::several().await;
        let gateway = Gateway::start(&Configuration::of(&origins.each_ref())).await;
        network.loses(50);
        let answers = load(&gateway, 12, REQUESTS, mixed).await;
        assert_whole(&answers);
        for number in 0..20 {
            assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200, "fresh connection {number}");
        }
        assert!(network.lost() > 20, "only {} packets were lost", network.lost());
        let came = came(&origins);
        for number in 0..REQUESTS {
            assert_eq!(came[&number.to_string()], 1, "{number}");
        }
    });
}

/// E8
#[test]
fn e8_where_little_passes_all_of_it_does() {
    Network::run(async |network| {
        let origins: [Origin; 2] = Origin::several().await;
        let gateway = Gateway::start(&Configuration::of(&origins.each_ref())).await;
        network.narrows("1mbit");
        let began = Instant::now();
        let answers = load(&gateway, 6, 18, mixed).await;
        assert_whole(&answers);
        // Twelve bodies of 20 kB, over two hops.
        assert!(began.elapsed() > Duration::from_secs(2), "that was no narrow line: {:?}", began.elapsed());
        assert!(came(&origins).values().all(|count| *count == 1));
    });
}

/// E8
#[test]
fn e8_a_partition_is_over_when_it_is_over() {
    /// The first of those that begin meanwhile.
    const FIRST: usize = 1_002;
    Network::run(async |network| {
        let origins: [Origin; 2] = Origin::several().await;
        let gateway = Gateway::start(&Configuration::of(&origins.each_ref())).await;
        let ports = origins.each_ref().map(|origin| origin.address.port());
        load(&gateway, 6, 60, mixed).await;
        let before = came(&origins);
        let cut = async {
            network.cuts(&ports);
            // That long is the promise.
            tokio::time::sleep(Duration::from_secs(5)).await;
            network.heals();
            let healed = Instant::now();
            eventually("an answer from an endpoint", async || {
                (Client::h1(&gateway).await.get("/").await.status == 200).then_some(())
            })
            .await;
            healed.elapsed()
        };
        // They begin while it is cut: each gets one answer, of the endpoint's or of the gateway's.
        let (recovered, answers) = tokio::join!(cut, load(&gateway, 6, 12, |number| mixed(FIRST + number)));
        eprintln!("recovered after {recovered:?}");
        // 2 s are promised.
        assert!(recovered < Duration::from_secs(6), "{recovered:?}");
        assert_eq!(answers.len(), 12);
        let after = came(&origins);
        for (number, answer) in answers.iter().enumerate() {
            let count = after.get(&(FIRST + number).to_string()).copied().unwrap_or(0);
            assert!(matches!(answer.status.as_u16(), 200 | 502..=504), "{number}: {answer:?}");
            assert!(count <= 1 || number % 3 != 0, "POST {number} came {count} times");
            assert!(count > 0 || answer.status != 200, "{number} was answered by nobody");
        }
        assert!(before.values().all(|count| *count == 1));
        // All is as before, at both.
        assert_whole(&load(&gateway, 6, 60, mixed).await);
    });
}
