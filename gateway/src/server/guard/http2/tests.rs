//! What ends a connection of HTTP/2, and what does not.

use std::time::Duration;

use super::*;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A connection, and how it ends when the client sends `frame` so many times, each answered by `answer`.
fn after(times: usize, apart: Duration, sent: &[u8], answer: &[u8]) -> (usize, Option<Cut>) {
    let start = Instant::now();
    let mut guard = Guard::new(100, start);
    guard.received(&[0; PREFACE as usize], || start);
    for time in 0..times {
        let now = || start + apart * time as u32;
        guard.received(sent, now);
        guard.sent(answer, now);
        if guard.excess().is_some() {
            return (time + 1, guard.excess());
        }
    }
    (times, None)
}

/// What, how long from one time to the next, sent, answered; after how many times it ends, and why.
type Case<'a> = (&'a str, Duration, Vec<u8>, &'a [u8], Option<(usize, Cut)>);

const AT_ONCE: Duration = Duration::ZERO;

#[test]
fn floods_end_and_work_does_not() {
    let ms = Duration::from_millis;
    let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    let ping = frame(6, 0, 0, &[0; 8]);
    let window = frame(8, 0, 1, &[0, 0, 0, 5]);
    let message = frame(DATA, 0, 1, &[0; 5]);
    let request = frame(HEADERS, 5, 1, &[0x82]);
    let many = |parts: &[&Vec<u8>]| parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>();
    let rapid = many(&[&request, &reset]);
    let measured = many(&[&ping, &window, &window]);
    let cases: [Case<'_>; 14] = [
        ("rapid reset", AT_ONCE, rapid, &[], Some((101, Cut::Resets))),
        ("a reset a second", ms(1_000), reset.clone(), &[], None),
        ("four a second", ms(250), reset.clone(), &[], Some((101, Cut::Resets))),
        ("made to reset", AT_ONCE, window.clone(), &frame(3, 0, 1, &[0, 0, 0, 1]), Some((101, Cut::Resets))),
        ("endpoints that break off", AT_ONCE, request.clone(), &frame(3, 0, 1, &[0, 0, 0, 2]), None),
        ("PING", AT_ONCE, ping.clone(), &frame(6, 1, 0, &[0; 8]), Some((1_001, Cut::Frames))),
        ("ten PING a second", ms(100), ping, &[], None),
        ("SETTINGS", AT_ONCE, frame(SETTINGS, 0, 0, &[]), &[], Some((101, Cut::Frames))),
        ("unknown frames", AT_ONCE, frame(0xbe, 0, 0, b"x"), &[], Some((1_001, Cut::Frames))),
        ("empty DATA", AT_ONCE, frame(DATA, 0, 1, &[]), &[], Some((101, Cut::Frames))),
        ("padding", AT_ONCE, frame(DATA, 8, 1, &[255; 256]), &[], Some((101, Cut::Frames))),
        ("DATA of a byte", AT_ONCE, frame(DATA, 0, 1, b"x"), &[], Some((1_001, Cut::Frames))),
        ("gRPC, both ways", AT_ONCE, many(&[&message, &measured]), &message, None),
        ("ends of bodies", AT_ONCE, many(&[&request, &frame(DATA, 1, 1, &[])]), &[], None),
    ];
    for (what, apart, sent, answer, expected) in cases {
        let (times, excess) = after(20_000, apart, &sent, answer);
        assert_eq!(excess.map(|excess| (times, excess)), expected, "{what}");
    }
    // One WINDOW_UPDATE after the other for nothing, and one for each KiB of one large answer, all at once.
    assert_eq!(after(2_000, AT_ONCE, &window, &[]), (1_001, Some(Cut::Frames)));
    let start = Instant::now();
    let mut guard = Guard::new(100, start);
    guard.sent(&frame(DATA, 0, 1, &[0; 16_384]).repeat(250), || start);
    guard.received(&[0; PREFACE as usize], || start);
    guard.received(&window.repeat(4_000), || start);
    assert_eq!(guard.excess(), None);
}

#[test]
fn a_frame_against_the_rules_ends_the_connection_with_its_code() {
    let cases: [(&str, Vec<u8>, Option<u8>); 12] = [
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0; 4]), Some(FRAME_SIZE_ERROR)),
        ("a whole PRIORITY", frame(PRIORITY, 0, 1, &[0; 5]), None),
        ("RST_STREAM", frame(RST_STREAM, 0, 1, &[0; 3]), Some(FRAME_SIZE_ERROR)),
        ("PING", frame(PING, 0, 0, &[0; 6]), Some(FRAME_SIZE_ERROR)),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), Some(FRAME_SIZE_ERROR)),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0; 3]), Some(FRAME_SIZE_ERROR)),
        ("an answer to SETTINGS", frame(SETTINGS, ACK, 0, &[]), None),
        ("one with settings", frame(SETTINGS, ACK, 0, &[0; 6]), Some(FRAME_SIZE_ERROR)),
        ("a window", frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 255, 255, 255]), None),
        ("a window too large", frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]), Some(FLOW_CONTROL_ERROR)),
        ("another large setting", frame(SETTINGS, 0, 0, &[0, 6, 0xff, 0, 0, 0]), None),
        ("a promise", frame(PUSH_PROMISE, 4, 1, &[0; 5]), Some(PROTOCOL_ERROR)),
    ];
    for (what, bytes, expected) in cases {
        let now = Instant::now();
        let mut guard = Guard::new(100, now);
        guard.received(&[0; PREFACE as usize], || now);
        guard.received(&bytes, || now);
        let said = guard.excess().map(|why| (why, guard.go_away().unwrap()[16]));
        assert_eq!(said, expected.map(|code| (Cut::Malformed, code)), "{what}");
    }
}

#[test]
fn a_header_block_is_open_until_its_last_byte() {
    let now = Instant::now();
    let mut guard = Guard::new(100, now);
    guard.received(&[0; PREFACE as usize], || now);
    let block = [frame(HEADERS, 1, 3, b"ab"), frame(CONTINUATION, 4, 3, b"cd"), frame(DATA, 1, 3, b"e")].concat();
    let open: Vec<bool> = (0..block.len())
        .map(|at| {
            guard.received(&block[at..=at], || now);
            guard.waits_for_headers()
        })
        .collect();
    // From the end of the first frame's header to the end of the second frame.
    let expected: Vec<bool> = (0..block.len()).map(|at| (8..21).contains(&at)).collect();
    assert_eq!(open, expected);
}

#[test]
fn goodbye_is_said_between_frames_only() {
    let now = Instant::now();
    let mut guard = Guard::new(100, now);
    guard.received(&[0; PREFACE as usize], || now);
    guard.received(&[frame(HEADERS, 5, 7, b"a"), frame(HEADERS, 5, 5, b"a")].concat(), || now);
    let mut expected = frame(7, 0, 0, &[0, 0, 0, 7, 0, 0, 0, 11]);
    assert_eq!(guard.go_away().map(Vec::from), Some(std::mem::take(&mut expected)));
    guard.sent(&frame(DATA, 0, 5, b"half")[..11], || now);
    assert_eq!(guard.go_away(), None);
}
