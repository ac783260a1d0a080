//! A request is sent once more where that is safe and the route says so, and no more often than the budget allows.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;

use crate::harness::script::{Act, OK, Scripted, UNAVAILABLE};
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, PATIENCE, component, eventually, load};

/// A gateway whose endpoint a request can name, with that `retry`.
fn choosing(origins: &[&Origin], retry: &str) -> Configuration {
    let configuration = Configuration::of(origins).plugin("chooses", component("chooses"));
    configuration.selection(r#"["chooses", "round-robin"]"#).route(&format!("retry = {{ {retry} }}"))
}

fn scripted(origins: &[&Scripted], retry: &str) -> Configuration {
    let named: Vec<_> = ["a", "b", "c"].into_iter().zip(origins.iter().map(|origin| origin.address)).collect();
    let configuration = Configuration::at(&named).plugin("chooses", component("chooses"));
    configuration.selection(r#"["chooses", "round-robin"]"#).route(&format!("retry = {{ {retry} }}"))
}

fn at(endpoint: &str, ask: Ask) -> Ask {
    ask.header("x-endpoint", endpoint)
}

/// A body in pieces, of unknown length.
fn piecewise(pieces: &'static [&'static str]) -> Ask {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        for piece in pieces {
            // The gateway may have answered already.
            let _ = sender.send_data(Bytes::from_static(piece.as_bytes())).await;
        }
    });
    Ask::new("PUT", "/").body(body.boxed())
}

fn statuses(answers: &[Answer]) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for answer in answers {
        *counts.entry(answer.status.as_u16()).or_default() += 1;
    }
    counts
}

/// E1
#[tokio::test]
async fn a_backend_that_is_killed_under_load_costs_no_get_and_no_post_comes_twice() {
    const CONNECTIONS: usize = 12;
    let origins: [Origin; 3] = Origin::several().await;
    // What is in hand at the end of one of them must be there.
    origins[0].answers_after(2);
    let gateway = Gateway::start(&Configuration::of(&origins.each_ref())).await;
    let ask = |number: usize| {
        let ask = if number.is_multiple_of(3) { Ask::post("/", "a body") } else { Ask::get("/") };
        ask.header("x-id", &number.to_string())
    };
    let (answers, ()) = tokio::join!(load(&gateway, CONNECTIONS, 3_000, ask), async {
        eventually("load", async || (origins[0].requests() > 200).then_some(())).await;
        origins[0].die().await;
    });
    let (posts, gets): (Vec<_>, Vec<_>) = answers.into_iter().enumerate().partition(|(number, _)| number % 3 == 0);
    assert!(gets.iter().all(|(_, answer)| answer.status == 200));
    let failed: Vec<_> = posts.iter().filter(|(_, answer)| answer.status != 200).collect();
    assert!(failed.len() <= CONNECTIONS && failed.iter().all(|(_, answer)| answer.status == 502), "{failed:?}");
    for (number, _) in &posts {
        let seen = |origin: &Origin| origin.ids().get(&number.to_string()).copied().unwrap_or(0);
        assert!(origins.iter().map(seen).sum::<u64>() <= 1, "POST {number} came twice");
    }
}

/// E2
#[tokio::test]
async fn a_kept_connection_that_ends_as_it_is_used_costs_no_request_that_may_be_repeated() {
    // Keeps the connection, and closes it when the next request has come.
    let origin = Scripted::start(|_, request| if request == 0 { Act::Answer(OK) } else { Act::Close }).await;
    // Nobody else could be asked, and nothing is to be tried again: only the race itself is made good.
    let gateway = Gateway::start(&scripted(&[&origin], "extra-attempts = 0").workers(1)).await;
    for _ in 0..10 {
        assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
        assert_eq!(Client::h2(&gateway).await.ask(piecewise(&["a ", "body"])).await.status, 200);
    }
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
    // What came over a kept connection may have been done.
    assert_eq!(Client::h1(&gateway).await.ask(Ask::post("/", "body")).await.status, 502);
    assert_eq!(origin.requests("POST"), 1);
    let attempts = gateway.exchanges(22).await.iter().map(|line| line.number("attempts")).max();
    assert_eq!(attempts, Some(1), "a fresh connection to the same endpoint is no other attempt");
}

#[tokio::test]
async fn a_connection_that_breaks_before_an_answer_costs_no_get_and_is_not_tried_again_with_a_post() {
    let breaks = Scripted::start(|connection, _| match connection % 2 {
        0 => Act::Close,
        _ => Act::ResetAfter("\r\n"),
    });
    let (breaks, answers) = (breaks.await, Scripted::start(|_, _| Act::Answer(OK)).await);
    let gateway = Gateway::start(&scripted(&[&breaks, &answers], "")).await;
    let mut client = Client::h2(&gateway).await;
    assert_eq!(client.ask(at("a b", Ask::get("/"))).await.status, 200);
    assert_eq!(client.ask(at("a b", Ask::post("/", "body\r\n"))).await.status, 502);
    assert_eq!((breaks.requests("GET"), breaks.requests("POST")), (1, 1));
    assert_eq!((answers.requests("GET"), answers.requests("POST")), (1, 0));
    let line = gateway.log.wait_for("exchange", |event| event.text("method") == "GET").await;
    assert_eq!((line.number("attempts"), line.text("endpoint")), (2, "b"));
    assert!(line.text("why").contains("a broke off"), "{line:?}");
}

#[tokio::test]
async fn a_short_body_that_may_be_repeated_is_sent_whole_to_the_next_endpoint_trailers_too() {
    let breaks = Scripted::start(|_, _| Act::ResetAfter("one two")).await;
    let takes = Scripted::start(|_, _| Act::After("x-sum: 3\r\n\r\n", OK)).await;
    let gateway = Gateway::start(&scripted(&[&breaks, &takes], "")).await;
    for (number, mut client) in
        [Client::plain(&gateway).await, Client::plain_h2(&gateway).await].into_iter().enumerate()
    {
        let (mut sender, body) = Channel::new(1);
        let ask = at("a b", Ask::new("PUT", "/").header("trailer", "x-sum").body(body.boxed()));
        let answer = tokio::spawn(async move { client.ask(ask).await });
        sender.send_data(Bytes::from("one two")).await.unwrap();
        // The first endpoint has gone in the middle of it.
        eventually("half a body", async || (breaks.requests("PUT") > number).then_some(())).await;
        sender.send_data(Bytes::from(" three")).await.unwrap();
        let trailers = [("x-sum".parse().unwrap(), "3".parse().unwrap())].into_iter().collect();
        sender.send_trailers(trailers).await.unwrap();
        assert_eq!(answer.await.unwrap().status, 200);
        let heard = &takes.heard()[number];
        let (_, body) = heard.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            body.replace("d\r\none two three", "7\r\none two\r\n6\r\n three"),
            "7\r\none two\r\n6\r\n three\r\n0\r\nx-sum: 3\r\n\r\n"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_longer_than_what_is_kept_is_not_sent_twice() {
    let breaks = Scripted::start(|_, _| Act::ResetAfter("four!")).await;
    let takes = Scripted::start(|_, _| Act::After("four!", OK)).await;
    let gateway = Gateway::start(&scripted(&[&breaks, &takes], r#"body = "8B""#)).await;
    let kept: &[&str] = &["fo", "r", "four!"];
    let too_long: &[&str] = &["fours", "four!"];
    for (pieces, status) in [(kept, 200), (too_long, 502)] {
        let ask = || at("a b", piecewise(Box::leak(pieces.to_vec().into_boxed_slice())));
        assert_eq!(Client::h1(&gateway).await.ask(ask()).await.status, status);
        // The same where the length is known before.
        let ask = Ask::new("PUT", "/").body(http_body_util::Full::from(pieces.concat()).boxed());
        assert_eq!(Client::h1(&gateway).await.ask(at("a b", ask)).await.status, status);
    }
    assert_eq!(takes.requests("PUT"), 2);
}

#[tokio::test]
async fn an_answer_of_a_configured_status_is_not_passed_on_while_another_endpoint_is_left() {
    let origins: [Origin; 3] = Origin::several().await;
    let gateway = Gateway::start(&choosing(&origins.each_ref(), r#"extra-attempts = 2, on = ["503", "429"]"#)).await;
    origins[0].answer(503);
    origins[1].answer(429);
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        assert_eq!(client.ask(at("a b", Ask::get("/again"))).await.origin(), "c");
        // A body that was kept comes too.
        let put = Ask::new("PUT", "/").body(http_body_util::Full::from("a body").boxed());
        let answer = client.ask(at("a b", put)).await;
        assert_eq!((answer.origin(), &answer.seen()["body_start"]), ("c", &"a body".into()));
        let answer = client.ask(at("a c", Ask::post("/", "a body"))).await;
        assert_eq!((answer.status.as_u16(), answer.origin()), (503, "a"), "a POST may have been done");
    }
    origins[2].answer(502);
    let answer = Client::h1(&gateway).await.ask(at("a b", Ask::get("/"))).await;
    assert_eq!((answer.status.as_u16(), answer.origin()), (502, "c"), "another error is another answer");
    let line = gateway.exchange("/again").await;
    assert_eq!((line.number("attempts"), line.text("why")), (3, "a answered 503; b answered 429"));
}

#[tokio::test]
async fn a_single_endpoint_is_asked_again_after_a_moment() {
    let origin =
        Scripted::start(|_, request| if request == 0 { Act::Answer(UNAVAILABLE) } else { Act::Answer(OK) }).await;
    let gateway = Gateway::start(&scripted(&[&origin], r#"on = ["503"]"#).workers(1)).await;
    let answer = Client::h1(&gateway).await.get("/").await;
    assert_eq!(answer.status, 200);
    assert_eq!(gateway.exchange("/").await.number("attempts"), 2);
    // Where no more is asked for, the client gets what there is.
    let stubborn = Scripted::start(|_, _| Act::Answer(UNAVAILABLE)).await;
    let gateway = Gateway::start(&scripted(&[&stubborn], r#"extra-attempts = 3, on = ["503"]"#)).await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 503);
    assert_eq!((stubborn.requests("GET"), gateway.exchange("/").await.number("attempts")), (4, 4));
}

/// E4
#[tokio::test]
async fn an_endpoint_that_does_not_answer_costs_one_try_or_in_the_end_504() {
    let origins: [Origin; 2] = Origin::several().await;
    origins[0].hold();
    let retry = r#"extra-attempts = 5, on = ["timeout"], per-try = "300ms""#;
    let configuration = choosing(&origins.each_ref(), retry).route(r#"timeouts = { total = "1s" }"#);
    let gateway = Gateway::start(&configuration).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!(client.ask(at("a", Ask::get("/other"))).await.origin(), "b");
    assert_eq!(gateway.exchange("/other").await.number("attempts"), 2);
    // What may not be repeated is not, and waits for one try only.
    assert_eq!(client.ask(at("a", Ask::post("/post", "body"))).await.status, 504);
    assert_eq!(gateway.exchange("/post").await.number("attempts"), 1);
    origins[1].hold();
    let began = Instant::now();
    assert_eq!(client.get("/silence").await.status, 504);
    assert!((Duration::from_millis(900)..PATIENCE / 3).contains(&began.elapsed()), "{:?}", began.elapsed());
    let attempts = gateway.exchange("/silence").await.number("attempts");
    assert!((3..=4).contains(&attempts), "{attempts} tries of 300 ms in a second");
}

/// E7
#[tokio::test]
async fn a_retry_storm_stays_within_the_budget() {
    let origins: [Origin; 3] = Origin::several().await;
    origins.iter().for_each(|origin| origin.answer(503));
    let retry = r#"retry = { extra-attempts = 3, on = ["503"] }"#;
    let configuration =
        Configuration::of(&origins.each_ref()).route(retry).tables("[admin]\naddress = \"127.0.0.1:0\"");
    let gateway = Gateway::start(&configuration).await;
    let answers = load(&gateway, 16, 2_000, |_| Ask::get("/")).await;
    assert_eq!(statuses(&answers), HashMap::from([(503, 2_000)]));
    let asked: usize = origins.iter().map(Origin::requests).sum();
    assert!((2_200..=2_400).contains(&asked), "{asked} requests to the endpoints for 2,000");
    let made = r#"sluice_retries_total{route="all",reason="status"}"#;
    let scrape = gateway.shows(&[(made, (asked - 2_000) as f64)]).await;
    assert_eq!(scrape.sum("sluice_retries_total"), (asked - 2_000) as f64);
    assert!(scrape.value(r#"sluice_retry_budget_exhausted_total{upstream="app"}"#) > 1_000.0);
}

#[tokio::test]
async fn retries_are_as_the_route_says_those_of_plugins_too_and_as_it_says_after_a_reload() {
    let origins: [Origin; 2] = Origin::several().await;
    origins[0].answer(500);
    let base =
        |retry| choosing(&origins.each_ref(), retry).plugin("retries", component("retries")).response(r#"["retries"]"#);
    let gateway = Gateway::start(&base("extra-attempts = 0")).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!(client.ask(at("a", Ask::get("/"))).await.status, 500);
    gateway.reload(&base("").text()).await;
    assert_eq!(client.ask(at("a", Ask::get("/"))).await.origin(), "b");
    // A body that was kept may be sent once more for a plugin too.
    let put = Ask::new("PUT", "/").body(http_body_util::Full::from("a body").boxed());
    assert_eq!(client.ask(at("a", put)).await.seen()["body_start"], "a body");
    gateway.reload(&base(r#"budget = "0%""#).text()).await;
    assert_eq!(client.ask(at("a", Ask::get("/none"))).await.status, 500);
    assert!(gateway.exchange("/none").await.text("why").contains("budget"));
}
