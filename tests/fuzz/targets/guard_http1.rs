//! The guard of HTTP/1: however bytes are cut, it gives the same verdict; and of what it lets through, hyper and a slow reader see
//! the same messages with the same bodies, as many as the guard has counted. Two readers that disagree are how requests are
//! smuggled.
#![no_main]

use std::cell::RefCell;
use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use sluice_fuzz::{PLANTED, cut, wire};
use sluice_gateway::config::model::Limits;
use sluice_gateway::proxy::headers::Refusal;
use sluice_gateway::server::guard::http1::Scanner;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a scan comes to.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    heads: u32,
    in_head: bool,
    head: Option<Refusal>,
    body: Option<Refusal>,
}

/// A request as a reader sees it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    line: String,
    body: Vec<u8>,
    /// None: its body breaks off.
    is_whole: bool,
}

/// Four lengths of pieces, then what a client sends.
fn check(mut data: &[u8]) {
    let lengths: [u8; 4] = cut::options(&mut data);
    let (whole, passed) = scan(&[data]);
    let (cut, passed_cut) = scan(&cut::pieces(data, &lengths));
    assert_eq!(whole, cut, "cut into pieces of {lengths:?}");
    // Behind a refused body nothing is passed, but how much of it has been depends on the pieces.
    let (short, long) = if passed.len() < passed_cut.len() { (&passed, &passed_cut) } else { (&passed_cut, &passed) };
    assert!(
        long.starts_with(short)
            && (short.len() == long.len() || whole.body.is_some() || whole.head.is_some() || whole.in_head)
    );

    let mut slow = read(&passed);
    if PLANTED && slow.last().is_some_and(|last| last.is_whole && last.body.len() == 5) {
        // As if a body of five bytes were forgotten.
        slow.pop();
    }
    let complete = slow.iter().filter(|seen| seen.is_whole).count();
    if whole.head.is_none() && whole.body.is_none() {
        assert_eq!(slow.len() as u32, whole.heads, "the guard and a slow reader");
    }
    let (hyper, said) = with_hyper(&passed);
    assert!(slow.starts_with(&hyper) || hyper.last().is_some_and(|last| !last.is_whole), "{hyper:?}\n{slow:?}");
    if !closes(&passed) {
        assert!(hyper.iter().filter(|seen| seen.is_whole).count() == complete, "{hyper:?}\n{slow:?}\n{said}");
    }
    assert!(!said.contains(" 400 "), "hyper refuses what was let through: {said}");
}

fn scan(pieces: &[&[u8]]) -> (Verdict, Vec<u8>) {
    let mut scanner = Scanner::new(&Limits::BY_DEFAULT);
    let (mut heads, mut passed) = (0, Vec::new());
    for piece in pieces {
        let mut piece = piece.to_vec();
        let seen = scanner.scan(&mut piece);
        heads += seen.heads;
        passed.extend_from_slice(&piece[..seen.passed]);
    }
    let (head, body) = (scanner.refused_head(), scanner.refused_body());
    (Verdict { heads, in_head: scanner.is_in_head(), head, body }, passed)
}

/// Reads requests with httparse and by the letter of RFC 9112 §6.3; a head that is not whole is none.
fn read(mut bytes: &[u8]) -> Vec<Seen> {
    let mut all = Vec::new();
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut request = httparse::Request::new(&mut fields);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return all,
            Err(error) => panic!("{error}: {}", bytes.escape_ascii()),
        };
        bytes = &bytes[length..];
        // As `http` writes it: a scheme in lower case, and a path in any case.
        let target = http::Uri::try_from(request.path.unwrap_or_default()).expect("hyper takes it");
        let line = format!("{} {target}", request.method.unwrap_or_default());
        let named = |name: &str| {
            let fields = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            fields.map(|field| field.value.trim_ascii()).collect::<Vec<_>>()
        };
        let (lengths, codings) = (named("content-length"), named("transfer-encoding"));
        assert!(lengths.len() + codings.len() <= 1, "two framings were let through: {line}");
        let (body, is_whole) = match (lengths.first(), codings.first()) {
            (Some(length), _) => sized(&mut bytes, length),
            (_, Some(coding)) => {
                assert!(coding.eq_ignore_ascii_case(b"chunked"), "{}", coding.escape_ascii());
                chunked(&mut bytes)
            }
            (None, None) => (Vec::new(), true),
        };
        all.push(Seen { line, body, is_whole });
        if !is_whole {
            return all;
        }
    }
}

fn sized(bytes: &mut &[u8], length: &[u8]) -> (Vec<u8>, bool) {
    assert!(!length.is_empty() && length.iter().all(u8::is_ascii_digit), "{}", length.escape_ascii());
    let length: u64 = std::str::from_utf8(length).expect("digits").parse().expect("at most 19 digits");
    let (body, rest) = bytes.split_at(bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX)));
    *bytes = rest;
    (body.to_vec(), body.len() as u64 == length)
}

/// RFC 9112 §7.1.3; of extensions nothing is kept, trailers are lines.
fn chunked(bytes: &mut &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    let line = |bytes: &mut &[u8]| {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let (line, rest) = bytes.split_at(end);
        *bytes = &rest[2..];
        Some(line.to_vec())
    };
    loop {
        // A quoted string may hold no line end either, so the first one is the end.
        let Some(size) = line(bytes) else { return (body, false) };
        let digits: Vec<u8> = size.iter().copied().take_while(u8::is_ascii_hexdigit).collect();
        let digits = String::from_utf8(digits).expect("hexadecimal");
        let size = u64::from_str_radix(&digits, 16).expect("at most 16 digits");
        if size == 0 {
            break;
        }
        let some = bytes.len().min(usize::try_from(size).unwrap_or(usize::MAX));
        body.extend_from_slice(&bytes[..some]);
        *bytes = &bytes[some..];
        let Some(rest) = bytes.strip_prefix(b"\r\n") else { return (body, false) };
        *bytes = rest;
    }
    loop {
        match line(bytes) {
            Some(trailer) if trailer.is_empty() => return (body, true),
            Some(_) => {}
            None => return (body, false),
        }
    }
}

/// Whether hyper need not look at all of it.
fn closes(passed: &[u8]) -> bool {
    let lower = passed.to_ascii_lowercase();
    lower.windows(10).any(|word| word == b"connection") || lower.windows(8).any(|word| word == b"http/1.0")
}

/// What hyper sees, set up as in the gateway, and what it says to the client.
fn with_hyper(bytes: &[u8]) -> (Vec<Seen>, String) {
    let seen = RefCell::new(Vec::new());
    let said = wire::block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(bytes).await.expect("room");
        client.shutdown().await.expect("shut down");
        let answer = async |request: http::Request<hyper::body::Incoming>| {
            let line = format!("{} {}", request.method(), request.uri());
            let (mut incoming, mut body, mut is_whole) = (request.into_body(), Vec::new(), true);
            while let Some(frame) = incoming.frame().await {
                match frame {
                    Ok(frame) => body.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                    Err(_) => {
                        is_whole = false;
                        break;
                    }
                }
            }
            seen.borrow_mut().push(Seen { line, body, is_whole });
            Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::new())))
        };
        let limits = Limits::BY_DEFAULT;
        let most = limits.header_bytes.max(limits.trailers) + 64;
        let mut http = hyper::server::conn::http1::Builder::new();
        http.max_header_size(most).max_headers(limits.headers).max_buf_size(most).half_close(true);
        let _ = http.serve_connection(TokioIo::new(server), service_fn(answer)).await;
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.expect("what was said");
        String::from_utf8_lossy(&said).into_owned()
    });
    (seen.into_inner(), said)
}

fuzz_target!(|data: &[u8]| check(data));
