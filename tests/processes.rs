//! Backends that are processes of their own, killed and stopped as systems do it: other gateways, each before the same origin, which
//! counts what gets through.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, eventually, load};

/// Three of them, and a gateway before them.
async fn chain(origin: &Origin, more: impl FnOnce(Configuration) -> Configuration) -> (Gateway, [Gateway; 3]) {
    let backend = async || Gateway::start(&Configuration::of(&[origin])).await;
    let backends = [backend().await, backend().await, backend().await];
    let endpoints: Vec<_> = ["a", "b", "c"].into_iter().zip(&backends).map(|(id, at)| (id, at.plain)).collect();
    (Gateway::start(&more(Configuration::at(&endpoints))).await, backends)
}

fn asks(number: usize) -> Ask {
    let ask = if number.is_multiple_of(3) { Ask::post("/", "a body") } else { Ask::get("/") };
    ask.header("x-id", &number.to_string())
}

/// GETs that failed, and POSTs.
fn failures(answers: &[Answer]) -> (usize, usize) {
    let failed = answers.iter().enumerate().filter(|(_, answer)| answer.status != 200);
    let (posts, gets): (Vec<_>, Vec<_>) = failed.partition(|(number, _)| number.is_multiple_of(3));
    assert!(posts.iter().all(|(_, answer)| answer.status == 502), "{posts:?}");
    (gets.len(), posts.len())
}

/// E1
#[tokio::test]
async fn e1_a_process_that_is_killed_under_load_costs_no_get_and_no_post_comes_twice() {
    const CONNECTIONS: usize = 12;
    let origin = Origin::start("a").await;
    // What is in hand at the end of one of them must be there.
    origin.answers_after(2);
    let (gateway, mut backends) = chain(&origin, |as_it_is| as_it_is).await;
    let (answers, ()) = tokio::join!(load(&gateway, CONNECTIONS, 2_000, asks), async {
        eventually("load", async || (origin.requests() > 400).then_some(())).await;
        backends[0].may_end();
        backends[0].signal(Signal::KILL);
    });
    let (gets, posts) = failures(&answers);
    assert!(gets == 0 && posts <= CONNECTIONS, "{gets} and {posts}");
    let came: HashMap<String, u64> = origin.ids();
    for (number, answer) in answers.iter().enumerate().step_by(3) {
        let count = came.get(&number.to_string()).copied().unwrap_or(0);
        assert!(count <= 1, "POST {number} came {count} times");
        assert!(count == 1 || answer.status != 200, "POST {number} was answered by nobody");
    }
}

/// E1, E4: none is left.
#[tokio::test]
async fn e4_when_all_processes_are_killed_the_answer_is_503_at_once_as_soon_as_that_is_known() {
    let origin = Origin::start("a").await;
    let ejection =
        "ejection = { consecutive-failures = 1, for = \"10m\", at-most = \"100%\" }\nwhen-all-bad = \"refuse\"";
    let (gateway, mut backends) = chain(&origin, |configuration| configuration.upstream(ejection)).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!(client.get("/").await.status, 200);
    for backend in &mut backends {
        backend.may_end();
        backend.signal(Signal::KILL);
    }
    eventually("503", async || (client.get("/").await.status == 503).then_some(())).await;
    let began = Instant::now();
    let answer = client.get("/").await;
    // 100 ms are promised.
    assert!(answer.status == 503 && began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

/// E4
#[tokio::test]
async fn e4_a_process_that_is_stopped_is_504_at_the_deadline_and_then_taken_out() {
    let origin = Origin::start("a").await;
    let (gateway, backends) = chain(&origin, |configuration| {
        let route = configuration.route("timeouts = { response-header = \"500ms\" }");
        route.upstream("ejection = { consecutive-failures = 1, for = \"10m\" }")
    })
    .await;
    backends[0].signal(Signal::STOP);
    let mut client = Client::h1(&gateway).await;
    let began = Instant::now();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(client.get("/").await.status.as_u16());
    }
    statuses.sort_unstable();
    // One of the six; the others came to those who answer.
    assert_eq!(statuses, [200, 200, 200, 200, 200, 504]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(gateway.log.wait_for("ejected", |_| true).await.text("endpoint"), "a");
    backends[0].signal(Signal::CONT);
}
