//! The plugin `bandwidth`: requests go where the fewest bytes flow, as the gateway measures it while they do.

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;

use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, eventually};

/// Two origins of that weight and one; of a client that does nothing else, so many requests in a row go to one of them.
async fn start(weight: u32) -> ([Origin; 2], Gateway) {
    let origins: [Origin; 2] = Origin::several().await;
    let configuration = Configuration::of(&origins.each_ref()).workers(1).selection(r#"["bandwidth"]"#);
    let gateway = Gateway::start(&configuration.endpoint(0, &format!("weight = {weight}"))).await;
    (origins, gateway)
}

/// Which origin the next requests all go to, once they do.
async fn all_go_to(gateway: &Gateway) -> String {
    let mut client = Client::h1(gateway).await;
    eventually("one origin for all", async || {
        let mut answered = Vec::new();
        for _ in 0..20 {
            answered.push(client.get("/").await.origin().to_owned());
        }
        answered.dedup();
        (answered.len() == 1).then(|| answered.remove(0))
    })
    .await
}

#[tokio::test]
async fn requests_stay_away_from_an_endpoint_while_a_download_flows_from_it() {
    let (origins, gateway) = start(1).await;
    let mut download = Raw::plain(&gateway).await;
    download.say("GET /bytes/100000000000 HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    // It is read on, so that it flows on.
    let reader = tokio::spawn(async move {
        loop {
            download.hear(64 * 1024).await;
        }
    });
    let busy = eventually("a download", async || origins.iter().find(|origin| origin.streaming() == 1)).await;
    let other = all_go_to(&gateway).await;
    assert_ne!(other, busy.name);
    reader.abort();
}

#[tokio::test]
async fn an_upload_counts_while_it_flows() {
    let (origins, gateway) = start(1).await;
    let (mut sender, body) = Channel::new(1);
    let mut client = Client::h1(&gateway).await;
    let upload = tokio::spawn(async move { client.ask(Ask::new("POST", "/").body(body.boxed())).await });
    let writer = tokio::spawn(async move {
        let chunk = Bytes::from(vec![b'x'; 16 * 1024]);
        while sender.send_data(chunk.clone()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    let busy = eventually("an upload", async || origins.iter().find(|origin| origin.in_hand() == 1)).await;
    assert_ne!(all_go_to(&gateway).await, busy.name);
    writer.abort();
    upload.abort();
}

#[tokio::test]
async fn without_any_flow_shares_are_as_the_weights() {
    let (_origins, gateway) = start(3).await;
    let mut client = Client::h1(&gateway).await;
    eventually("three of four", async || {
        let mut of_first = 0;
        for _ in 0..400 {
            of_first += usize::from(client.ask(Ask::new("HEAD", "/")).await.origin() == "a");
        }
        of_first.abs_diff(300).le(&40).then_some(())
    })
    .await;
}
