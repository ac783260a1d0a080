//! Endpoints are asked whether they may be used: what is sent, what counts as good, how long it takes to be believed, and
//! that it goes on, or stops, as the configuration says.

mod grpc;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::harness::{Answer, Ask, Client, Configuration, Event, Gateway, Origin, load, within};

/// Checked so, by two workers that tell figures.
fn checked(origins: &[&Origin], health: &str) -> Configuration {
    with_figures(Configuration::of(origins), health)
}

fn with_figures(configuration: Configuration, health: &str) -> Configuration {
    let admin = "[admin]\naddress = \"127.0.0.1:0\"";
    configuration.upstream(&format!("health = {{ {health} }}")).tables(admin)
}

/// For a single endpoint at that address.
fn checked_at(address: SocketAddr, health: &str) -> Configuration {
    with_figures(Configuration::at(&[("raw", address)]), health)
}

fn checks(endpoint: &str, outcome: &str) -> String {
    format!(r#"sluice_health_checks_total{{upstream="app",endpoint="{endpoint}",outcome="{outcome}"}}"#)
}

fn healthy(endpoint: &str) -> String {
    format!(r#"sluice_endpoint_healthy{{upstream="app",endpoint="{endpoint}"}}"#)
}

async fn unhealthy(gateway: &Gateway, endpoint: &str) -> Event {
    gateway.log.wait_for("unhealthy", |event| event.text("endpoint") == endpoint).await
}

fn from<'a>(answers: &'a [Answer], origin: &'a str) -> impl Iterator<Item = &'a Answer> {
    answers.iter().filter(move |answer| answer.origin() == origin)
}

/// A server that answers each request with those bytes, waits for the other side to close, and tells what it was asked.
async fn says(bytes: impl Into<Vec<u8>>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, heard) = mpsc::unbounded_channel();
    let bytes: Arc<[u8]> = bytes.into().into();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (asked, bytes) = (asked.clone(), bytes.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                // The test may be over, and the gateway may have seen enough.
                let _ = asked.send(String::from_utf8(head).unwrap());
                let _ = stream.write_all(&bytes).await;
                let _ = stream.read_u8().await;
            });
        }
    });
    (address, heard)
}

#[tokio::test]
async fn so_many_bad_checks_in_a_row_take_an_endpoint_out_and_so_many_good_ones_take_it_back() {
    let origins: [Origin; 2] = Origin::several().await;
    let health = r#"path = "/healthz", interval = "50ms", healthy-after = 2, unhealthy-after = 3"#;
    let gateway = Gateway::start(&checked(&origins.each_ref(), health)).await;
    let answers = load(&gateway, 4, 40, |_| Ask::get("/")).await;
    assert_eq!((from(&answers, "a").count(), from(&answers, "b").count()), (20, 20));

    origins[0].answer(503);
    let event = unhealthy(&gateway, "a").await;
    assert_eq!((event.text("upstream"), event.text("reason")), ("app", "status 503, not 200-299"));
    let scrape = gateway.shows(&[(&healthy("a"), 0.0), (&healthy("b"), 1.0)]).await;
    assert!(scrape.value(&checks("a", "bad")) >= 3.0);
    let answers = load(&gateway, 4, 40, |_| Ask::get("/")).await;
    assert_eq!(from(&answers, "b").count(), 40);

    origins[0].answer(200);
    gateway.log.wait_for("healthy", |event| event.text("endpoint") == "a").await;
    gateway.shows(&[(&healthy("a"), 1.0)]).await;
    let answers = load(&gateway, 4, 40, |_| Ask::get("/")).await;
    assert_eq!(from(&answers, "a").count(), 20);
    assert_eq!(gateway.log.filter("unhealthy", |event| event.text("endpoint") == "b").len(), 0);
}

#[tokio::test]
async fn what_is_asked_is_what_the_configuration_says() {
    let origin = Origin::start("a").await;
    let (address, mut heard) = says("HTTP/1.1 204 No Content\r\n\r\n").await;
    let port = address.port();
    let health =
        format!(r#"path = "/ready?deep=1", host = "checks.test", port = {port}, status = ["204"], interval = "50ms""#);
    let gateway = Gateway::start(&checked(&[&origin], &health)).await;
    let version = env!("CARGO_PKG_VERSION");
    let agent = format!("user-agent: sluice/{version} (health check)\r\nconnection: close\r\n\r\n");
    for _ in 0..2 {
        let asked = within("a check", heard.recv()).await.unwrap();
        assert_eq!(asked, format!("GET /ready?deep=1 HTTP/1.1\r\nhost: checks.test\r\n{agent}"));
    }
    gateway.shows(&[(&healthy("a"), 1.0)]).await;
    assert_eq!(origin.requests(), 0, "the port of the requests was checked");

    // Without more than it needs: the root, at the endpoint's own address.
    let (address, mut heard) = says("HTTP/1.1 200 OK\r\n\r\n").await;
    gateway.reload(&checked_at(address, "").text()).await;
    let asked = within("a check", heard.recv()).await.unwrap();
    assert_eq!(asked, format!("GET / HTTP/1.1\r\nhost: {address}\r\n{agent}"));
}

#[tokio::test]
async fn an_answer_is_good_only_if_the_beginning_of_its_body_has_the_text() {
    let long =
        |before: usize| format!("HTTP/1.1 200 OK\r\n\r\n{}all is well{}", "x".repeat(before), "y".repeat(100_000));
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{all is well}".to_owned(), ""),
        // In two pieces.
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nall is\r\n6\r\n well.\r\n".to_owned(), ""),
        (long(60_000), ""),
        (long(70_000), "the text is not in the answer"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nall is evil".to_owned(), "the text is not in the answer"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(), "the text is not in the answer"),
        ("HTTP/1.1 201 Created\r\ncontent-length: 11\r\n\r\nall is well".to_owned(), "status 201, not 200, 300-399"),
        ("all is well".to_owned(), "invalid HTTP"),
    ];
    for (answer, reason) in cases {
        let (address, _heard) = says(answer.clone()).await;
        let health = r#"body = "all is well", status = ["200", "300-399"], interval = "10m", timeout = "10s""#;
        let gateway = Gateway::start(&checked_at(address, health)).await;
        let outcome = if reason.is_empty() { "good" } else { "bad" };
        gateway.shows(&[(&checks("raw", outcome), 1.0)]).await;
        if !reason.is_empty() {
            let told = unhealthy(&gateway, "raw").await;
            assert!(told.text("reason").contains(reason), "{answer:.40}: {told:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_is_enough_for_one_kind_of_check_and_not_for_another() {
    // It accepts, and never says a word.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = listener.local_addr().unwrap();
    let gateway = Gateway::start(&checked_at(mute, r#"kind = "tcp", interval = "50ms""#)).await;
    within("a check", async { while gateway.scrape().await.value(&checks("raw", "good")) < 1.0 {} }).await;
    gateway.shows(&[(&checks("raw", "bad"), 0.0), (&healthy("raw"), 1.0)]).await;
    gateway.reload(&checked_at(mute, r#"interval = "50ms", timeout = "200ms""#).text()).await;
    assert_eq!(unhealthy(&gateway, "raw").await.text("reason"), "no answer within 200ms");

    let dead = Origin::start("dead").await;
    dead.die().await;
    let gateway = Gateway::start(&checked(&[&dead], r#"kind = "tcp", interval = "50ms""#)).await;
    let told = unhealthy(&gateway, "dead").await;
    assert!(told.text("reason").starts_with("no connection: "), "{told:?}");
}

#[tokio::test]
async fn when_checks_speak_against_all_the_rule_of_the_upstream_decides() {
    let origins: [Origin; 2] = Origin::several().await;
    let health = r#"path = "/status/500", interval = "50ms""#;
    let refusing = checked(&origins.each_ref(), health).upstream(r#"when-all-bad = "refuse""#);
    let gateway = Gateway::start(&refusing).await;
    gateway.shows(&[(&healthy("a"), 0.0), (&healthy("b"), 0.0)]).await;
    let mut client = Client::h1(&gateway).await;
    let answer = client.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
    gateway.reload(&checked(&origins.each_ref(), health).text()).await;
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn a_reload_keeps_what_checks_have_found_and_disturbs_none() {
    let origins: [Origin; 2] = Origin::several().await;
    origins[0].answer(503);
    // So seldom that there is one of each in this test; the first decides alone.
    let every =
        |interval: &str| checked(&origins.each_ref(), &format!(r#"interval = "{interval}", unhealthy-after = 3"#));
    let gateway = Gateway::start(&every("10m")).await;
    let counts = |bad: f64, good: f64| [(checks("a", "bad"), bad), (checks("b", "good"), good)];
    let shows = async |expected: &[(String, f64)]| {
        let expected: Vec<(&str, f64)> = expected.iter().map(|(series, value)| (series.as_str(), *value)).collect();
        gateway.shows(&expected).await
    };
    shows(&counts(1.0, 1.0)).await;
    gateway.shows(&[(&healthy("a"), 0.0)]).await;
    // Their upstream changes, and their settings, but nothing of how they are asked.
    gateway.reload(&every("10m").endpoint(1, "weight = 7").upstream("slow-start = \"1m\"").text()).await;
    shows(&counts(1.0, 1.0)).await;
    gateway.shows(&[(&healthy("a"), 0.0)]).await;
    // Asked otherwise they are asked anew, from where they are: once more is not enough to be believed.
    origins[0].answer(200);
    gateway.reload(&every("11m").text()).await;
    shows(&[(checks("a", "good"), 1.0), (checks("b", "good"), 2.0)]).await;
    gateway.shows(&[(&healthy("a"), 0.0)]).await;
    // Not asked any more, nothing is said against them.
    gateway.reload(&Configuration::of(&origins.each_ref()).tables("[admin]\naddress = \"127.0.0.1:0\"").text()).await;
    let scrape = gateway.shows(&[(&healthy("a"), 1.0)]).await;
    assert_eq!(scrape.get(&checks("a", "bad")), None);
    assert_eq!(origins[1].requests(), 2, "it was disturbed");
}

#[tokio::test]
async fn checks_stop_with_their_upstream() {
    let origins: [Origin; 2] = Origin::several().await;
    let health = r#"interval = "20ms""#;
    let more = |address: SocketAddr| {
        let upstream = format!(
            "name = \"more\"\nhealth = {{ {health} }}\nendpoints = [{{ id = \"b\", address = \"{address}\" }}]"
        );
        let route = "[[route]]\nname = \"more\"\nmatch = { path = \"/more\" }\nupstream = \"more\"";
        format!("[[upstream]]\n{upstream}\n{route}\n")
    };
    let with_more = checked(&[&origins[0]], health).tables(&more(origins[1].address));
    let gateway = Gateway::start(&with_more).await;
    let series = r#"sluice_health_checks_total{upstream="more",endpoint="b",outcome="good"}"#;
    within("five checks", async { while gateway.scrape().await.value(series) < 5.0 {} }).await;
    gateway.reload(&checked(&[&origins[0]], health).text()).await;
    // One may have been under way.
    let before = origins[1].connections() + 1;
    let so_far = gateway.scrape().await.value(&checks("a", "good"));
    within("twenty more", async { while gateway.scrape().await.value(&checks("a", "good")) < so_far + 20.0 {} }).await;
    assert!(origins[1].connections() <= before, "{} and {before}", origins[1].connections());
}

#[tokio::test]
async fn a_name_is_looked_up_for_each_check() {
    let (address, mut heard) = says("HTTP/1.1 200 OK\r\n\r\n").await;
    let port = address.port();
    let text = checked_at(address, r#"interval = "50ms""#).text();
    let gateway = Gateway::start(&checked_at(address, "")).await;
    gateway.reload(&text.replace(&address.to_string(), &format!("localhost:{port}"))).await;
    let host = format!("\r\nhost: localhost:{port}\r\n");
    let mut by_name = 0;
    while by_name < 2 {
        by_name += usize::from(within("a check", heard.recv()).await.unwrap().contains(&host));
    }
    gateway.shows(&[(&healthy("raw"), 1.0)]).await;
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_asked_holds_up_no_other() {
    // Nobody accepts there, and connections wait in its queue.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let good = Origin::start("good").await;
    let slow = ("slow", listener.local_addr().unwrap());
    let configuration = Configuration::at(&[slow, ("good", good.address)]);
    let gateway = Gateway::start(&with_figures(configuration, r#"interval = "20ms", timeout = "30s""#)).await;
    within("ten checks", async { while gateway.scrape().await.value(&checks("good", "good")) < 10.0 {} }).await;
    assert_eq!(gateway.scrape().await.value(&checks("slow", "bad")), 0.0);
}
