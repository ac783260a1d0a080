//! HTTP/2's half of the guard: counts what crosses a connection by the headers of its frames, and says when a client asks
//! for more work than it brings. What frames mean is hyper's; payloads are skipped, nothing is kept, copied or allocated.
//!
//! One rule for all floods: a frame that brings neither a request nor data runs up a debt, and what is served pays it off.
//! Resets have a rule of their own, since each throws a request away that was already being worked on.

use std::time::Instant;

use super::recently::Recently;
use super::walk::{Frame, Walk};
use crate::observe::Cut;

/// How an HTTP/2 connection begins (RFC 9113 §3.4), bytes.
const PREFACE: u32 = 24;

/// Frames, by their numbers (RFC 9113 §6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// Frames that bring nothing, that a client may be ahead by. As many as Envoy (`max_outbound_control_frames`) and nghttp2
/// (`max_outbound_ack`) let wait.
const CREDIT: i32 = 1_000;
/// So much of it comes back with time: a client that only keeps its connection alive, or measures it, is no flood.
const FORGIVEN_PER_SECOND: u128 = 20;
/// What a client can be ahead by what it was served. An answer in small pieces may be acknowledged at once and late.
const SAVED: i32 = 4_000;
/// What a request pays for: older browsers describe its priority in frames of its own.
const PER_REQUEST: i32 = 4;
/// What each DATA frame to the client pays for: a WINDOW_UPDATE for the stream and one for the connection, a PING that
/// measures (gRPC), and one more; Envoy allows ten. Large ones are paid by their length besides.
const PER_DATA: i32 = 4;
const PER_DATA_BYTES: u32 = 1024;

/// SETTINGS make hyper look at each of a hundred streams, and are answered.
const SETTINGS_COST: i32 = 10;
/// DATA without anything in it and without an end: no client needs it. h2 ends it at a hundred by itself, as this does.
const EMPTY_COST: i32 = 10;
/// DATA shorter than this brings nothing worth its header; the shortest message of gRPC is five bytes long.
const TINY: u32 = 5;

/// What is known of one connection.
#[derive(Debug)]
pub(in crate::server) struct Guard {
    incoming: Walk,
    outgoing: Walk,
    /// Frames that brought nothing, less what was served since; below zero: served ahead.
    debt: i32,
    /// Until when time has paid.
    forgiven: Instant,
    resets: Recently,
    most_resets: u32,
    /// The last frame from the client was part of a header block.
    in_block: bool,
    /// And another one has to follow.
    continues: bool,
    /// The highest stream that the client has begun.
    last_stream: u32,
    excess: Option<Cut>,
}

impl Guard {
    /// For a connection that begins `now`; `most_resets` in thirty seconds.
    pub(in crate::server) fn new(most_resets: u32, now: Instant) -> Self {
        Self {
            incoming: Walk::behind(PREFACE),
            outgoing: Walk::default(),
            debt: 0,
            forgiven: now,
            resets: Recently::new(now),
            most_resets,
            in_block: false,
            continues: false,
            last_stream: 0,
            excess: None,
        }
    }

    /// Bytes from the client, in order. The clock is read only for frames that a client seldom sends.
    pub(in crate::server) fn received(&mut self, mut bytes: &[u8], clock: impl Fn() -> Instant) {
        while let Some(frame) = self.incoming.next(&mut bytes) {
            self.in_block = false;
            match frame.kind {
                DATA if frame.flags & END_STREAM == 0 => match frame.content() {
                    0 => self.owes(EMPTY_COST, &clock),
                    1..TINY => self.owes(1, &clock),
                    _ => {}
                },
                DATA => {}
                HEADERS | CONTINUATION => {
                    self.in_block = true;
                    self.continues = frame.flags & END_HEADERS == 0;
                    if frame.kind == HEADERS {
                        self.last_stream = self.last_stream.max(frame.stream);
                        self.pays(PER_REQUEST);
                    }
                }
                RST_STREAM => self.was_reset(&clock),
                SETTINGS => self.owes(SETTINGS_COST, &clock),
                _ => self.owes(1, &clock),
            }
        }
    }

    /// Bytes to the client, in order.
    pub(in crate::server) fn sent(&mut self, mut bytes: &[u8], clock: impl Fn() -> Instant) {
        while let Some(frame) = self.outgoing.next(&mut bytes) {
            match frame.kind {
                DATA if frame.length > 0 => {
                    // A frame is shorter than 16 MiB, so this is too.
                    self.pays(PER_DATA + (frame.length / PER_DATA_BYTES) as i32);
                }
                RST_STREAM if frame.is_clients_fault() => self.was_reset(&clock),
                _ => {}
            }
        }
    }

    /// True while a header block has begun and is not complete.
    pub(in crate::server) fn waits_for_headers(&self) -> bool {
        self.continues || (self.in_block && self.incoming.is_in_payload())
    }

    /// What was too much; nothing that comes later is of interest then.
    pub(in crate::server) fn excess(&self) -> Option<Cut> {
        self.excess
    }

    /// GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 §6.8), if it can be said now: not in the middle of another frame.
    pub(in crate::server) fn go_away(&self) -> Option<[u8; 17]> {
        let [a, b, c, d] = self.last_stream.to_be_bytes();
        let frame = [0, 0, 8, 7, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, 11];
        self.outgoing.is_between_frames().then_some(frame)
    }

    fn pays(&mut self, amount: i32) {
        self.debt = self.debt.saturating_sub(amount).max(-SAVED);
    }

    fn owes(&mut self, amount: i32, clock: impl Fn() -> Instant) {
        self.debt = self.debt.saturating_add(amount);
        if self.debt <= CREDIT {
            return;
        }
        let now = clock();
        let forgiven = now.saturating_duration_since(self.forgiven).as_millis() * FORGIVEN_PER_SECOND / 1_000;
        if forgiven > 0 {
            self.forgiven = now;
            self.debt = self.debt.saturating_sub(i32::try_from(forgiven).unwrap_or(i32::MAX)).max(0);
        }
        if self.debt > CREDIT {
            self.excess.get_or_insert(Cut::Frames);
        }
    }

    fn was_reset(&mut self, clock: impl Fn() -> Instant) {
        if self.resets.count(clock()) > self.most_resets {
            self.excess.get_or_insert(Cut::Resets);
        }
    }
}

impl Frame {
    /// True for RST_STREAM with a code that says that the client broke a rule: PROTOCOL_ERROR, FLOW_CONTROL_ERROR,
    /// STREAM_CLOSED, FRAME_SIZE_ERROR (RFC 9113 §7).
    fn is_clients_fault(&self) -> bool {
        matches!(u32::from_be_bytes(self.lead), 1 | 3 | 5 | 6)
    }
}

#[cfg(test)]
mod tests {
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
}
