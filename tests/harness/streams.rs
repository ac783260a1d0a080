//! Streams that stay open while other things happen: upgraded ones, as a WebSocket is, and requests of HTTP/2 whose bodies go on
//! both ways, as those of gRPC do. Each says something now and then and wants to hear it again, and its end as well.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use tokio::task::JoinSet;

use super::{Ask, Client, Raw, certificates, within};

/// Between two words of a stream.
const PAUSE: Duration = Duration::from_millis(200);

/// Streams that are open. One that is cut panics, and so the test that waits for its end.
pub struct Streams {
    said: Arc<Said>,
    open: JoinSet<()>,
}

/// What all of them know.
#[derive(Default)]
struct Said {
    stop: AtomicBool,
    words: AtomicU64,
}

impl Said {
    /// One more word was heard again; false if it was the last one.
    async fn goes_on(&self) -> bool {
        self.words.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(PAUSE).await;
        !self.stop.load(Ordering::SeqCst)
    }
}

impl Streams {
    /// So many of each kind, at the routes `/socket` and `/stream`, open already.
    pub async fn open(address: SocketAddr, each: usize) -> Self {
        let (said, mut open) = (Arc::<Said>::default(), JoinSet::new());
        for number in 0..each {
            open.spawn(socket(shaken(address).await, format!("socket {number}"), said.clone()));
            open.spawn(stream(address, format!("stream {number}"), said.clone()));
        }
        let streams = Self { said, open };
        streams.all_speak().await;
        streams
    }

    /// How many words have come back.
    pub fn words(&self) -> u64 {
        self.said.words.load(Ordering::SeqCst)
    }

    /// Every one of them still speaks; then they end, well. Gives how many there were.
    pub async fn finish(self) -> usize {
        let count = self.open.len();
        self.all_speak().await;
        self.said.stop.store(true, Ordering::SeqCst);
        self.open.join_all().await;
        count
    }

    async fn all_speak(&self) {
        let enough = self.words() + 2 * self.open.len() as u64;
        within("a word of every stream", async {
            while self.words() < enough {
                tokio::time::sleep(PAUSE / 10).await;
            }
        })
        .await;
    }
}

/// A WebSocket after its handshake.
async fn shaken(address: SocketAddr) -> Raw {
    let mut raw = Raw::tls_to(address).await;
    raw.say(
        "GET /socket HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .await;
    assert!(raw.hear_until("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    raw
}

async fn socket(mut raw: Raw, name: String, said: Arc<Said>) {
    for word in 0.. {
        let text = format!("{name}, word {word};");
        raw.say(&text).await;
        assert_eq!(String::from_utf8(raw.hear(text.len()).await).unwrap(), text);
        if !said.goes_on().await {
            break;
        }
    }
    raw.end().await;
    assert_eq!(raw.hear_all().await, "goodbye", "{name}");
}

async fn stream(address: SocketAddr, name: String, said: Arc<Said>) {
    let mut client = Client::try_over_tls(address, Arc::new(certificates::client(&["h2"]))).await.unwrap();
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let ask = Ask::new("POST", "/stream").header("content-type", "application/grpc").header("te", "trailers");
    let mut answer = client.send(ask.body(body.boxed())).await.unwrap().into_body();
    for word in 0.. {
        let text = format!("{name}, word {word};");
        sender.send_data(Bytes::from(text.clone())).await.unwrap();
        let mut heard = Vec::new();
        while heard.len() < text.len() {
            let frame = within("a word back", answer.frame()).await.unwrap_or_else(|| panic!("{name} ended"));
            let frame = frame.unwrap_or_else(|error| panic!("{name} was cut: {error:?}"));
            heard.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        assert_eq!(String::from_utf8(heard).unwrap(), text);
        if !said.goes_on().await {
            break;
        }
    }
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    sender.send_trailers(trailers.clone()).await.unwrap();
    drop(sender);
    let rest = within("its end", answer.collect()).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    assert_eq!(rest.trailers(), Some(&trailers), "{name}");
}
