//! Backends that are processes, and are killed or stopped as a system does it: what clients get, and how soon.

use std::time::{Duration, Instant};

use crate::harness::accounts::Clients;
use crate::harness::process::{Books, NUMBER, Process};
use crate::harness::{Ask, Client, Configuration, Gateway, component};

async fn three(books: &Books) -> ([Process; 3], Configuration) {
    let origins = [Process::start(books).await, Process::start(books).await, Process::start(books).await];
    let addresses: Vec<_> = ["a", "b", "c"].into_iter().zip(origins.iter().map(|one| one.address)).collect();
    let configuration = Configuration::at(&addresses);
    (origins, configuration)
}

fn numbered(number: u64) -> Ask {
    Ask::get(&format!("/{number}")).header(NUMBER, &number.to_string())
}

/// E1: with nothing configured that would help.
#[tokio::test]
async fn e1_one_of_three_that_is_killed_under_load_costs_no_get() {
    let books = Books::new();
    let (mut origins, configuration) = three(&books).await;
    let configuration = configuration.plugin("stamp", component("stamp_v1"));
    let stamped = configuration.routing(r#"["stamp"]"#).selection(r#"["stamp"]"#).response(r#"["stamp"]"#);
    let gateway = Gateway::start(&stamped).await;
    let clients = Clients::start(gateway.secure, 4, true);
    clients.pass(500).await;
    origins[1].kill();
    gateway.log.wait_for("ejected", |event| event.text("endpoint") == "b").await;
    clients.pass(500).await;
    let tally = clients.finish(&books).await;
    assert_eq!(tally.failures, Vec::<String>::new());
    assert!(tally.unknown() <= 12, "{} POSTs of 12 clients were at the one that was killed", tally.unknown());
}

/// E4: it is refused at once where checks know, and at once as well where each request finds out for itself.
#[tokio::test]
async fn e4_where_all_are_killed_the_answer_comes_at_once() {
    const SOON: Duration = Duration::from_millis(100);
    let books = Books::new();
    let (mut origins, base) = three(&books).await;
    let health = r#"health = { kind = "tcp", interval = "50ms", unhealthy-after = 1 }"#;
    let checked = base.clone().upstream(&format!("{health}\nwhen-all-bad = \"refuse\""));
    let gateways = [(Gateway::start(&checked).await, 503), (Gateway::start(&base).await, 502)];
    for (gateway, _) in &gateways {
        assert_eq!(Client::h2(gateway).await.ask(numbered(1)).await.status, 200);
    }
    origins.iter_mut().for_each(Process::kill);
    gateways[0].0.log.wait_for_all("unhealthy", origins.len(), |_| true).await;
    for (gateway, expected) in &gateways {
        let mut client = Client::h2(gateway).await;
        let began = Instant::now();
        for number in 0..10 {
            let answer = client.ask(numbered(number)).await;
            assert_eq!((answer.status.as_u16(), answer.header("proxy-status").is_empty()), (*expected, false));
        }
        let each = began.elapsed() / 10;
        assert!(each < SOON, "{expected} after {each:?}");
    }
}

/// E4: SIGSTOP; its connections stay open, and the system goes on taking new ones in its name.
#[tokio::test]
async fn e4_one_that_is_stopped_is_504_at_the_deadline_then_taken_out_and_used_again_when_it_goes_on() {
    const DEADLINE: Duration = Duration::from_millis(300);
    let books = Books::new();
    let (origins, base) = three(&books).await;
    let configuration = base
        .upstream(r#"ejection = { consecutive-failures = 3, for = "1s" }"#)
        .route(r#"timeouts = { response-header = "300ms" }"#);
    let gateway = Gateway::start(&configuration).await;
    let mut clients = [Client::h1(&gateway).await, Client::h2(&gateway).await];
    origins[1].stop();
    let (mut number, mut late) = (0, 0);
    while gateway.log.filter("ejected", |event| event.text("endpoint") == "b").is_empty() {
        let began = Instant::now();
        let answer = clients[number as usize % 2].ask(numbered(number)).await;
        if answer.status != 200 {
            let took = began.elapsed();
            assert!(answer.status == 504 && took >= DEADLINE && took < 10 * DEADLINE, "{took:?}: {answer:?}");
            late += 1;
        }
        number += 1;
        assert!(number < 20, "it is not taken out");
    }
    assert_eq!(late, 3);
    origins[1].go_on();
    gateway.log.wait_for("returned", |event| event.text("endpoint") == "b").await;
    let before = number;
    for number in before..before + 6 {
        assert_eq!(clients[number as usize % 2].ask(numbered(number)).await.status, 200);
    }
    // Nothing that it had before it was stopped was sent to anybody else.
    assert!(books.counts(before + 6).iter().all(|count| *count <= 1));
}
