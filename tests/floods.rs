//! Clients of HTTP/2 that ask for more work than they bring are sent away, each with GOAWAY and the code that says why, or
//! closed; and nobody else notices.

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;

use crate::harness::beside::{beside, thrice};
use crate::harness::frames::{self, *};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, within};

async fn gateway(origin: &Origin) -> Gateway {
    let admin = "[admin]\naddress = \"127.0.0.1:0\"";
    Gateway::start(&Configuration::of(&[origin]).tables(admin)).await
}

/// So many clients were cut off for that reason.
async fn cut(gateway: &Gateway, reason: &str, count: f64) {
    gateway.shows(&[(&format!("sluice_clients_cut_total{{reason=\"{reason}\"}}"), count)]).await;
}

/// The connection ended by itself, and if a GOAWAY was heard, it said that one.
fn assert_sent_away(what: &str, heard: &[Frame], ended: bool, codes: &[u32]) {
    assert!(ended, "{what}: the connection goes on");
    let goodbye = heard.iter().rev().find(|frame| frame.kind == GOAWAY).and_then(Frame::code);
    assert!(goodbye.is_none_or(|code| codes.contains(&code)), "{what}: GOAWAY {goodbye:?}");
}

const CALM: &[u32] = &[ENHANCE_YOUR_CALM];

/// B1
#[tokio::test]
async fn requests_that_are_reset_at_once_end_the_connection_at_a_hundred() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    origin.hold();
    let rapid = |n: u32| [get(2 * n + 1, "/rapid"), number(RST_STREAM, 2 * n + 1, 8)].concat();
    let all: Vec<u8> = (0..100_000).flat_map(rapid).collect();
    let (heard, ended) = Frames::tls(&gateway).await.flood(&all, 1).await;
    assert_sent_away("rapid reset", &heard, ended, CALM);
    assert!(origin.requests() <= 101, "{} requests at the origin", origin.requests());
    // One after the other, each of which gets as far as it can before it is reset.
    let mut client = Frames::tls(&gateway).await;
    for n in 0..101 {
        client.say(rapid(n)).await;
    }
    assert_eq!(client.end().await, Some(ENHANCE_YOUR_CALM));
    origin.release();
    origin.holds(0).await;
    cut(&gateway, "resets", 2.0).await;
}

/// B1
#[tokio::test]
async fn a_hundred_thousand_rapid_resets_reach_nobody_and_keep_nothing() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    thrice(&gateway, async || {
        // A hundred connections, each with a thousand of them.
        for _ in 0..100 {
            let rapid: Vec<u8> = (0..1_000)
                .flat_map(|n| [get(2 * n + 1, "/rapid"), number(RST_STREAM, 2 * n + 1, 8)].concat())
                .collect();
            let (heard, ended) = Frames::plain(&gateway).await.flood(&rapid, 1).await;
            assert_sent_away("rapid reset", &heard, ended, CALM);
        }
        origin.holds(0).await;
    })
    .await;
}

/// What makes the gateway reset a stream.
type Way = fn(u32) -> Vec<u8>;

/// B2
#[tokio::test]
async fn a_client_that_makes_the_gateway_reset_is_sent_away_like_one_that_resets() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    // What makes the gateway reset the stream that was just begun.
    let ways: [(&str, Way); 5] = [
        ("a window of nothing", |stream| number(WINDOW_UPDATE, stream, 0)),
        ("a window that overflows", |stream| {
            [number(WINDOW_UPDATE, stream, 0x7fff_ffff), number(WINDOW_UPDATE, stream, 0x7fff_ffff)].concat()
        }),
        ("data behind the end", |stream| frame(DATA, 0, stream, b"more")),
        ("a head behind the end", |stream| frame(HEADERS, END_HEADERS, stream, &literal(b"x", b"y"))),
        ("a stream that depends on itself", |stream| {
            frame(PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[1]].concat())
        }),
    ];
    for (what, way) in ways {
        let flood: Vec<u8> = (0..2_000).flat_map(|n| [get(2 * n + 1, "/made"), way(2 * n + 1)].concat()).collect();
        let client = Frames::plain(&gateway).await;
        let (heard, ended) = beside(&gateway, client.flood(&flood, 1)).await;
        // For some of them the rules end the connection at the first one.
        assert_sent_away(what, &heard, ended, &[ENHANCE_YOUR_CALM, PROTOCOL_ERROR, 3, 5]);
    }
    origin.holds(0).await;
    assert!(origin.requests() < 5_000);
}

/// B3
#[tokio::test]
async fn a_header_block_without_end_is_sent_away() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    let begin = frame(HEADERS, END_STREAM, 1, &block(&request(b"GET", b"/")));
    let filler = literal(b"x-filler", &[b'f'; 16_000]);
    let fields = block(&[(b"x-n", b"1")]).repeat(2_000);
    let cases: [(&str, Vec<u8>, Vec<u8>); 4] = [
        ("empty CONTINUATION", begin.clone(), frame(CONTINUATION, 0, 1, &[])),
        ("large fields", begin.clone(), frame(CONTINUATION, 0, 1, &filler)),
        ("many fields", begin, frame(CONTINUATION, 0, 1, &fields)),
        // Refers to one entry of the table again and again (HPACK bomb).
        (
            "a bomb",
            frame(HEADERS, 0, 1, &[&[0x40][..], &literal(b"x-bomb", &[b'b'; 3_000])[1..]].concat()),
            frame(CONTINUATION, 0, 1, &[0xbe; 16_000]),
        ),
    ];
    for (what, begin, flood) in cases {
        let mut client = Frames::plain(&gateway).await;
        client.say(begin).await;
        let (heard, ended) = beside(&gateway, client.flood(&flood, 10_000)).await;
        // COMPRESSION_ERROR: of a block that is too large hyper does not read the rest.
        assert_sent_away(what, &heard, ended, &[ENHANCE_YOUR_CALM, 9]);
    }
    assert_eq!(origin.ids().len(), 0);
}

/// B3
#[tokio::test]
async fn a_header_block_that_does_not_end_in_time_is_sent_away() {
    let origin = Origin::start("a").await;
    let tables = "[timeouts]\nrequest-header = \"300ms\"\n[admin]\naddress = \"127.0.0.1:0\"";
    let gateway = Gateway::start(&Configuration::of(&[&origin]).tables(tables)).await;
    let whole = frame(HEADERS, END_HEADERS | END_STREAM, 3, &block(&request(b"GET", b"/never")));
    let unfinished = [
        frame(HEADERS, END_STREAM, 3, &block(&request(b"GET", b"/never"))),
        whole[..whole.len() - 1].to_vec(),
        whole[..10].to_vec(),
    ];
    for begun in unfinished {
        for busy in [false, true] {
            let mut client = Frames::tls(&gateway).await;
            if busy {
                origin.hold();
                client.say(get(1, "/busy")).await;
                origin.holds(1).await;
            }
            client.say(&begun).await;
            assert_eq!(client.end().await, Some(ENHANCE_YOUR_CALM), "{} bytes, busy: {busy}", begun.len());
            origin.release();
            origin.holds(0).await;
        }
    }
    cut(&gateway, "head", 6.0).await;
    assert_eq!(Client::h2(&gateway).await.get("/").await.status, 200);
}

/// B5, B6
#[tokio::test]
async fn frames_that_bring_nothing_are_sent_away_at_a_budget() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    origin.hold();
    let floods: [(&str, Vec<u8>); 11] = [
        ("empty DATA", frame(DATA, 0, 1, &[])),
        ("padding", frame(DATA, PADDED, 1, &[&[255][..], &[0; 255]].concat())),
        ("DATA of a byte", frame(DATA, 0, 1, b"x")),
        ("a byte and more padding", frame(DATA, PADDED, 1, &[&[9][..], b"x", &[0; 9]].concat())),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("SETTINGS of the window", setting(4, 65_535)),
        ("PING", frame(PING, 0, 0, b"12345678")),
        ("PING that are answers", frame(PING, 1, 0, b"12345678")),
        ("PRIORITY", frame(PRIORITY, 0, 5, &[0, 0, 0, 3, 1])),
        ("WINDOW_UPDATE", number(WINDOW_UPDATE, 0, 1)),
        ("frames that nobody knows", frame(0xbe, 0, 0, b"grease")),
    ];
    for (what, flood) in floods {
        let mut client = Frames::plain(&gateway).await;
        client.say(post(1, "/upload", &[])).await;
        let (heard, ended) = beside_held(&gateway, client.flood(&flood, 100_000)).await;
        assert_sent_away(what, &heard, ended, CALM);
    }
    origin.release();
    origin.holds(0).await;
    cut(&gateway, "frames", 11.0).await;
}

/// Good clients cannot be answered by an origin that holds all: they only connect.
async fn beside_held<T>(gateway: &Gateway, attack: impl Future<Output = T>) -> T {
    let value = attack.await;
    assert!(Client::h2(gateway).await.is_open().await);
    value
}

/// B6
#[tokio::test]
async fn a_flood_of_a_client_that_does_not_read_is_not_kept() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).tables("[timeouts]\nsend-stall = \"500ms\"");
    let gateway = Gateway::start(&configuration).await;
    thrice(&gateway, async || {
        for flood in [frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0, &[]), get(1, "/bytes/100000000")] {
            let mut clients = Vec::new();
            for _ in 0..20 {
                let mut client = Frames::plain(&gateway).await;
                let flood = flood.repeat(200);
                clients.push(tokio::spawn(async move { while client.try_say(&flood).await {} }));
            }
            for client in clients {
                within("the end of a client that does not read", client).await.unwrap();
            }
        }
        origin.holds(0).await;
    })
    .await;
}

/// Nobody who works is taken for a flood.
#[tokio::test]
async fn many_small_messages_and_windows_are_work_and_no_flood() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    let mut client = Client::h2(&gateway).await;
    let (mut sender, body) = Channel::new(1);
    let upload = tokio::spawn(async move {
        let answer = client.ask(Ask::new("POST", "/upload").body(body.boxed())).await;
        (client, answer)
    });
    // As gRPC sends them: five bytes before each, and nothing in it. Of those that nobody has read yet, h2 keeps some 2,000.
    for _ in 0..1_500 {
        sender.send_data(Bytes::from_static(&[0; 5])).await.unwrap();
    }
    drop(sender);
    let (mut client, answer) = upload.await.unwrap();
    assert_eq!(answer.seen()["body_bytes"], 7_500);
    // A window of its own for each frame of a large answer, for the stream and for the connection, and a PING that measures.
    let mut frames = Frames::plain(&gateway).await;
    frames.say(frames::get(1, "/bytes/20000000")).await;
    let mut bytes = 0;
    while bytes < 20_000_000 {
        let heard = frames.hear().await.expect("an open connection");
        assert_ne!(heard.kind, GOAWAY);
        if heard.kind == DATA && !heard.payload.is_empty() {
            bytes += heard.payload.len();
            let length = heard.payload.len() as u32;
            let acknowledged =
                [number(WINDOW_UPDATE, 1, length), number(WINDOW_UPDATE, 0, length), frame(PING, 0, 0, b"measured")];
            frames.say(acknowledged.concat()).await;
        }
    }
    for _ in 0..5_000 {
        assert_eq!(client.get("/").await.status, 200);
    }
    cut(&gateway, "frames", 0.0).await;
}

/// A few that give up are no flood either, and a listener may allow more of them.
#[tokio::test]
async fn resets_are_counted_by_the_limit_that_is_set() {
    let origin = Origin::start("a").await;
    let tables = "[limits]\nresets = 10\n[admin]\naddress = \"127.0.0.1:0\"";
    let gateway = Gateway::start(&Configuration::of(&[&origin]).tables(tables)).await;
    let mut client = Frames::plain(&gateway).await;
    for n in 0..10 {
        client.say([get(2 * n + 1, "/"), number(RST_STREAM, 2 * n + 1, 8)].concat()).await;
    }
    client.say(get(101, "/")).await;
    let answer = client.hear_until(|frame| frame.stream == 101 && frame.kind == HEADERS).await;
    assert_eq!(answer.and_then(|head| head.status()), Some(200));
    client.say([get(103, "/"), number(RST_STREAM, 103, 8)].concat()).await;
    assert_eq!(client.end().await, Some(ENHANCE_YOUR_CALM));
    cut(&gateway, "resets", 1.0).await;
}
