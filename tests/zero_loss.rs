//! Zero loss: every request is answered once, whatever is done to the gateway meanwhile, and no stream is cut. Plugins are swapped,
//! the configuration is read again, origins are killed, the gateway itself is replaced; each under clients that keep
//! their connections, that make one for each request, and that speak HTTP/2, while WebSockets and gRPC streams stay open. Bad
//! files and bad configurations are among what comes.
//!
//! Every run of the tests does a little of each. docs/reliability.md tells how to do all of it, which takes a while.

use std::net::{SocketAddr, TcpListener};

use crate::harness::accounts::{Clients, Tally};
use crate::harness::process::{Books, Process};
use crate::harness::streams::Streams;
use crate::harness::supervised::activated;
use crate::harness::{Configuration, Echo, Gateway, component, echo};

const USES: [&str; 3] = ["all/routing/stamp", "app/selection/stamp", "all/response/stamp"];

/// How much of everything.
#[derive(Clone, Copy)]
struct Measure {
    requests: u64,
    /// So many things are done to the gateway, and so many of them are bad.
    times: usize,
    bad: usize,
    /// Clients of each way to connect.
    clients: usize,
    /// Streams of each kind.
    streams: usize,
}

impl Measure {
    /// All of it, with as many requests as `REQUESTS` says, if it says so.
    fn whole(requests: u64, times: usize, bad: usize) -> Self {
        let asked = std::env::var("REQUESTS").ok();
        let requests = asked.map_or(requests, |text| text.parse().expect("REQUESTS is a number"));
        Self { requests, times, bad, clients: 16, streams: 50 }
    }

    /// Requests between two things that are done.
    fn pace(&self) -> u64 {
        self.requests / self.times as u64
    }

    /// True if the next one is to be bad: they are spread evenly.
    fn is_bad(&self, number: usize) -> bool {
        let Self { times, bad, .. } = *self;
        (number + 1) * bad / times > number * bad / times
    }
}

/// About a hundredth of what the long tests do.
const SOME: Measure = Measure { requests: 1_500, times: 10, bad: 2, clients: 4, streams: 5 };

/// What a test begins with, and is held against at its end.
struct Scene {
    books: Books,
    origins: Vec<Process>,
    _steady: (Echo, Process),
    base: Configuration,
    gateway: Gateway,
    /// Where clients go.
    address: SocketAddr,
    streams: Streams,
    measure: Measure,
}

impl Scene {
    async fn new(measure: Measure) -> Self {
        Self::before(measure, None).await
    }

    /// With a socket of a service manager's, where there is one.
    async fn before(measure: Measure, socket: Option<&TcpListener>) -> Self {
        let books = Books::new();
        let mut origins = Vec::new();
        for _ in 0..3 {
            origins.push(Process::start(&books).await);
        }
        let (echo, steady) = (Echo::answers(echo::SWITCH).await, Process::h2(&books).await);
        let route = |name: &str, address: SocketAddr, lines: &str| {
            format!(
                "[[upstream]]\nname = \"{name}\"\n{lines}endpoints = [{{ address = \"{address}\" }}]\n\
                 [[route]]\nname = \"{name}\"\nmatch = {{ path = \"/{name}\" }}\nupstream = \"{name}\"\n"
            )
        };
        let addresses: Vec<_> = ["a", "b", "c"].into_iter().zip(origins.iter().map(|one| one.address)).collect();
        let base = Configuration::at(&addresses)
            .plugin("stamp", component("stamp_v1"))
            .routing(r#"["stamp"]"#)
            .selection(r#"["stamp", "round-robin"]"#)
            .response(r#"["stamp"]"#)
            // What was killed is asked again as soon as it is back.
            .upstream("ejection = { for = \"100ms\", longest = \"1s\" }")
            .tables("[log]\naccess = false\n")
            .tables(&route("socket", echo.address, ""))
            .tables(&route("stream", steady.address, "protocol = \"h2\"\n"));
        let (base, gateway) = match socket {
            None => (base.clone(), Gateway::start(&base).await),
            Some(socket) => {
                let address = socket.local_addr().unwrap();
                let certificates = "[{ certificate = \"site.pem\", key = \"site.key\" }]";
                let listener = format!("[[listener]]\naddress = \"{address}\"\ntls.certificates = {certificates}\n");
                let base = base.tables(&listener);
                (
                    base.clone(),
                    Gateway::start_by(&base, |command| activated(&command, socket.try_clone().unwrap())).await,
                )
            }
        };
        let address = socket.map_or(gateway.secure, |socket| socket.local_addr().unwrap());
        let streams = Streams::open(address, measure.streams).await;
        Self { books, origins, _steady: (echo, steady), base, gateway, address, streams, measure }
    }

    fn clients(&self, kills: bool) -> Clients {
        Clients::start(self.address, self.measure.clients, kills)
    }

    /// What became of all of it.
    async fn settle(self, what: &str, clients: Clients) -> Tally {
        let left = self.measure.requests.saturating_sub(clients.answered());
        clients.pass(left).await;
        let elapsed = clients.elapsed();
        let tally = clients.finish(&self.books).await;
        let (words, streams) = (self.streams.words(), self.streams.finish().await);
        let Tally { connections, moved, failures, .. } = &tally;
        eprintln!(
            "{what}: {} requests ({} POST) over {connections} connections in {} s, {moved} moved to another one; {} \
             failures, {} POST without a known end; {streams} streams, {words} words, none cut; 95 %: fewer than {:.1} in a million",
            tally.answered(),
            tally.posts(),
            elapsed.as_secs(),
            failures.len(),
            tally.unknown(),
            3e6 / tally.answered() as f64,
        );
        assert_eq!(*failures, Vec::<String>::new(), "{what}");
        assert!(tally.answered() as u64 >= self.measure.requests);
        tally
    }
}

async fn swaps(measure: Measure) {
    let scene = Scene::new(measure).await;
    let clients = scene.clients(false);
    let contents = [component("stamp_v1"), component("stamp_v2")];
    let (mut live, mut resident) = (0, None);
    for number in 0..measure.times {
        if number == measure.times / 5 {
            resident = scene.gateway.resident();
        }
        if measure.is_bad(number) {
            let mut bad = contents[live].clone();
            bad.truncate(bad.len() - 1 - number);
            scene.gateway.refused_swap("stamp", &bad).await;
        } else {
            live = 1 - live;
            scene.gateway.swap("stamp", &contents[live], &USES).await;
        }
        clients.pass(measure.pace()).await;
    }
    if let (Some(before), Some(after)) = (resident, scene.gateway.resident()) {
        eprintln!("resident after a fifth of the swaps {before} bytes, at the end {after}");
        assert!(after < before + (16 << 20), "old versions stay in memory");
    }
    scene.settle("plugin swaps", clients).await;
}

async fn reloads(measure: Measure) {
    let scene = Scene::new(measure).await;
    let clients = scene.clients(false);
    for number in 0..measure.times {
        let base = scene.base.clone();
        if measure.is_bad(number) {
            let bad = match number % 3 {
                0 => base.top("zonee = \"a\"").text(),
                1 => base.selection(r#"["headers"]"#).text(),
                _ => base.text().replace("site.pem", "nowhere.pem"),
            };
            scene.gateway.refused_reload(&bad).await;
        } else {
            let labels = format!("labels = {{ number = \"{number}\" }}");
            scene.gateway.reload(&base.endpoint(number % 3, &labels).text()).await;
        }
        clients.pass(measure.pace()).await;
    }
    scene.settle("reloads", clients).await;
}

async fn kills(measure: Measure) {
    let mut scene = Scene::new(measure).await;
    let clients = scene.clients(true);
    for number in 0..measure.times {
        clients.pass(measure.pace() / 4 * 3).await;
        let origin = &mut scene.origins[number % 3];
        origin.kill();
        clients.pass(measure.pace() / 4).await;
        origin.come_back().await;
    }
    let most = measure.times * measure.clients * 3;
    let tally = scene.settle("origins killed", clients).await;
    assert!(tally.unknown() <= most, "{} POSTs failed: more than were under way", tally.unknown());
}

/// With `socket`, by a service manager that holds it: every second time it stops the gateway and starts another one; else the
/// next one always takes over.
async fn restarts(measure: Measure, socket: Option<TcpListener>) {
    let mut scene = Scene::before(measure, socket.as_ref()).await;
    let clients = scene.clients(false);
    let mut before = Vec::new();
    for number in 0..measure.times {
        let next = match &socket {
            Some(socket) if number % 2 == 0 => {
                let again = |command| activated(&command, socket.try_clone().unwrap());
                scene.gateway.restarted_by(again).await
            }
            _ => {
                let next = scene.gateway.successor().await;
                let event = next.log.wait_for("taken over", |_| true).await;
                assert!(event.number("uses") > 0, "nothing came along: {event:?}");
                next
            }
        };
        before.push(std::mem::replace(&mut scene.gateway, next));
        clients.pass(measure.pace()).await;
    }
    scene.settle("restarts", clients).await;
    for mut gateway in before {
        assert!(gateway.ended().await.success());
        assert_eq!(gateway.log.filter("cut off at the end of `drain`", |_| true), []);
    }
}

fn socket() -> Option<TcpListener> {
    Some(TcpListener::bind("127.0.0.1:0").unwrap())
}

/// G3.
#[tokio::test]
async fn swaps_lose_nothing() {
    swaps(SOME).await;
}

/// G5.
#[tokio::test]
async fn reloads_lose_nothing() {
    reloads(SOME).await;
}

/// E1: by SIGKILL.
#[tokio::test]
async fn killed_origins_lose_nothing_that_is_safe_to_send_again() {
    kills(Measure { times: 3, ..SOME }).await;
}

/// G6.
#[tokio::test]
async fn restarts_lose_nothing() {
    restarts(Measure { times: 2, ..SOME }, None).await;
}

/// G6.
#[tokio::test]
async fn restarts_of_a_service_lose_nothing() {
    restarts(Measure { times: 2, ..SOME }, socket()).await;
}

/// G3.
#[tokio::test]
#[ignore = "a quarter of an hour"]
async fn a_thousand_swaps_over_a_million_requests() {
    swaps(Measure::whole(1_000_000, 1_000, 200)).await;
}

/// G5.
#[tokio::test]
#[ignore = "minutes"]
async fn two_hundred_reloads() {
    reloads(Measure::whole(200_000, 200, 50)).await;
}

/// E1.
#[tokio::test]
#[ignore = "minutes"]
async fn a_hundred_origins_killed() {
    kills(Measure::whole(200_000, 100, 0)).await;
}

/// G6.
#[tokio::test]
#[ignore = "minutes"]
async fn twenty_restarts() {
    let half = Measure::whole(100_000, 10, 0);
    restarts(half, None).await;
    restarts(half, socket()).await;
}
