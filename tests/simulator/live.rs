//! The same scenario simulated, and live: a gateway with two workers before real backends that sleep, each with a few servers and a line
//! before them. It takes minutes and wants a machine that is not busy, so it runs when it is asked for:
//! `cargo test --test promises -- --ignored simulated_and_live`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Play, number, run};
use crate::harness::{Client, Configuration, Gateway};

/// How quick each backend is; the requests a second that all get, 65 % of what they can take; and how long.
const SPEEDS: [f64; 4] = [1.0, 1.0, 1.0, 0.75];
const RATE: f64 = 325.0;
const SECONDS: f64 = 8.0;
/// More than are ever in flight.
const CONNECTIONS: usize = 512;
const RUNS: usize = 5;

const SCENARIO: &str = "for = \"600s\"\narrivals.rate = [325]\n\
    service = { time = \"pareto\", mean = \"30ms\", tail = 3 }\ngateway = [{ workers = 2 }]\n\
    [[endpoint]]\nid = \"quick\"\ncount = 3\nservers = 4\n[[endpoint]]\nid = \"slow\"\nservers = 4\nspeed = 0.75\n";

/// Pareto with a mean of 30 ms and an exponent of 3: 20 ms and more.
fn work() -> Duration {
    Duration::from_secs_f64(0.020 * (1.0 - fastrand::f64()).powf(-1.0 / 3.0))
}

/// Four servers that sleep, and a fair line before them.
async fn backend(name: usize, speed: f64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let servers = Arc::new(Semaphore::new(4));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let servers = servers.clone();
            let answer = move |_: Request<Incoming>| {
                let servers = servers.clone();
                async move {
                    let _server = servers.acquire().await.unwrap();
                    sleep(work().div_f64(speed)).await;
                    let response = Response::builder().header("x-origin", name.to_string());
                    Ok::<_, Infallible>(response.body(Full::new(Bytes::from_static(b"done"))).unwrap())
                }
            };
            // A connection that breaks is the gateway's business.
            tokio::spawn(async move {
                drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await)
            });
        }
    });
    address
}

/// The part of each backend, and the 95th percentile in milliseconds.
async fn live(policy: &str) -> ([f64; 4], f64) {
    let mut endpoints = Vec::new();
    for (name, speed) in SPEEDS.into_iter().enumerate() {
        endpoints.push((["a", "b", "c", "d"][name], backend(name, speed).await));
    }
    let configuration = Configuration::at(&endpoints).selection(&format!("[\"{policy}\"]"));
    let gateway = Gateway::start(&configuration).await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::plain(&gateway).await);
    }
    let idle = Arc::new(Mutex::new(clients));
    let (began, mut at, mut asked) = (Instant::now(), 0.0, JoinSet::new());
    while at < SECONDS {
        at -= (1.0 - fastrand::f64()).ln() / RATE;
        sleep_until(began + Duration::from_secs_f64(at)).await;
        // Any of them, so that both workers get their part.
        let mut client = {
            let mut idle = idle.lock().unwrap();
            let place = fastrand::usize(..idle.len());
            idle.swap_remove(place)
        };
        let idle = idle.clone();
        asked.spawn(async move {
            let began = Instant::now();
            let answer = client.get("/").await;
            let took = began.elapsed().as_secs_f64() * 1_000.0;
            idle.lock().unwrap().push(client);
            (answer.origin().parse::<usize>().unwrap(), took)
        });
    }
    let (mut counts, mut times) = ([0.0; 4], Vec::new());
    for (origin, took) in asked.join_all().await {
        counts[origin] += 1.0;
        times.push(took);
    }
    times.sort_by(f64::total_cmp);
    (counts.map(|count| count / times.len() as f64), times[times.len() * 95 / 100])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::test]
#[ignore = "takes minutes, and a machine that is not busy"]
async fn simulated_and_live_agree_on_shares_and_on_the_95th_percentile() {
    let policies = ["round-robin", "power-of-two-choices", "least-connections", "least-response-time"];
    let simulated: Value = Play::of(SCENARIO).json(&policies);
    let mut apart = Vec::new();
    for (place, policy) in policies.into_iter().enumerate() {
        let due = run(&simulated, place);
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            runs.push(live(policy).await);
        }
        let p95 = median(runs.iter().map(|(_, p95)| *p95).collect());
        let p95_due = number(&due["latency_ms"]["p95"]);
        eprintln!(
            "{policy}: p95 live {p95:.1} ms, simulated {p95_due:.1} ms ({:+.1} %)",
            (p95 / p95_due - 1.0) * 100.0
        );
        apart.extend(((p95 / p95_due - 1.0).abs() > 0.2).then(|| format!("{policy}: p95")));
        for endpoint in 0..SPEEDS.len() {
            let share = median(runs.iter().map(|(shares, _)| shares[endpoint] * 100.0).collect());
            let share_due = number(&due["endpoints"][endpoint]["share"]) * 100.0;
            eprintln!("  share of {endpoint}: live {share:.1} %, simulated {share_due:.1} %");
            apart.extend(((share - share_due).abs() > 2.0).then(|| format!("{policy}: share of {endpoint}")));
        }
    }
    assert!(apart.is_empty(), "{apart:?}");
}
