//! Clients that go away: a thousand after the choice, a thousand in the middle of an upload, a thousand in the middle
//! of a download. Nothing is left in flight anywhere.

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;

use crate::harness::{Ask, Client, Configuration, Gateway, Origin, component, eventually, within};

const CLIENTS: usize = 1_000;
/// Clients at a time.
const AT_ONCE: usize = 50;

/// A gateway whose answers tell how many requests were in flight at each endpoint.
async fn gateway(origins: &[Origin; 3]) -> Gateway {
    let configuration = Configuration::of(&origins.each_ref()).plugin("figures", component("figures"));
    Gateway::start(&configuration.selection(r#"["figures", "least-connections"]"#)).await
}

async fn client(gateway: &Gateway, number: usize) -> Client {
    if number.is_multiple_of(2) { Client::h1(gateway).await } else { Client::h2(gateway).await }
}

/// Nothing is in flight, by the host's figures and by the origins' own.
async fn assert_nothing_is_left(gateway: &Gateway, origins: &[Origin; 3]) {
    eventually("an end of all that was in flight", async || {
        let answer = Client::h1(gateway).await.get("/").await;
        (answer.header("x-in-flight") == "0 0 0").then_some(())
    })
    .await;
    for origin in origins {
        origin.holds(0).await;
    }
    let exchanges = gateway.exchanges(CLIENTS).await;
    assert!(exchanges.len() >= CLIENTS);
}

#[tokio::test]
async fn a_thousand_clients_that_leave_after_the_choice_leave_nothing_in_flight() {
    let origins = Origin::several().await;
    let gateway = gateway(&origins).await;
    for _ in 0..CLIENTS / AT_ONCE {
        origins.iter().for_each(Origin::hold);
        let mut clients = Vec::new();
        for number in 0..AT_ONCE {
            let mut client = client(&gateway, number).await;
            clients.push(tokio::spawn(async move { client.send(Ask::get("/left")).await.is_ok() }));
        }
        let here = async || (origins.iter().map(Origin::in_hand).sum::<usize>() == AT_ONCE).then_some(());
        eventually("all requests at the origins", here).await;
        clients.iter().for_each(|client| client.abort());
        for client in clients {
            // Ended by the abort, with its connection.
            let _ = client.await;
        }
        origins.iter().for_each(Origin::release);
    }
    assert_nothing_is_left(&gateway, &origins).await;
}

#[tokio::test]
async fn a_thousand_clients_that_leave_in_mid_upload_leave_nothing_in_flight() {
    let origins = Origin::several().await;
    let gateway = gateway(&origins).await;
    for number in 0..CLIENTS {
        let mut client = client(&gateway, number).await;
        let (mut sender, body) = Channel::new(1);
        let before: usize = origins.iter().map(Origin::requests).sum();
        let upload = tokio::spawn(async move { client.send(Ask::new("POST", "/").body(body.boxed())).await.is_ok() });
        sender.send_data(Bytes::from("the first part")).await.unwrap();
        let here = async || (origins.iter().map(Origin::requests).sum::<usize>() > before).then_some(());
        eventually("the request at an origin", here).await;
        upload.abort();
        let _ = upload.await;
    }
    assert_nothing_is_left(&gateway, &origins).await;
}

#[tokio::test]
async fn a_thousand_clients_that_leave_in_mid_download_leave_nothing_in_flight() {
    let origins = Origin::several().await;
    let gateway = gateway(&origins).await;
    for number in 0..CLIENTS {
        let mut client = client(&gateway, number).await;
        let mut response = client.send(Ask::get("/bytes/100000000")).await.unwrap();
        assert!(within("the first of the body", response.body_mut().frame()).await.is_some());
    }
    assert_nothing_is_left(&gateway, &origins).await;
}

#[tokio::test]
async fn a_single_stream_that_is_reset_leaves_nothing_in_flight_and_its_neighbours_alone() {
    let origins = Origin::several().await;
    let gateway = gateway(&origins).await;
    let mut client = Client::h2(&gateway).await;
    for _ in 0..20 {
        let mut response = client.send(Ask::get("/bytes/100000000")).await.unwrap();
        assert!(within("the first of the body", response.body_mut().frame()).await.is_some());
        drop(response);
        assert_eq!(client.get("/").await.status, 200);
    }
    eventually("an end of all that was in flight", async || {
        (client.get("/").await.header("x-in-flight") == "0 0 0").then_some(())
    })
    .await;
}
