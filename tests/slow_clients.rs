//! Clients that are slow on purpose: heads, bodies and answers that trickle or stand still are cut off, the endpoint is free
//! again, and good clients get all that they ask for meanwhile.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::harness::beside::{beside, thrice};
use crate::harness::frames::{self, *};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, within};

async fn with(origin: &Origin, tables: &str) -> Gateway {
    Gateway::start(&Configuration::of(&[origin]).tables(&format!("{tables}\n[admin]\naddress = \"127.0.0.1:0\""))).await
}

/// So many were cut off for that reason.
async fn cut(gateway: &Gateway, reason: &str, count: f64) {
    gateway.shows(&[(&format!("sluice_clients_cut_total{{reason=\"{reason}\"}}"), count)]).await;
}

/// Says the rest of something byte by byte until nobody listens any more; gives what was answered.
async fn trickle(mut raw: Raw, rest: &[u8], pause: Duration) -> String {
    for byte in rest.iter().cycle() {
        if !raw.try_say([*byte]).await {
            break;
        }
        if let Some(heard) = raw.hears(pause).await {
            return heard;
        }
    }
    raw.hear_all().await
}

/// D1
#[tokio::test]
async fn a_thousand_slow_heads_are_cut_and_cost_others_nothing() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "[timeouts]\nrequest-header = \"1s\"").await;
    let alone = slowest(&gateway).await;
    let mut meanwhile = Duration::ZERO;
    thrice(&gateway, async || {
        let mut slow = Vec::new();
        for _ in 0..1_000 {
            let mut raw = Raw::plain(&gateway).await;
            raw.say("GET / HTTP/1.1\r\nhost: app.test\r\nx-slow: ").await;
            slow.push(raw);
        }
        meanwhile = meanwhile.max(slowest(&gateway).await);
        for raw in &mut slow {
            let heard = raw.hear_all().await;
            assert!(heard.starts_with("HTTP/1.1 408 "), "{heard:?}");
        }
    })
    .await;
    // The promise is twice; the bound is for machines on which other tests run.
    assert!(meanwhile < alone * 20 + Duration::from_millis(500), "{meanwhile:?} instead of {alone:?}");
}

/// The slowest but one of a hundred answers.
async fn slowest(gateway: &Gateway) -> Duration {
    let mut client = Client::h1(gateway).await;
    let mut times = Vec::new();
    for _ in 0..100 {
        let start = Instant::now();
        assert_eq!(client.get("/timed").await.status, 200);
        times.push(start.elapsed());
    }
    times.sort();
    times[98]
}

/// D2
#[tokio::test]
async fn a_declared_body_that_trickles_is_408() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "[limits]\nminimum-rate = \"1KiB\"").await;
    let head = "POST /slow-body HTTP/1.1\r\nhost: app.test\r\ncontent-length: 100000\r\n\r\n";
    beside(&gateway, async {
        let start = Instant::now();
        let mut slow = Vec::new();
        for mut raw in [Raw::plain(&gateway).await, Raw::tls(&gateway).await] {
            raw.say(head).await;
            slow.push(tokio::spawn(trickle(raw, b"x", Duration::from_millis(100))));
        }
        for heard in slow {
            let heard = heard.await.unwrap();
            assert!(heard.starts_with("HTTP/1.1 408 "), "{heard:?}");
            assert!(heard.contains("proxy-status: sluice; error="), "{heard:?}");
        }
        assert!(start.elapsed() >= Duration::from_secs(5), "before its time: {:?}", start.elapsed());
        // The same over HTTP/2.
        let mut client = Frames::plain(&gateway).await;
        client.say(post(1, "/slow-body", &[(b"content-length", b"100000")])).await;
        for _ in 0..10 {
            client.say(frame(DATA, 0, 1, b"xxxxxxxxxx")).await;
        }
        assert_eq!(client.outcome(1).await, Outcome::Answered(408));
    })
    .await;
    origin.holds(0).await;
}

/// D2: what the client waits for itself is not its own slowness, and what has no declared length may pause.
#[tokio::test]
async fn an_upload_that_waits_for_its_endpoint_or_has_no_length_is_not_cut() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "[limits]\nminimum-rate = \"1MiB\"").await;
    origin.answers_after(6_000);
    let mut client = Client::h1(&gateway).await;
    let patient = async {
        assert_eq!(client.ask(Ask::post("/waits", vec![b'x'; 1_000])).await.status, 200);
    };
    let mut raw = Raw::plain(&gateway).await;
    let undeclared = async {
        raw.say("POST /pauses HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n").await;
        // As long as any grace.
        assert_eq!(raw.hears(Duration::from_secs(6)).await, None);
        raw.say("1\r\nx\r\n0\r\n\r\n").await;
        assert!(raw.hear_until("\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    };
    tokio::join!(patient, undeclared);
}

/// D2, B7
#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off_and_its_endpoint_is_free() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "[timeouts]\nsend-stall = \"500ms\"").await;
    for mut raw in [Raw::plain(&gateway).await, Raw::tls(&gateway).await] {
        raw.say("GET /bytes/1000000000 HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
        raw.hear_until("\r\n\r\n").await;
        // It stays open, and nobody reads.
        beside(&gateway, origin_is_free(&origin)).await;
    }
    let mut client = Frames::plain(&gateway).await;
    client
        .say([setting(4, 0x7fff_ffff), number(WINDOW_UPDATE, 0, 0x7fff_0000), get(1, "/bytes/1000000000")].concat())
        .await;
    origin_is_free(&origin).await;
    cut(&gateway, "stalled", 3.0).await;
    let line = gateway.exchange("/bytes/1000000000").await;
    assert!(line.text("why").contains("cut off: the client takes nothing"), "{line:?}");
}

/// The answers that good clients got are no matter: that with the large body is over.
async fn origin_is_free(origin: &Origin) {
    within("the end of the large answer", async {
        while origin.streaming() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// B7
#[tokio::test]
async fn a_stream_without_window_is_reset_and_its_neighbours_go_on() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "[timeouts]\nsend-stall = \"500ms\"").await;
    // No stream of it has a window.
    let mut client = Frames::with(&gateway, &setting(4, 0)).await;
    for (stream, path) in [(1, "/bytes/10000000"), (3, "/bytes/5")] {
        client.say(get(stream, path)).await;
        let reset = client.hear_until(|frame| frame.kind == RST_STREAM).await.expect("a reset");
        assert_eq!((reset.stream, reset.code()), (stream, Some(8)), "CANCEL");
        origin.holds(0).await;
    }
    // One that gets a window is served on the same connection.
    client.say([get(5, "/bytes/5"), number(WINDOW_UPDATE, 5, 10)].concat()).await;
    let data = client.hear_until(|frame| frame.kind == DATA).await.expect("its body");
    assert_eq!((data.stream, data.payload.len()), (5, 5));
    cut(&gateway, "stalled", 2.0).await;
}

/// B7
#[tokio::test]
async fn a_window_of_a_byte_now_and_then_is_too_little() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "[limits]\nminimum-rate = \"1MiB\"").await;
    let mut client = Frames::with(&gateway, &setting(4, 0)).await;
    client.say(get(1, "/bytes/10000000")).await;
    let reset = within("a reset", async {
        loop {
            client.say(number(WINDOW_UPDATE, 1, 1)).await;
            let heard = client.hear_until(|frame| [DATA, RST_STREAM].contains(&frame.kind)).await.expect("a frame");
            if heard.kind == RST_STREAM {
                return heard;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert_eq!(reset.await.code(), Some(8));
    origin.holds(0).await;
    cut(&gateway, "slow", 1.0).await;
}

/// D2: as slowhttptest -X does it, a small receive buffer that is read a little at a time.
#[tokio::test]
async fn an_answer_that_is_taken_too_slowly_is_cut_off() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "[limits]\nminimum-rate = \"100KiB\"\n[timeouts]\nsend-stall = \"10s\"").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1_024).unwrap();
    let mut stream = socket.connect(gateway.plain).await.unwrap();
    stream.write_all(b"GET /bytes/1000000000 HTTP/1.1\r\nhost: app.test\r\n\r\n").await.unwrap();
    let slow = async {
        let mut buffer = [0; 64];
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) && origin.streaming() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What lies ready for it is thrown away, or it would lie there for as long as it likes.
        stream.read_to_end(&mut Vec::new()).await.map_err(|error| error.kind())
    };
    let rest = beside(&gateway, within("the end of a slow reader", slow)).await;
    assert_eq!(rest.unwrap_err(), std::io::ErrorKind::ConnectionReset);
    cut(&gateway, "slow", 1.0).await;
}

/// Those who are slow and honest get everything.
#[tokio::test]
async fn a_client_that_pauses_for_less_than_a_stall_gets_it_all() {
    let origin = Origin::start("a").await;
    let gateway = with(&origin, "[timeouts]\nsend-stall = \"4s\"").await;
    let paused = async |mut client: Frames, first: u32| {
        client.say(frames::get(1, "/bytes/300000")).await;
        let mut bytes = 0;
        let mut open = first;
        while bytes < 300_000 {
            let heard =
                client.hear_until(|frame| frame.kind == DATA || frame.kind == RST_STREAM).await.expect("a frame");
            assert_eq!(heard.kind, DATA);
            bytes += heard.payload.len();
            if bytes >= open as usize && bytes < 300_000 {
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                open += 100_000;
                client.say([number(WINDOW_UPDATE, 1, 100_000), number(WINDOW_UPDATE, 0, 100_000)].concat()).await;
            }
        }
    };
    within("all of it", paused(Frames::plain(&gateway).await, 65_535)).await;
    cut(&gateway, "stalled", 0.0).await;
    cut(&gateway, "slow", 0.0).await;
}
