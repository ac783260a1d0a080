//! Streams of HTTP/2 to endpoints: they flow both ways at once with their trailers, and break where the other side broke them.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use h2::server::Builder;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use tokio::sync::{Notify, mpsc};

use crate::harness::h2_origin::{H2Origin, next};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Speaks, within};

/// HTTP/2 by prior knowledge.
const H2: &str = r#"protocol = "h2""#;

fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// A server as those of gRPC: each message of the client is answered by one, and trailers tell how it went.
async fn echo() -> H2Origin {
    H2Origin::start(Builder::new(), |mut connection, _| async move {
        while let Some((request, mut respond)) = next(&mut connection).await {
            if request.uri().path() == "/trailers-only" {
                let head =
                    fields(&[("content-type", "application/grpc"), ("grpc-status", "12"), ("grpc-message", "no")]);
                let mut response = Response::new(());
                *response.headers_mut() = head;
                respond.send_response(response, true).unwrap();
                continue;
            }
            tokio::spawn(async move {
                let mut response = Response::new(());
                *response.headers_mut() = fields(&[("content-type", "application/grpc")]);
                let mut send = respond.send_response(response, false).unwrap();
                let mut body = request.into_body();
                while let Some(Ok(data)) = body.data().await {
                    body.flow_control().release_capacity(data.len()).unwrap();
                    if send.send_data(data, false).is_err() {
                        return;
                    }
                }
                let sum = body.trailers().await.ok().flatten().map_or(0, |trailers| trailers.len());
                let _ = send.send_trailers(fields(&[("grpc-status", "0"), ("x-trailers", &sum.to_string())]));
            });
        }
    })
    .await
}

#[tokio::test]
async fn messages_flow_both_ways_at_once_and_trailers_follow() {
    let origin = echo().await;
    let gateway = Gateway::start(&origin.configuration()).await;
    for mut client in [Client::h2(&gateway).await, Client::plain_h2(&gateway).await] {
        let (mut sender, body) = Channel::new(1);
        let ask = Ask::new("POST", "/echo").header("content-type", "application/grpc").header("te", "trailers");
        let mut response = within("the head", client.send(ask.body(body.boxed()))).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/grpc");
        for message in ["first", "second", "third"] {
            sender.send_data(Bytes::from(message)).await.unwrap();
            let frame = within("an echo", response.body_mut().frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), message);
        }
        sender.send_trailers(fields(&[("x-client", "1"), ("x-more", "2")])).await.unwrap();
        drop(sender);
        let rest = within("the end", response.into_body().collect()).await.unwrap();
        let trailers = rest.trailers().unwrap();
        assert_eq!((trailers["grpc-status"].as_bytes(), trailers["x-trailers"].as_bytes()), (&b"0"[..], &b"2"[..]));
    }
}

#[tokio::test]
async fn an_answer_of_trailers_only_passes() {
    let origin = echo().await;
    let gateway = Gateway::start(&origin.configuration()).await;
    let ask = Ask::new("POST", "/trailers-only").header("content-type", "application/grpc").header("te", "trailers");
    let answer = Client::h2(&gateway).await.ask(ask).await;
    assert_eq!((answer.header("grpc-status"), answer.header("grpc-message")), ("12", "no"));
    assert_eq!(answer.body.len(), 0);
}

/// E3
#[tokio::test]
async fn e3_a_stream_that_the_endpoint_breaks_breaks_at_the_client_too() {
    let go = Arc::<Notify>::default();
    let waits = go.clone();
    let origin = H2Origin::start(Builder::new(), move |mut connection, _| {
        let waits = waits.clone();
        async move {
            while let Some((request, mut respond)) = next(&mut connection).await {
                let reason = match request.uri().path() {
                    "/cancel" => Reason::CANCEL,
                    "/none" => Reason::NO_ERROR,
                    _ => Reason::INTERNAL_ERROR,
                };
                let mut send = respond.send_response(Response::new(()), false).unwrap();
                send.send_data(Bytes::from_static(b"the beginning"), false).unwrap();
                let waits = waits.clone();
                tokio::spawn(async move {
                    waits.notified().await;
                    send.send_reset(reason);
                });
            }
        }
    })
    .await;
    let gateway = Gateway::start(&origin.configuration()).await;
    for path in ["/cancel", "/internal", "/none"] {
        for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
            let mut response = client.send(Ask::get(path)).await.unwrap();
            let first = within("the beginning", response.body_mut().frame()).await.unwrap().unwrap();
            assert_eq!(first.into_data().unwrap(), "the beginning");
            go.notify_one();
            let rest = within("an end", response.into_body().collect()).await;
            assert!(rest.is_err(), "{path}: {rest:?}");
        }
    }
}

/// What became of a stream at the endpoint.
#[derive(Debug, PartialEq)]
enum Became {
    Open,
    Reset(Reason),
}

#[tokio::test]
async fn a_stream_that_the_client_leaves_is_reset_at_the_endpoint() {
    let (told, mut streams) = mpsc::unbounded_channel();
    let origin = H2Origin::start(Builder::new(), move |mut connection, _| {
        let told = told.clone();
        async move {
            while let Some((request, mut respond)) = next(&mut connection).await {
                let told = told.clone();
                let answers = request.uri().path() == "/answered";
                tokio::spawn(async move {
                    let _body = request.into_body();
                    told.send(Became::Open).unwrap();
                    let reason = if answers {
                        let mut send = respond.send_response(Response::new(()), false).unwrap();
                        send.send_data(Bytes::from_static(b"the beginning"), false).unwrap();
                        poll_fn(|context| send.poll_reset(context)).await
                    } else {
                        poll_fn(|context| respond.poll_reset(context)).await
                    };
                    told.send(Became::Reset(reason.unwrap())).unwrap();
                });
            }
        }
    })
    .await;
    let gateway = Gateway::start(&origin.configuration()).await;
    for (path, uploads) in [("/answered", false), ("/answered", true), ("/unanswered", false), ("/unanswered", true)] {
        let (mut sender, body) = Channel::<Bytes>::new(1);
        let ask = if uploads { Ask::new("POST", path).body(body.boxed()) } else { Ask::new("POST", path) };
        let mut client = Client::h2(&gateway).await;
        let asked = tokio::spawn(async move {
            let mut response = client.send(ask).await.unwrap();
            response.body_mut().frame().await.unwrap().unwrap();
        });
        if uploads {
            sender.send_data(Bytes::from_static(b"some")).await.unwrap();
        }
        assert_eq!(within("a stream", streams.recv()).await.unwrap(), Became::Open);
        match path {
            "/answered" => asked.await.unwrap(),
            _ => asked.abort(),
        }
        // The client of the tests does not leave before its body has ended.
        drop(sender);
        let became = within("a reset at the endpoint", streams.recv()).await.unwrap();
        assert_eq!(became, Became::Reset(Reason::CANCEL), "{path}, uploads: {uploads}");
    }
    // What one stream comes to is nothing to the connection.
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn trailers_reach_clients_of_http1_that_can_take_them() {
    let origin = Origin::start_as("a", Speaks::H2).await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).upstream(H2)).await;
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        let ask = Ask::get("/trailers").header("te", "trailers").header("x-answer-with", "trailer: x-sum");
        let answer = client.ask(ask).await;
        assert_eq!((answer.text(), answer.trailers["x-sum"].to_str().unwrap()), ("summed up", "7"));
    }
}

#[tokio::test]
async fn answers_without_body_stay_without() {
    let origin = Origin::start_as("a", Speaks::H2).await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).upstream(H2)).await;
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        for (ask, status) in
            [(Ask::new("HEAD", "/"), 200), (Ask::get("/status/204"), 204), (Ask::get("/status/304"), 304)]
        {
            let answer = client.ask(ask).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0));
        }
    }
}

#[tokio::test]
async fn clients_that_do_not_read_hold_up_nobody_else() {
    let origin = Origin::start_as("a", Speaks::H2).await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).upstream(H2).workers(1)).await;
    let mut mute = Vec::new();
    for _ in 0..60 {
        let mut client = Client::h2(&gateway).await;
        mute.push((client.send(Ask::get("/bytes/100000000")).await.unwrap(), client));
    }
    let answer = Client::h2(&gateway).await.get("/bytes/3000000").await;
    assert_eq!(answer.body.len(), 3_000_000);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn bodies_pass_whole_both_ways() {
    let origin = Origin::start_as("a", Speaks::H2).await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).upstream(H2)).await;
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        let sent = client.ask(Ask::post("/", vec![b'x'; 5_000_000])).await;
        assert_eq!(sent.seen()["body_bytes"], 5_000_000);
        assert_eq!(client.get("/bytes/5000000").await.body.len(), 5_000_000);
    }
}
