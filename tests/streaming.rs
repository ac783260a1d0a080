//! Bodies stream past: the gateway holds a bounded part of them, whatever their size and whoever is slow.

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::client::tls;
use crate::harness::configuration::HOST;
use crate::harness::echo::SWITCH;
use crate::harness::origin::{self, CHUNK};
use crate::harness::{Ask, Client, Configuration, Echo, Gateway, Origin, within};

const GIB: usize = 1 << 30;
/// What a stream may cost at most.
const ROOM: u64 = 16 << 20;

/// The most memory that a gateway took while something went on, over what it had before.
struct Watch<'a> {
    gateway: &'a Gateway,
    before: u64,
    most: u64,
}

impl<'a> Watch<'a> {
    fn new(gateway: &'a Gateway) -> Self {
        let before = gateway.resident().unwrap_or_default();
        Self { gateway, before, most: before }
    }

    fn look(&mut self) {
        self.most = self.most.max(self.gateway.resident().unwrap_or_default());
    }

    fn check(&mut self, what: &str) {
        self.look();
        assert!(self.most <= self.before + ROOM, "{what}: {} bytes more", self.most - self.before);
    }
}

/// A gateway that has served a little already, so that what it needs once is there.
async fn warm(origin: &Origin) -> Gateway {
    let gateway = Gateway::start(&Configuration::of(&[origin])).await;
    for _ in 0..20 {
        assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
        assert_eq!(Client::h2(&gateway).await.get(&format!("/bytes/{}", 1 << 20)).await.body.len(), 1 << 20);
    }
    gateway
}

async fn client(gateway: &Gateway, protocol: &str) -> Client {
    if protocol == "h1" { Client::h1(gateway).await } else { Client::h2(gateway).await }
}

#[tokio::test]
async fn a_gibibyte_down_to_a_slow_client_takes_little_memory() {
    let origin = Origin::start("a").await;
    let gateway = warm(&origin).await;
    for protocol in ["h1", "h2"] {
        let mut watch = Watch::new(&gateway);
        let mut body =
            client(&gateway, protocol).await.send(Ask::get(&format!("/bytes/{GIB}"))).await.unwrap().into_body();
        let mut bytes = 0;
        let mut looked = 0;
        while let Some(frame) = within("more of the body", body.frame()).await {
            bytes += frame.unwrap().data_ref().map_or(0, Bytes::len);
            if bytes - looked >= 1 << 20 {
                looked = bytes;
                // Slow: the origin has far more ready than this client takes.
                tokio::time::sleep(origin::SLOWNESS).await;
                watch.look();
            }
        }
        assert_eq!(bytes, GIB);
        watch.check(protocol);
    }
}

#[tokio::test]
async fn a_gibibyte_up_to_a_slow_origin_takes_little_memory() {
    let origin = Origin::start("a").await;
    let gateway = warm(&origin).await;
    for protocol in ["h1", "h2"] {
        let mut watch = Watch::new(&gateway);
        let (mut sender, body) = Channel::new(1);
        let mut client = client(&gateway, protocol).await;
        let answer = tokio::spawn(async move { client.ask(Ask::new("POST", "/slow").body(body.boxed())).await });
        let chunk = Bytes::from(vec![b'x'; CHUNK]);
        for number in 0..GIB / CHUNK {
            within("room for more of the body", sender.send_data(chunk.clone())).await.unwrap();
            if number % 256 == 0 {
                watch.look();
            }
        }
        drop(sender);
        assert_eq!(answer.await.unwrap().seen()["body_bytes"], GIB);
        watch.check(protocol);
    }
}

#[tokio::test]
async fn an_upgraded_stream_to_a_slow_client_takes_little_memory() {
    let echo = Echo::answers(SWITCH).await;
    let gateway = Gateway::start(&Configuration::at(&[("echo", echo.address)])).await;
    let mut stream = tls(gateway.secure, HOST, &["http/1.1"]).await;
    let ask = "GET / HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        within("a head", stream.read_buf(&mut head)).await.unwrap();
    }
    let mut watch = Watch::new(&gateway);
    let (mut reader, mut writer) = tokio::io::split(stream);
    const ALL: usize = 256 << 20;
    let writing = tokio::spawn(async move {
        let chunk: Vec<u8> = (0..CHUNK).map(|number| number as u8).collect();
        for _ in 0..ALL / CHUNK {
            writer.write_all(&chunk).await.unwrap();
        }
        writer.shutdown().await.unwrap();
    });
    let (mut bytes, mut looked, mut piece) = (0, 0, vec![0; CHUNK]);
    loop {
        let count = within("more of the echo", reader.read(&mut piece)).await.unwrap();
        if count == 0 {
            break;
        }
        let expected = |(at, byte): (usize, &u8)| *byte == (bytes + at) as u8;
        assert!(bytes >= ALL || piece[..count.min(ALL - bytes)].iter().enumerate().all(expected), "at {bytes}");
        bytes += count;
        if bytes - looked >= 4 << 20 {
            looked = bytes;
            tokio::time::sleep(origin::SLOWNESS).await;
            watch.look();
        }
    }
    writing.await.unwrap();
    assert_eq!(bytes, ALL + "goodbye".len());
    watch.check("upgraded");
}

#[tokio::test]
async fn a_client_that_stops_reading_stops_the_origin() {
    let origin = Origin::start("a").await;
    let gateway = warm(&origin).await;
    for protocol in ["h1", "h2"] {
        let mut watch = Watch::new(&gateway);
        let mut client = client(&gateway, protocol).await;
        let mut response = client.send(Ask::get(&format!("/bytes/{GIB}"))).await.unwrap();
        // Nothing is read while others are served; what could flow has flowed by then.
        for _ in 0..50 {
            assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
            watch.look();
        }
        assert_eq!(origin.in_hand(), 1, "the origin must not be rid of a gibibyte that nobody reads");
        watch.check(protocol);
        assert!(within("the first of the body", response.body_mut().frame()).await.is_some());
        drop((response, client));
        origin.holds(0).await;
    }
}

#[tokio::test]
async fn the_first_byte_arrives_before_the_last_is_sent() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    for protocol in ["h1", "h2"] {
        origin.hold();
        let mut client = client(&gateway, protocol).await;
        let mut response = within("the head", client.send(Ask::get("/halves"))).await.unwrap();
        let first = within("the first half", response.body_mut().frame()).await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "first half, ");
        origin.release();
        let rest = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(rest, "second half");
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_and_its_trailers_arrive_whole() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    for protocol in ["h1", "h2"] {
        let (mut sender, body) = Channel::new(4);
        let mut client = client(&gateway, protocol).await;
        let ask = Ask::new("POST", "/").header("trailer", "x-sum").header("te", "trailers").body(body.boxed());
        let answer = tokio::spawn(async move { client.ask(ask).await });
        sender.send_data(Bytes::from("one ")).await.unwrap();
        sender.send_data(Bytes::from("two")).await.unwrap();
        let trailers = [("x-sum".parse::<http::HeaderName>().unwrap(), "7".parse().unwrap())];
        sender.send_trailers(trailers.into_iter().collect()).await.unwrap();
        drop(sender);
        let seen = answer.await.unwrap().seen();
        assert_eq!(
            (&seen["body_start"], &seen["trailers"]["x-sum"][0]),
            (&"one two".into(), &"7".into()),
            "{protocol}"
        );
    }
}

#[tokio::test]
async fn trailers_of_an_answer_reach_clients_that_can_take_them() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    for protocol in ["h1", "h2"] {
        let ask = Ask::get("/trailers").header("te", "trailers").header("x-answer-with", "trailer: x-sum");
        let answer = client(&gateway, protocol).await.ask(ask).await;
        assert_eq!((answer.text(), answer.trailers["x-sum"].to_str().unwrap()), ("summed up", "7"), "{protocol}");
    }
    let mut plain = Client::h1(&gateway).await;
    let answer = plain.ask(Ask::get("/trailers").header("x-answer-with", "trailer: x-sum")).await;
    assert_eq!((answer.text(), answer.trailers.len()), ("summed up", 0));
}
