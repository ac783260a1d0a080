//! What comes instead of a TLS handshake, or ends in the middle of one: turned away in time, without a spin and without a
//! panic, while good clients are served.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::beside::{beside, thrice};
use crate::harness::client::{connect, tls};
use crate::harness::configuration::HOST;
use crate::harness::{Configuration, Gateway, Origin, Raw, within};

async fn gateway(origin: &Origin) -> Gateway {
    Gateway::start(&Configuration::of(&[origin]).tables("[timeouts]\nhandshake = \"1s\"")).await
}

/// A ClientHello of TLS 1.3 with those extensions besides the needed ones, in records of at most `record` bytes.
fn client_hello(extensions: &[u8], record: usize) -> Vec<u8> {
    let mut all = Vec::new();
    // supported_versions: TLS 1.3; supported_groups: x25519; signature_algorithms: ecdsa_secp256r1_sha256.
    for (kind, body) in [(43_u16, &[2, 3, 4][..]), (10, &[0, 2, 0, 29]), (13, &[0, 2, 4, 3])] {
        all.extend(kind.to_be_bytes());
        all.extend((body.len() as u16).to_be_bytes());
        all.extend(body);
    }
    all.extend(extensions);
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    // No session, one cipher suite (TLS_AES_128_GCM_SHA256), no compression.
    hello.extend([0, 0, 2, 0x13, 1, 1, 0]);
    hello.extend((all.len() as u16).to_be_bytes());
    hello.extend(all);
    let mut message = vec![1];
    message.extend(&(hello.len() as u32).to_be_bytes()[1..]);
    message.extend(hello);
    message
        .chunks(record)
        .flat_map(|part| {
            let mut bytes = vec![22, 3, 1];
            bytes.extend((part.len() as u16).to_be_bytes());
            bytes.extend(part);
            bytes
        })
        .collect()
}

fn extension(kind: u16, length: usize) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend((length as u16).to_be_bytes());
    bytes.extend(vec![0; length]);
    bytes
}

/// C1
#[tokio::test]
async fn what_is_no_handshake_is_turned_away_in_time() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("plain HTTP".into(), b"GET / HTTP/1.1\r\nhost: app.test\r\n\r\n".to_vec()),
        ("the preface of HTTP/2".into(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("SSL 2".into(), vec![0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10]),
        ("a record of no length".into(), vec![22, 3, 1, 0, 0]),
        ("many records of no length".into(), [22, 3, 1, 0, 0].repeat(10_000)),
        ("a record that is too long".into(), [&[22, 3, 1, 0xff, 0xff][..], &[1; 70_000]].concat()),
        (
            "a message that is too long".into(),
            [&[22, 3, 1, 0x3f, 0xff, 1, 0xff, 0xff, 0xff][..], &[0; 70_000]].concat(),
        ),
        ("a truncated ClientHello".into(), client_hello(&[], 16_000)[..40].to_vec()),
        ("an alert".into(), vec![21, 3, 1, 0, 2, 2, 80]),
        ("alerts".into(), [21, 3, 1, 0, 2, 1, 90].repeat(10_000)),
        ("application data".into(), [&[23, 3, 3, 0, 32][..], &[9; 32]].concat()),
        ("a ClientHello of 64 KB".into(), client_hello(&extension(21, 64_000), 16_000)),
        ("a ClientHello in pieces of a byte".into(), client_hello(&extension(21, 2_000), 1)),
        ("a thousand extensions".into(), {
            client_hello(&(1_000..2_000).flat_map(|kind| extension(kind, 8)).collect::<Vec<_>>(), 16_000)
        }),
        ("an extension twice".into(), client_hello(&[extension(21, 1), extension(21, 1)].concat(), 16_000)),
        ("an extension that is longer than all".into(), client_hello(&[0, 21, 0xff, 0xff], 16_000)),
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0..200 {
        let mut bytes: Vec<u8> = (0..random.usize(1..2_000)).map(|_| random.u8(..)).collect();
        if number % 2 == 0 {
            // So that more of it is looked at.
            bytes.splice(0..0, [22, 3, 1, 0, random.u8(..)]);
        }
        cases.push((format!("random bytes {number}"), bytes));
    }
    let all = async {
        let mut clients = Vec::new();
        for (what, bytes) in cases {
            let mut raw = Raw::to(gateway.secure).await;
            clients.push(tokio::spawn(async move {
                let start = Instant::now();
                raw.try_say(&bytes).await;
                raw.hear_all().await;
                assert!(start.elapsed() < Duration::from_secs(10), "{what}: {:?}", start.elapsed());
            }));
        }
        for client in clients {
            client.await.unwrap();
        }
    };
    beside(&gateway, all).await;
    assert_eq!(gateway.log.filter("exchange", |event| event.text("path") != "/good").len(), 0);
}

/// C2
#[tokio::test]
async fn a_connection_that_ends_at_an_odd_moment_ends_and_does_not_spin() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    let hello = client_hello(&[], 16_000);
    let cut = |at: usize| hello[..at.min(hello.len())].to_vec();
    // A close_notify in the clear.
    let goodbye = vec![21, 3, 3, 0, 2, 1, 0];
    let beginnings = [
        vec![],
        cut(1),
        cut(5),
        cut(20),
        goodbye.clone(),
        [cut(40), goodbye.clone()].concat(),
        [hello.clone(), goodbye].concat(),
    ];
    let before = gateway.processor_time();
    beside(&gateway, async {
        for round in 0..20 {
            for bytes in &beginnings {
                let mut stream = connect(gateway.secure).await;
                stream.write_all(bytes).await.unwrap();
                if round % 2 == 0 {
                    // A reset, where bytes of the gateway are unread.
                    drop(stream);
                } else {
                    stream.shutdown().await.unwrap();
                    let mut rest = Vec::new();
                    let _ = within("the end", stream.read_to_end(&mut rest)).await;
                }
            }
            // After the handshake: in the middle of a record, and with a close_notify in the middle of a request.
            let (mut stream, mut session) = tls(gateway.secure, HOST, &["http/1.1"]).await.into_inner();
            stream.write_all(&[23, 3, 3, 1, 0, 1, 2, 3]).await.unwrap();
            drop(stream);
            session.send_close_notify();
            let mut stream = tls(gateway.secure, HOST, &["http/1.1"]).await;
            stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            let _ = within("the end", stream.read_to_end(&mut rest)).await;
        }
    })
    .await;
    // Then nothing is left to do. What would spin takes all of a core.
    let spent = gateway.processor_time();
    for _ in 0..3 {
        Raw::to(gateway.secure).await.hear_all().await;
    }
    if let (Some(_), Some(spent), Some(after)) = (before, spent, gateway.processor_time()) {
        assert!(after - spent < Duration::from_secs(1), "{:?} for nothing in three seconds", after - spent);
    }
}

/// C3
#[tokio::test]
async fn thousands_of_handshakes_that_are_left_open_are_cut_and_cost_little() {
    let origin = Origin::start("a").await;
    let gateway = gateway(&origin).await;
    let hello = client_hello(&[], 16_000);
    thrice(&gateway, async || {
        let mut open = Vec::new();
        for number in 0..2_000 {
            let mut raw = Raw::to(gateway.secure).await;
            raw.say(&hello[..number % hello.len()]).await;
            open.push(raw);
        }
        for raw in &mut open {
            raw.hear_all().await;
        }
    })
    .await;
}
