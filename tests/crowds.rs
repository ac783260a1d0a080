//! Too many clients: who idles goes first, who is served stays, and who finds no room is told so at once.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::harness::beside::beside;
use crate::harness::frames::*;
use crate::harness::{Answer, Ask, Client, Configuration, Gateway, Origin, Raw, eventually, within};

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"";

async fn with(origin: &Origin, limits: &str) -> Gateway {
    Gateway::start(&Configuration::of(&[origin]).tables(&format!("{ADMIN}\n[limits]\n{limits}"))).await
}

/// A connection from that address of this machine.
async fn from(address: [u8; 4], gateway: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    within("a connection", socket.connect(gateway)).await.unwrap()
}

/// What a request gets on that connection, up to the end of the head.
async fn asked(stream: &mut TcpStream) -> String {
    // The gateway may have closed already.
    let _ = stream.write_all(b"GET /asked HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    let mut heard = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count) = within("an answer", stream.read(&mut buffer)).await {
        heard.extend(&buffer[..count]);
        if count == 0 || heard.windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    String::from_utf8(heard).unwrap()
}

fn assert_no_room(heard: &str) {
    assert!(heard.starts_with("HTTP/1.1 503 "), "{heard:?}");
    for field in ["retry-after: 1\r\n", "connection: close\r\n", "proxy-status: sluice; error="] {
        assert!(heard.contains(field), "{heard:?}");
    }
}

#[tokio::test]
async fn a_client_has_so_many_connections_and_others_have_theirs() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "connections-per-client = 5").await;
    let mut first = Vec::new();
    for _ in 0..5 {
        first.push(from([127, 0, 0, 1], gateway.plain).await);
    }
    for stream in &mut first {
        assert!(asked(stream).await.starts_with("HTTP/1.1 200 "));
    }
    // One more is told so, on both listeners as far as that can be.
    assert_no_room(&asked(&mut from([127, 0, 0, 1], gateway.plain).await).await);
    assert_eq!(Raw::to(gateway.secure).await.hear_all().await, "");
    // Another client is another one.
    assert!(asked(&mut from([127, 0, 0, 2], gateway.plain).await).await.starts_with("HTTP/1.1 200 "));
    // And when one of the five has gone there is room again.
    drop(first.pop());
    eventually("room again", async || {
        asked(&mut from([127, 0, 0, 1], gateway.plain).await).await.starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;
    drop(first);
    eventually("the figure", async || {
        let refused = gateway.scrape().await.value("sluice_connections_refused_total{reason=\"client\"}");
        (refused >= 2.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_trusted_proxy_is_no_client() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).listener(1, "trusted-proxies = [\"127.0.0.7/32\"]");
    let gateway = Gateway::start(&configuration.tables("[limits]\nconnections-per-client = 2")).await;
    let mut proxied = Vec::new();
    for _ in 0..20 {
        let mut stream = from([127, 0, 0, 7], gateway.plain).await;
        assert!(asked(&mut stream).await.starts_with("HTTP/1.1 200 "));
        proxied.push(stream);
    }
    let mut clients = Vec::new();
    for number in 0..3 {
        let mut stream = from([127, 0, 0, 8], gateway.plain).await;
        assert_eq!(asked(&mut stream).await.starts_with("HTTP/1.1 200 "), number < 2);
        clients.push(stream);
    }
}

/// By default a client has 200, but this machine as many as there are.
#[tokio::test]
async fn addresses_of_this_machine_are_not_counted_unless_asked_for() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "connections = 1000").await;
    let mut streams = Vec::new();
    for _ in 0..300 {
        let mut stream = from([127, 0, 0, 1], gateway.plain).await;
        assert!(asked(&mut stream).await.starts_with("HTTP/1.1 200 "));
        streams.push(stream);
    }
}

/// An upload that is not finished, and what finishes it.
async fn upload(gateway: &Gateway, number: usize) -> (Sender<Bytes>, JoinHandle<Answer>) {
    let mut client = if number.is_multiple_of(2) { Client::h1(gateway).await } else { Client::h2(gateway).await };
    let (mut sender, body) = Channel::new(1);
    let answer = tokio::spawn(async move { client.ask(Ask::new("POST", "/busy").body(body.boxed())).await });
    sender.send_data(Bytes::from_static(b"half")).await.unwrap();
    (sender, answer)
}

/// D4
#[tokio::test]
async fn who_idles_makes_room_for_who_comes() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "connections = 60").await;
    // Ten that are served all the while, over both protocols.
    let mut busy = Vec::new();
    for number in 0..10 {
        busy.push(upload(&gateway, number).await);
    }
    origin.holds(10).await;
    // Far more than there is room for, each of which stays: plain, TLS, HTTP/2, and such that say nothing at all.
    let mut idle = Vec::new();
    let mut silent = Vec::new();
    for number in 0..240 {
        match number % 4 {
            0 => idle.push(served(&gateway).await),
            1 => silent.push(Raw::plain(&gateway).await),
            2 => silent.push(Raw::to(gateway.secure).await),
            _ => {
                // It may not be let in: then it says so by closing.
                let mut client = Frames::plain(&gateway).await;
                client.try_say(get(1, "/")).await;
                client.hear().await;
            }
        }
    }
    for (sender, answer) in busy {
        drop(sender);
        assert_eq!(answer.await.unwrap().status, 200, "one that was served had to go");
    }
    let scrape = gateway.scrape().await;
    assert!(scrape.value("sluice_connections_shed_total") >= 10.0);
    assert!(scrape.value("sluice_connections") <= 60.0);
}

/// A client that is let in, now or soon, and stays.
async fn served(gateway: &Gateway) -> Client {
    eventually("room", async || {
        let mut client = Client::try_plain(gateway).await?;
        client.try_ask(Ask::get("/idle")).await.is_ok_and(|answer| answer.status == 200).then_some(client)
    })
    .await
}

/// D4
#[tokio::test]
async fn where_all_are_served_who_comes_is_told_at_once_that_there_is_no_room() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "connections = 20").await;
    let mut busy = Vec::new();
    for number in 0..20 {
        busy.push(upload(&gateway, number).await);
    }
    origin.holds(20).await;
    for _ in 0..50 {
        assert_no_room(&asked(&mut from([127, 0, 0, 1], gateway.plain).await).await);
        assert_eq!(Raw::to(gateway.secure).await.hear_all().await, "");
    }
    for (sender, answer) in busy {
        drop(sender);
        assert_eq!(answer.await.unwrap().status, 200);
    }
    eventually("room again", async || {
        asked(&mut from([127, 0, 0, 1], gateway.plain).await).await.starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;
    let scrape = gateway.scrape().await;
    assert!(scrape.value("sluice_connections_refused_total{reason=\"full\"}") >= 100.0);
}

/// So many that idle, each served once, take no more than that; those that are still there are served again. Gives how many are
/// not.
async fn idle(gateway: &Gateway, count: usize, most: u64) -> usize {
    let before = gateway.resident();
    let mut idle = Vec::new();
    for number in 0..count {
        // Those that go to make room take half a second for it.
        let may_wait = number >= 9_000;
        let mut client = if may_wait { served(gateway).await } else { Client::plain(gateway).await };
        assert_eq!(client.get("/").await.status, 200);
        idle.push(client);
    }
    if let (Some(before), Some(after)) = (before, gateway.resident()) {
        eprintln!("{count} idle connections take {} KiB", after.saturating_sub(before) >> 10);
        assert!(after < before + most, "{} KiB for {count}", (after - before) >> 10);
    }
    beside(gateway, async {
        let mut gone = 0;
        for client in &mut idle {
            match client.try_ask(Ask::get("/")).await {
                Ok(answer) => assert_eq!(answer.status, 200),
                Err(_) => gone += 1,
            }
        }
        gone
    })
    .await
}

/// D4
#[tokio::test]
async fn a_thousand_idle_connections_cost_little_and_are_still_served() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).tables(ADMIN)).await;
    assert_eq!(idle(&gateway, 1_000, 64 << 20).await, 0);
    assert_eq!(gateway.scrape().await.value("sluice_connections_shed_total"), 0.0);
}

/// D4: of more than there is room for, those go that have idled longest; everybody is served.
#[tokio::test]
#[ignore = "ten thousand descriptors in this process, and as many in the gateway"]
async fn d4_ten_thousand_idle_connections_cost_little_and_make_room() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).tables(ADMIN)).await;
    let gone = idle(&gateway, 10_500, 640 << 20).await;
    let scrape = gateway.scrape().await;
    let shed = scrape.value("sluice_connections_shed_total");
    assert!(shed >= 500.0 && gone as f64 <= shed, "{gone} are gone, {shed} were asked to go");
    assert!(scrape.value("sluice_connections") <= 10_000.0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_descriptors_who_idles_goes_and_who_comes_is_served() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin]).tables(ADMIN)).await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        let mut client = Client::plain(&gateway).await;
        assert_eq!(client.get("/").await.status, 200);
        idle.push(client);
    }
    gateway.leave_descriptors(4);
    for _ in 0..100 {
        idle.push(served(&gateway).await);
    }
    let said = gateway.log.wait_for_all("cannot accept", 1, |_| true).await;
    assert!(said.len() < 60, "{} lines", said.len());
}

#[tokio::test]
async fn no_more_are_let_in_than_there_are_descriptors_for() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start_with_descriptors(&Configuration::of(&[&origin]), 168).await;
    let warned = gateway.log.wait_for("fewer descriptors than connections", |_| true).await;
    assert_eq!((warned.number("room"), warned.number("configured")), (20, 10_000));
    let mut busy = Vec::new();
    for number in 0..20 {
        busy.push(upload(&gateway, number).await);
    }
    assert_no_room(&asked(&mut from([127, 0, 0, 1], gateway.plain).await).await);
    for (sender, answer) in busy {
        drop(sender);
        assert_eq!(answer.await.unwrap().status, 200);
    }
}
