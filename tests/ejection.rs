//! Endpoints are taken out for what requests meet there, never too many of them, and come back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::harness::{Answer, Ask, Client, Configuration, Event, Gateway, Origin, component, eventually, load, within};

/// A gateway whose endpoint a request can name, and that tells figures.
fn choosing(origins: &[&Origin], ejection: &str) -> Configuration {
    let configuration = Configuration::of(origins).plugin("chooses", component("chooses"));
    configuration
        .selection(r#"["chooses", "round-robin"]"#)
        .upstream(&format!("ejection = {{ {ejection} }}"))
        .tables("[admin]\naddress = \"127.0.0.1:0\"")
}

fn at(endpoints: &str) -> Ask {
    Ask::get("/").header("x-endpoint", endpoints)
}

async fn ejected(gateway: &Gateway, endpoint: &str) -> Event {
    gateway.log.wait_for("ejected", |event| event.text("endpoint") == endpoint).await
}

/// An address that takes no connection and refuses none: its queue is full, so the system drops what comes.
async fn black_hole() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
    }
    (listener, queued, address)
}

/// E4
#[tokio::test]
async fn an_endpoint_that_accepts_and_never_answers_is_504_at_the_deadline_and_then_taken_out() {
    let origins: [Origin; 2] = Origin::several().await;
    origins[0].hold();
    let configuration = choosing(&origins.each_ref(), r#"consecutive-failures = 3, for = "10m""#);
    let gateway = Gateway::start(&configuration.route(r#"timeouts = { response-header = "300ms" }"#)).await;
    let mut client = Client::h1(&gateway).await;
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(client.ask(at("a")).await.status, 504);
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(5), "{took:?}");
    }
    assert_eq!(ejected(&gateway, "a").await.text("reason"), "no answer to 3 requests in a row");
    assert_eq!(client.ask(at("a")).await.origin(), "b");
    origins[0].release();
    let series = r#"sluice_ejections_total{upstream="app",endpoint="a",reason="failures"}"#;
    gateway.shows(&[(series, 1.0), (r#"sluice_endpoint_healthy{upstream="app",endpoint="a"}"#, 0.0)]).await;
}

/// E4
#[tokio::test]
async fn an_endpoint_that_takes_no_connection_costs_the_time_to_connect_and_is_then_taken_out() {
    let (_listener, _queued, address) = black_hole().await;
    let origin = Origin::start("b").await;
    let configuration = Configuration::at(&[("hole", address), ("b", origin.address)]);
    let configuration = configuration.upstream(r#"ejection = { consecutive-failures = 2, for = "10m" }"#);
    let gateway = Gateway::start(&configuration.route(r#"timeouts = { connect = "300ms" }"#)).await;
    let mut client = Client::h1(&gateway).await;
    // Each second one begins there, and goes elsewhere when the time is over.
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(client.get("/").await.origin(), "b");
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(600) && took < Duration::from_secs(5), "{took:?}");
    ejected(&gateway, "hole").await;
    let alone = Configuration::at(&[("hole", address)]).route(r#"timeouts = { connect = "300ms" }"#);
    gateway.reload(&alone.text()).await;
    assert_eq!(client.get("/").await.status, 504);
}

/// E4
#[tokio::test]
async fn when_all_are_down_and_that_is_known_the_answer_is_503_at_once() {
    let origins: [Origin; 2] = Origin::several().await;
    let configuration = choosing(&origins.each_ref(), r#"consecutive-failures = 1, for = "10m", at-most = "100%""#);
    let gateway = Gateway::start(&configuration.upstream(r#"when-all-bad = "refuse""#)).await;
    let mut client = Client::h1(&gateway).await;
    for origin in &origins {
        origin.die().await;
        client.ask(at(&origin.name)).await;
        ejected(&gateway, &origin.name).await;
    }
    let began = Instant::now();
    for _ in 0..10 {
        let answer = client.get("/").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
    }
    let each = began.elapsed() / 10;
    assert!(each < Duration::from_millis(100), "{each:?}");
}

#[tokio::test]
async fn errors_take_an_endpoint_out_only_where_that_is_asked_for() {
    let origins: [Origin; 2] = Origin::several().await;
    let ejection = r#"consecutive-errors = 3, error-status = ["502-504"], for = "10m""#;
    let gateway = Gateway::start(&choosing(&origins.each_ref(), ejection)).await;
    let mut client = Client::h2(&gateway).await;
    let ask = |status: u16| Ask::get(&format!("/status/{status}")).header("x-endpoint", "a");
    // Not an error; then a row that is broken.
    for status in [500, 500, 500, 503, 503, 404, 502, 504] {
        assert_eq!(client.ask(ask(status)).await.status, status);
    }
    assert_eq!(client.ask(ask(503)).await.origin(), "a");
    assert_eq!(ejected(&gateway, "a").await.text("reason"), "3 errors in a row");
    assert_eq!(client.ask(at("a")).await.origin(), "b");
    let series = r#"sluice_ejections_total{upstream="app",endpoint="a",reason="errors"}"#;
    gateway.shows(&[(series, 1.0)]).await;
    // Without that key nobody minds.
    gateway.reload(&choosing(&origins.each_ref(), r#"consecutive-failures = 1, for = "10m""#).text()).await;
    for _ in 0..10 {
        assert_eq!(client.ask(Ask::get("/status/503").header("x-endpoint", "b")).await.origin(), "b");
    }
    assert_eq!(gateway.log.filter("ejected", |event| event.text("endpoint") == "b").len(), 0);
}

#[tokio::test]
async fn an_endpoint_whose_answers_are_worse_than_the_others_is_taken_out() {
    let origins: [Origin; 6] = Origin::several().await;
    origins[4].answer(500);
    let rule = r#"{ interval = "100ms", endpoints = 6, requests = 5, deviations = "1.9" }"#;
    let ejection = format!(r#"consecutive-failures = 0, success-rate = {rule}, for = "10m""#);
    let gateway = Gateway::start(&choosing(&origins.each_ref(), &ejection)).await;
    let bad = |answers: &[Answer]| answers.iter().filter(|answer| answer.status == 500).count();
    let event = async {
        // All are asked as often as each other, until one is out.
        while gateway.log.filter("ejected", |_| true).is_empty() {
            assert!(bad(&load(&gateway, 4, 120, |_| Ask::get("/")).await) <= 20);
        }
    };
    within("an ejection", event).await;
    let event = ejected(&gateway, "e").await;
    assert!(event.text("reason").starts_with("0.0 % of its answers are good"), "{event:?}");
    assert_eq!(bad(&load(&gateway, 4, 120, |_| Ask::get("/")).await), 0);
    assert_eq!(gateway.log.filter("ejected", |_| true).len(), 1);
}

#[tokio::test]
async fn each_time_in_a_row_an_endpoint_is_taken_out_for_longer() {
    let origins: [Origin; 2] = Origin::several().await;
    origins[0].die().await;
    // So long that a slow machine forgives nothing in between.
    let ejection = r#"consecutive-failures = 1, for = "1s", longest = "2s""#;
    let gateway = Gateway::start(&choosing(&origins.each_ref(), ejection)).await;
    let mut client = Client::h1(&gateway).await;
    let events = eventually("three times", async || {
        assert_eq!(client.ask(at("a")).await.origin(), "b");
        let events = gateway.log.filter("ejected", |_| true);
        (events.len() == 3).then_some(events)
    });
    let told: Vec<_> = events.await.iter().map(|event| (event.number("times"), event.0["seconds"].as_f64())).collect();
    assert_eq!(told, [(1, Some(1.0)), (2, Some(2.0)), (3, Some(2.0))]);
}

/// E7
#[tokio::test]
async fn of_flapping_endpoints_never_more_than_half_are_out_and_all_come_back() {
    let origins: [Origin; 4] = Origin::several().await;
    let ejection = r#"consecutive-errors = 2, for = "100ms", longest = "200ms", at-most = "50%""#;
    let gateway = Gateway::start(&choosing(&origins.each_ref(), ejection)).await;
    let healthy = async || gateway.scrape().await.sum("sluice_endpoint_healthy");
    for round in 0..6 {
        // All but one flap, now good and now bad.
        let status = if round % 2 == 0 { 503 } else { 200 };
        origins[..3].iter().for_each(|origin| origin.answer(status));
        let (answers, in_use) = tokio::join!(load(&gateway, 8, 400, |_| Ask::get("/")), async {
            let mut least: f64 = 4.0;
            for _ in 0..5 {
                least = least.min(healthy().await);
            }
            least
        });
        assert!(in_use >= 2.0, "{in_use} of 4 in use");
        // Who is good goes on being asked, and whatever comes is passed on.
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        assert!(good >= 100 && answers.iter().all(|answer| [200, 503].contains(&answer.status.as_u16())), "{good}");
    }
    assert!(gateway.log.filter("ejected", |_| true).len() >= 2);
    eventually("all back", async || (healthy().await == 4.0).then_some(())).await;
    let answers = load(&gateway, 8, 400, |_| Ask::get("/")).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
}
