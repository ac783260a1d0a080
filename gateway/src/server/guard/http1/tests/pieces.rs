//! Whatever pieces it comes in, it is refused or not; and what is passed on, hyper takes.

use std::convert::Infallible;

use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Bytes that are nearly HTTP.
fn made(random: &mut fastrand::Rng) -> Vec<u8> {
    let lines: [&[u8]; 14] = [
        b"host: a",
        b"content-length: 3",
        b"content-length: 0",
        b"transfer-encoding: chunked",
        b"x-long-name-of-a-field: v",
        b"accept: */*\t;q=1",
        b"cookie: a=b; c=\xff",
        b"connection: close",
        b" fold",
        b"a : b",
        b"x: \0",
        b"",
        b"\n",
        b"x: y\r",
    ];
    let starts: [&[u8]; 10] = [
        b"GET / HTTP/1.1",
        b"POST /a?b HTTP/1.1",
        b"GET /\xc3\xa9 HTTP/1.0",
        b"OPTIONS * HTTP/1.1",
        b"GET http://a:1/x HTTP/1.4",
        b"\r\nPUT //..%2f HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET / HTTP/2.0",
        b"G@T / HTTP/1.1",
        b"GET /# HTTP/1.1",
    ];
    let bodies: [&[u8]; 8] = [
        b"",
        b"abc",
        b"3\r\nabc\r\n0\r\n\r\n",
        b"1;a=\"b\"\r\nx\r\n0\r\nt: u\r\n\r\n",
        b"5 \r\n",
        b"0\r\n\r\n",
        b"0x1\r\n",
        b"zz",
    ];
    let mut bytes = Vec::new();
    for _ in 0..random.usize(1..4) {
        bytes.extend_from_slice(random.choice(starts).expect("some"));
        bytes.extend_from_slice(b"\r\n");
        for _ in 0..random.usize(0..4) {
            // Mostly good ones.
            let many = if random.u8(..) < 200 { 8 } else { lines.len() };
            bytes.extend_from_slice(lines[random.usize(..many)]);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(random.choice(bodies).expect("some"));
    }
    if random.u8(..) < 64 {
        let place = random.usize(..bytes.len());
        bytes[place] = random.u8(..);
    }
    bytes
}

#[test]
fn any_cut_gives_the_same_verdict() {
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..20_000 {
        let bytes = made(&mut random);
        let (expected, _) = scan([&*bytes]);
        for _ in 0..4 {
            let (mut pieces, mut rest) = (Vec::new(), &*bytes);
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(random.usize(1..=rest.len().min(40)));
                pieces.push(piece);
                rest = after;
            }
            assert_eq!(scan(pieces).0, expected, "{:?}", bytes.escape_ascii().to_string());
        }
    }
}

/// How many requests hyper takes from these bytes, and what it answers.
async fn with_hyper(bytes: &[u8]) -> (u32, String) {
    let calls = std::cell::Cell::new(0);
    let (mut client, server) = tokio::io::duplex(1 << 20);
    client.write_all(bytes).await.expect("room");
    client.shutdown().await.expect("shut down");
    let answer = async |request: http::Request<hyper::body::Incoming>| {
        calls.set(calls.get() + 1);
        // A body that is not whole is the client's doing.
        let _ = request.into_body().collect().await;
        Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::new())))
    };
    let mut http = hyper::server::conn::http1::Builder::new();
    http.half_close(true);
    let _ = http.serve_connection(TokioIo::new(server), service_fn(answer)).await;
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.expect("what was said");
    (calls.get(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn what_is_passed_on_hyper_takes() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut random = fastrand::Rng::with_seed(6);
    let bytes_of_targets = (0..=255_u8).flat_map(|byte| {
        [&b"/"[..], b"/?", b"http://a", b"http://[", b"http://a:", b"*", b"http://[::1]"]
            .map(|before| [b"GET ", before, &[byte], b" HTTP/1.1\r\nhost: a\r\n\r\n"].concat())
    });
    let mut taken = 0;
    for bytes in bytes_of_targets.chain(std::iter::repeat_with(|| made(&mut random)).take(60_000)) {
        let (verdict, passed) = scan([&*bytes]);
        let Whole(heads) = verdict else { continue };
        // Behind this, hyper takes nothing more.
        if passed.windows(6).any(|word| word == b": clos" || word == b"TP/1.0") {
            continue;
        }
        let (calls, said) = runtime.block_on(with_hyper(&passed));
        assert_eq!((calls, said.contains(" 400 ")), (heads, false), "{:?}: {said}", bytes.escape_ascii().to_string());
        taken += 1;
    }
    assert!(taken > 1_000, "{taken}");
}
