//! HTTP/2 to endpoints: connections are shared as far as endpoints allow, what an endpoint says it has not processed is sent
//! elsewhere, and what makes no sense is 502.

use std::sync::Arc;

use h2::Reason;
use h2::server::Builder;
use http::Response;
use tokio::sync::{Barrier, mpsc};
use tokio::task::JoinSet;

use crate::harness::h2_origin::{self, H2Origin, next};
use crate::harness::raw::RawOrigin;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Speaks, within};

/// HTTP/2 by prior knowledge.
const H2: &str = r#"protocol = "h2""#;

/// An origin that answers each request in full.
async fn simple(settings: Builder) -> H2Origin {
    H2Origin::start(settings, |mut connection, _| async move {
        while let Some((_, respond)) = next(&mut connection).await {
            h2_origin::answer(respond, "well");
        }
    })
    .await
}

#[tokio::test]
async fn requests_say_what_http2_wants_and_nothing_of_other_connections() {
    let (told, mut heads) = mpsc::unbounded_channel();
    let origin = H2Origin::start(Builder::new(), move |mut connection, _| {
        let told = told.clone();
        async move {
            while let Some((request, respond)) = next(&mut connection).await {
                told.send(request.into_parts().0).unwrap();
                h2_origin::answer(respond, "well");
            }
        }
    })
    .await;
    let gateway = Gateway::start(&origin.configuration()).await;
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        let ask = Ask::new("POST", "/a/path?a=query").header("te", "trailers").header("x-own", "kept");
        assert_eq!(client.ask(ask).await.text(), "well");
        let head = heads.recv().await.unwrap();
        assert_eq!(head.uri, "http://app.test/a/path?a=query");
        let seen = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!((seen("x-own"), seen("te"), seen("content-length")), (Some("kept"), Some("trailers"), Some("0")));
        for absent in ["host", "connection", "transfer-encoding", "keep-alive", "upgrade"] {
            assert_eq!(seen(absent), None, "{absent}");
        }
    }
    assert_eq!(Client::h1(&gateway).await.ask(Ask::new("OPTIONS", "*")).await.status, 200);
    let head = heads.recv().await.unwrap();
    assert_eq!((head.uri.path(), head.headers.get("te")), ("*", None));
}

#[tokio::test]
async fn exchanges_share_one_connection() {
    let origin = Origin::start_as("a", Speaks::H2).await;
    origin.hold();
    let gateway = Gateway::start(&Configuration::of(&[&origin]).upstream(H2).workers(1)).await;
    let mut asked = JoinSet::new();
    for number in 0..60 {
        let mut client = if number % 2 == 0 { Client::h1(&gateway).await } else { Client::h2(&gateway).await };
        asked.spawn(async move { client.get("/").await.status });
    }
    origin.holds(60).await;
    assert_eq!(origin.connections(), 1);
    origin.release();
    assert!(asked.join_all().await.iter().all(|status| *status == 200));
}

#[tokio::test]
async fn an_endpoint_gets_no_more_streams_on_a_connection_than_it_wants() {
    // None is answered before all have come.
    let all = Arc::new(Barrier::new(6));
    let origin = H2Origin::start(Builder::new().max_concurrent_streams(2).clone(), move |mut connection, _| {
        let all = all.clone();
        async move {
            while let Some((_, respond)) = next(&mut connection).await {
                let all = all.clone();
                tokio::spawn(async move {
                    all.wait().await;
                    h2_origin::answer(respond, "well");
                });
            }
        }
    })
    .await;
    let gateway = Gateway::start(&origin.configuration()).await;
    let mut asked = JoinSet::new();
    for _ in 0..6 {
        let mut client = Client::h2(&gateway).await;
        asked.spawn(async move { client.get("/").await.status });
    }
    assert!(asked.join_all().await.iter().all(|status| *status == 200));
    assert_eq!(origin.connections(), 3);
}

#[tokio::test]
async fn an_endpoint_that_goes_away_after_each_answer_costs_no_request() {
    let origin = H2Origin::start(Builder::new(), |mut connection, _| async move {
        while let Some((_, respond)) = next(&mut connection).await {
            h2_origin::answer(respond, "well");
            connection.graceful_shutdown();
        }
    })
    .await;
    let gateway = Gateway::start(&origin.configuration()).await;
    let mut client = Client::h2(&gateway).await;
    for number in 0..30 {
        let answer = match number % 2 {
            0 => client.get("/").await,
            _ => client.ask(Ask::post("/", "a body")).await,
        };
        assert_eq!(answer.status, 200);
    }
    assert!(origin.connections() > 1);
}

/// E2: RFC 9113 §8.7
#[tokio::test]
async fn e2_a_request_that_an_endpoint_has_not_processed_is_sent_elsewhere_whatever_its_method() {
    let refuses = H2Origin::start(Builder::new(), |mut connection, _| async move {
        while let Some((_, mut respond)) = next(&mut connection).await {
            respond.send_reset(Reason::REFUSED_STREAM);
        }
    })
    .await;
    // SETTINGS, and GOAWAY that names no stream.
    let leaves: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let leaves = RawOrigin::answers(leaves).await;
    for address in [refuses.address, leaves.address] {
        let good = simple(Builder::new()).await;
        let configuration = Configuration::at(&[("bad", address), ("good", good.address)]).upstream(H2);
        let gateway = Gateway::start(&configuration.upstream("ejection = { consecutive-failures = 0 }")).await;
        let mut client = Client::h2(&gateway).await;
        for number in 0..20 {
            let ask = if number % 2 == 0 { Ask::get("/") } else { Ask::new("POST", "/") };
            assert_eq!(client.ask(ask).await.text(), "well", "{number}");
        }
    }
}

#[tokio::test]
async fn what_may_have_been_processed_is_not_sent_again() {
    let (told, mut arrived) = mpsc::unbounded_channel();
    let origin = H2Origin::start(Builder::new(), move |mut connection, _| {
        let told = told.clone();
        async move {
            while let Some((request, mut respond)) = next(&mut connection).await {
                told.send(request.uri().path().to_owned()).unwrap();
                match request.uri().path() {
                    "/well" => h2_origin::answer(respond, "well"),
                    _ => respond.send_reset(Reason::INTERNAL_ERROR),
                }
            }
        }
    })
    .await;
    let gateway = Gateway::start(&origin.configuration()).await;
    let mut client = Client::h2(&gateway).await;
    for path in ["/well", "/broken"] {
        let answer = client.ask(Ask::post(path, "")).await;
        assert_eq!(answer.status, if path == "/well" { 200 } else { 502 });
        assert_eq!(arrived.recv().await.as_deref(), Some(path));
    }
    assert_eq!(gateway.exchange("/broken").await.number("attempts"), 1);
    assert!(arrived.try_recv().is_err());
}

#[tokio::test]
async fn a_connection_that_is_dead_is_not_used_again() {
    let origin = H2Origin::start(Builder::new(), |mut connection, number| async move {
        while let Some((request, respond)) = next(&mut connection).await {
            if number == 0 && request.uri().path() == "/dead" {
                // As a process that was stopped: the system keeps the connection.
                std::future::pending::<()>().await;
            }
            h2_origin::answer(respond, "well");
        }
    })
    .await;
    let gateway = Gateway::start(&origin.configuration().route(r#"timeouts = { response-header = "300ms" }"#)).await;
    let mut client = Client::h2(&gateway).await;
    for (path, status) in [("/", 200), ("/dead", 504), ("/dead", 200), ("/", 200)] {
        assert_eq!(client.ask(Ask::post(path, "")).await.status, status, "{path}");
    }
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn a_connection_without_exchanges_is_closed_after_a_while() {
    let (told, mut over) = mpsc::unbounded_channel();
    let origin = H2Origin::start(Builder::new(), move |mut connection, _| {
        let told = told.clone();
        async move {
            while let Some((_, respond)) = next(&mut connection).await {
                h2_origin::answer(respond, "well");
            }
            told.send(()).unwrap();
        }
    })
    .await;
    let gateway = Gateway::start(&origin.configuration().tables("[timeouts]\nupstream-idle = \"100ms\"")).await;
    assert_eq!(Client::h2(&gateway).await.get("/").await.status, 200);
    within("the end of an idle connection", over.recv()).await.unwrap();
}

/// E5
#[tokio::test]
async fn e5_an_answer_that_breaks_the_rules_of_http2_is_502() {
    // What comes behind SETTINGS.
    let settings: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    let cases: [&[u8]; 6] = [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        // HEADERS on a stream that nobody has opened.
        b"\0\0\x01\x01\x05\0\0\0\x07\x88",
        // HEADERS without a status; with a connection-specific field; DATA before any HEADERS.
        b"\0\0\0\x01\x05\0\0\0\x01",
        b"\0\0\x19\x01\x05\0\0\0\x01\x88\0\x0aconnection\x0bkeep-alives\0",
        b"\0\0\x04\0\x01\0\0\0\x01well",
    ];
    for case in cases {
        let origin = RawOrigin::answers([settings, case].concat()).await;
        let gateway = Gateway::start(&Configuration::at(&[("raw", origin.address)]).upstream(H2)).await;
        for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
            let answer = client.ask(Ask::post("/", "a body")).await;
            assert_eq!(answer.status, 502, "{case:?}");
        }
    }
    let plain = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&plain]).upstream(H2)).await;
    assert_eq!(Client::h2(&gateway).await.get("/").await.status, 502);
}

#[tokio::test]
async fn heads_without_bounds_are_502() {
    let origin = H2Origin::start(Builder::new(), |mut connection, _| async move {
        while let Some((request, mut respond)) = next(&mut connection).await {
            let mut response = Response::new(());
            let value = "x".repeat(if request.uri().path() == "/long" { 70_000 } else { 1 });
            let count = if request.uri().path() == "/many" { 300 } else { 1 };
            for _ in 0..count {
                response.headers_mut().append("x-field", value.parse().unwrap());
            }
            let _ = respond.send_response(response, true);
        }
    })
    .await;
    let gateway = Gateway::start(&origin.configuration()).await;
    let mut client = Client::h2(&gateway).await;
    for (path, status) in [("/", 200), ("/long", 502), ("/many", 502), ("/", 200)] {
        assert_eq!(client.get(path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn one_connection_is_opened_for_all_who_come_at_once() {
    for protocol in ["h2", "auto"] {
        let site = crate::harness::certificates::site(&["backend.test"]);
        let origin = Origin::start_as("a", Speaks::tls(&site, &["h2"])).await;
        let lines = format!("protocol = \"{protocol}\"\ntls = {{ server-name = \"backend.test\", ca = \"ca.pem\" }}");
        let configuration = Configuration::of(&[&origin]).upstream(&lines).workers(1);
        let authority = crate::harness::certificates::authority_pem();
        let gateway = Arc::new(Gateway::start(&configuration.file("ca.pem", &authority)).await);
        let mut client = Client::h2(&gateway).await;
        let first = client.get("/").await;
        assert_eq!((first.status.as_u16(), origin.connections()), (200, 1));
        let mut asked = JoinSet::new();
        for _ in 0..50 {
            let gateway = gateway.clone();
            asked.spawn(async move { Client::h2(&gateway).await.get("/").await.status });
        }
        assert!(asked.join_all().await.iter().all(|status| *status == 200));
        assert_eq!(origin.connections(), 1, "{protocol}");
    }
}
