//! The guard of HTTP/2: however bytes are cut, it gives the same verdict, and it is that of a slow one, which keeps all bytes and
//! looks at whole frames.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use sluice_fuzz::{PLANTED, cut};
use sluice_gateway::observe::Cut;
use sluice_gateway::server::guard::Frames;

/// Few enough that an input can hold more.
const RESETS: u32 = 5;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes in one direction, all at one time.
struct Part<'a> {
    to_client: bool,
    after: Duration,
    bytes: Vec<u8>,
    cuts: &'a [u8],
}

/// Parts: a byte of the direction (lowest bit) and of time in units of 250 ms; how often what follows is repeated; its length; two lengths of
/// pieces; and so many bytes.
fn parts(mut data: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    while let [how, times, length, rest @ ..] = data {
        let (cuts, rest) = rest.split_at(rest.len().min(2));
        let (bytes, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        let after = Duration::from_millis(250 * u64::from(how >> 1));
        parts.push(Part { to_client: how & 1 != 0, after, bytes: bytes.repeat(usize::from(*times) + 1), cuts });
        data = rest;
    }
    parts
}

fn check(data: &[u8]) {
    let start = Instant::now();
    let (mut whole, mut pieces) = (Frames::new(RESETS, start), Frames::new(RESETS, start));
    for frames in [&mut whole, &mut pieces] {
        frames.received(PREFACE, || start);
    }
    let mut slow = Slow::new(start);
    let mut now = start;
    for part in parts(data) {
        now += part.after;
        if part.to_client {
            whole.sent(&part.bytes, || now);
            cut::pieces(&part.bytes, part.cuts).into_iter().for_each(|piece| pieces.sent(piece, || now));
        } else {
            whole.received(&part.bytes, || now);
            cut::pieces(&part.bytes, part.cuts).into_iter().for_each(|piece| pieces.received(piece, || now));
        }
        slow.look(part.to_client, &part.bytes, now);
        let verdict = |frames: &Frames| (frames.excess(), frames.go_away(), frames.waits_for_headers());
        assert_eq!(verdict(&whole), verdict(&pieces));
        let (excess, code, last) =
            (slow.excess.map(|(why, _)| why), slow.excess.map_or(11, |(_, code)| code), slow.last);
        let goodbye = slow.out.is_empty().then(|| {
            let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
            frame.extend(last.to_be_bytes());
            frame.extend(u32::from(code).to_be_bytes());
            frame
        });
        let said = whole.go_away().map(Vec::from);
        assert_eq!((whole.excess(), said, whole.waits_for_headers()), (excess, goodbye, slow.waits()));
        if excess.is_some() {
            return;
        }
    }
}

/// The same rules over whole frames.
struct Slow {
    received: Vec<u8>,
    out: Vec<u8>,
    /// Of the first frame in each, whether it was counted.
    counted: [bool; 2],
    debt: i64,
    forgiven: Instant,
    start: Instant,
    resets: Vec<Instant>,
    block: (bool, bool),
    last: u32,
    excess: Option<(Cut, u8)>,
}

impl Slow {
    fn new(now: Instant) -> Self {
        Self {
            received: Vec::new(),
            out: Vec::new(),
            counted: [false; 2],
            debt: 0,
            forgiven: now,
            start: now,
            resets: Vec::new(),
            block: (false, false),
            last: 0,
            excess: None,
        }
    }

    /// A frame counts once its header has come, and of some the beginning of the payload.
    fn look(&mut self, to_client: bool, bytes: &[u8], now: Instant) {
        let mut all = std::mem::take(if to_client { &mut self.out } else { &mut self.received });
        all.extend_from_slice(bytes);
        while all.len() >= 9 {
            let length = usize::from(all[0]) << 16 | usize::from(all[1]) << 8 | usize::from(all[2]);
            let (kind, flags, payload) = (all[3], all[4], &all[9..]);
            let needed = match kind {
                4 => length.min(6),
                3 => length.min(4),
                0 if flags & 8 != 0 => length.min(1),
                _ => 0,
            };
            let counted = &mut self.counted[usize::from(to_client)];
            if !*counted && payload.len() < needed {
                break;
            }
            if !std::mem::replace(counted, true) {
                let frame = all[..9 + needed].to_vec();
                if to_client { self.sent(&frame, length, now) } else { self.came(&frame, length, now) }
            }
            if all.len() < 9 + length {
                break;
            }
            all.drain(..9 + length);
            self.counted[usize::from(to_client)] = false;
        }
        *(if to_client { &mut self.out } else { &mut self.received }) = all;
    }

    fn came(&mut self, frame: &[u8], length: usize, now: Instant) {
        let (kind, flags, lead) = (frame[3], frame[4], &frame[9..]);
        self.block.0 = false;
        let is_sized = match kind {
            2 => length == 5,
            3 | 8 => length == 4,
            6 => length == 8,
            4 => length % 6 == 0 && (flags & 1 == 0 || length == 0),
            _ => true,
        };
        let is_window = kind == 4 && lead.len() == 6 && lead[..2] == [0, 4] && lead[2] >= 0x80;
        let fault = match () {
            () if !is_sized => Some(6),
            () if kind == 5 => Some(1),
            () => is_window.then_some(3),
        };
        if let Some(code) = fault {
            self.excess.get_or_insert((Cut::Malformed, code));
        }
        match kind {
            0 if flags & 1 == 0 => {
                let padding =
                    if flags & 8 != 0 { 1 + lead.first().map_or(0, |padding| usize::from(*padding)) } else { 0 };
                match length.saturating_sub(padding) {
                    0 => self.owes(10, now),
                    1..5 => self.owes(1, now),
                    _ => {}
                }
            }
            0 => {}
            1 | 9 => {
                self.block = (true, flags & 4 == 0);
                if kind == 1 {
                    let stream = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]) & 0x7fff_ffff;
                    self.last = self.last.max(stream);
                    self.debt = (self.debt - 4).max(-4_000);
                }
            }
            3 => self.was_reset(now),
            4 => self.owes(10, now),
            _ => self.owes(1, now),
        }
    }

    fn sent(&mut self, frame: &[u8], length: usize, now: Instant) {
        match (frame[3], &frame[9..]) {
            (0, _) if length > 0 => self.debt = (self.debt - 4 - (length / 1024) as i64).max(-4_000),
            (3, [0, 0, 0, 1 | 3 | 5 | 6]) => self.was_reset(now),
            _ => {}
        }
    }

    fn owes(&mut self, amount: i64, now: Instant) {
        self.debt += amount;
        if self.debt > 1_000 {
            let forgiven = (now - self.forgiven).as_millis() as i64 / 50;
            if forgiven > 0 {
                self.forgiven = now;
                self.debt = (self.debt - forgiven).max(0);
            }
        }
        let most = if PLANTED { 1_003 } else { 1_000 };
        if self.debt > most {
            self.excess.get_or_insert((Cut::Frames, 11));
        }
    }

    /// More than so many in thirty seconds, of which those of the period before count by what is left of it.
    fn was_reset(&mut self, now: Instant) {
        self.resets.push(now);
        if recently(self.start, &self.resets) > u64::from(RESETS) {
            self.excess.get_or_insert((Cut::Resets, 11));
        }
    }

    fn waits(&self) -> bool {
        self.block.1 || self.block.0 && self.counted[0]
    }
}

/// How many these are at the time of the last one: periods of thirty seconds, one after the other from the start on, or from the first
/// event after a whole one without any.
fn recently(start: Instant, times: &[Instant]) -> u64 {
    const SPAN: Duration = Duration::from_secs(30);
    let (mut began, mut now, mut before) = (start, 0_u64, 0_u64);
    for time in times {
        while *time - began >= SPAN {
            if *time - began >= 2 * SPAN {
                (began, before, now) = (*time, 0, 0);
            } else {
                (began, before, now) = (began + SPAN, now, 0);
            }
        }
        now += 1;
    }
    let left = SPAN.saturating_sub(*times.last().expect("one at least") - began);
    now + before * left.as_millis() as u64 / 30_000
}

fuzz_target!(|data: &[u8]| check(data));
