//! What is refused and why.

mod bodies;
mod heads;
mod pieces;

use super::*;

const LIMITS: model::Limits = model::Limits::BY_DEFAULT;

/// Where the bytes stand at their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// So many heads, and between two messages.
    Whole(u32),
    /// So many heads, and in the middle of a head or body.
    Part(u32),
    Head(Refusal),
    Body(Refusal),
}
use Verdict::{Body, Head, Part, Whole};

/// The verdict, and what was passed on, of these bytes cut there.
fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Verdict, Vec<u8>) {
    let mut scanner = Scanner::new(&LIMITS);
    let (mut heads, mut passed) = (0, Vec::new());
    for piece in pieces {
        let mut piece = piece.to_vec();
        let seen = scanner.scan(&mut piece);
        heads += seen.heads;
        passed.extend_from_slice(&piece[..seen.passed]);
    }
    let verdict = match (&scanner.at, scanner.is_in_head()) {
        (At::RefusedHead(refusal), _) => Head(*refusal),
        (At::RefusedBody(refusal), _) => Body(*refusal),
        (At::Line(_), false) => Whole(heads),
        _ => Part(heads),
    };
    (verdict, passed)
}

fn syntax(verdict: Verdict) -> bool {
    matches!(verdict, Head(Refusal::Syntax(_)) | Body(Refusal::Syntax(_)))
}

/// The same verdict, as one piece and byte by byte.
fn verdict(bytes: &[u8]) -> Verdict {
    let (whole, _) = scan([bytes]);
    let (bytewise, _) = scan(bytes.chunks(1));
    assert_eq!(whole, bytewise, "{:?}", bytes.escape_ascii().to_string());
    whole
}

#[test]
fn limits() {
    let line = |path: usize| format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(path));
    let room = LIMITS.request_line - "GET / HTTP/1.1".len();
    assert_eq!(verdict(line(room).as_bytes()), Whole(1));
    assert_eq!(verdict(line(room + 1).as_bytes()), Head(Refusal::TargetTooLong));
    assert_eq!(verdict(format!("\r\n{}", line(room)).as_bytes()), Whole(1));
    assert_eq!(verdict(format!("\r\n{}", line(room + 1)).as_bytes()), Head(Refusal::TargetTooLong));
    assert_eq!(verdict(format!("GET /{}", "a".repeat(100_000)).as_bytes()), Head(Refusal::TargetTooLong));
    assert!(syntax(verdict("A".repeat(100_000).as_bytes())));
    assert!(syntax(verdict(format!("{} / HTTP/1.1\r\n", "A".repeat(33)).as_bytes())));

    let head = |value: usize| format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "v".repeat(value));
    let room = LIMITS.header_bytes - head(0).len();
    assert_eq!(verdict(head(room).as_bytes()), Whole(1));
    assert_eq!(verdict(head(room + 1).as_bytes()), Head(Refusal::HeadTooLong));
    let long = format!("GET / HTTP/1.1\r\n{}", "n".repeat(100_000));
    assert_eq!(verdict(long.as_bytes()), Head(Refusal::HeadTooLong));

    let many = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert_eq!(verdict(many(100).as_bytes()), Whole(1));
    assert_eq!(verdict(many(101).as_bytes()), Head(Refusal::TooManyFields));

    let chunked =
        |body: &str| verdict(format!("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{body}").as_bytes());
    let extended = |length: usize| format!("1;{}\r\nx\r\n", "e".repeat(length - 1));
    assert_eq!(chunked(&extended(1024)), Part(1));
    assert!(syntax(chunked(&extended(1025))));
    assert!(syntax(chunked(&extended(65_536))));
    assert_eq!(chunked(&extended(1000).repeat(16)), Part(1));
    assert!(syntax(chunked(&extended(1000).repeat(17))));
    let trailers = |value: usize| format!("0\r\nx: {}\r\n\r\n", "v".repeat(value));
    assert_eq!(chunked(&trailers(8192 - 5)), Whole(1));
    assert!(syntax(chunked(&trailers(8193 - 5))));
    assert_eq!(chunked(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(100))), Whole(1));
    assert!(syntax(chunked(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(101)))));
}
