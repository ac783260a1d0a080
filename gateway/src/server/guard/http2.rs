//! HTTP/2's half of the guard: counts what crosses a connection by the headers of its frames, and says when a client asks
//! for more work than it brings. What frames mean is hyper's; payloads are skipped, nothing is kept, copied or allocated.
//!
//! One rule for all floods: a frame that brings neither a request nor data runs up a debt, and what is served pays it off.
//! Resets have a rule of their own, since each throws a request away that was already being worked on.

use std::time::Instant;

use super::recently::Recently;
use super::walk::{DATA, Frame, RST_STREAM, SETTINGS, Walk};
use crate::observe::Cut;

/// How an HTTP/2 connection begins (RFC 9113 §3.4), bytes.
const PREFACE: u32 = 24;

/// Other kinds of frames than those that the walk knows.
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const ACK: u8 = 0x1;

/// Why a connection ends, by its number (RFC 9113 §7).
const PROTOCOL_ERROR: u8 = 1;
const FLOW_CONTROL_ERROR: u8 = 3;
const FRAME_SIZE_ERROR: u8 = 6;
const ENHANCE_YOUR_CALM: u8 = 11;

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
pub struct Guard {
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
    /// What is said of it.
    code: u8,
}

impl Guard {
    /// For a connection that begins `now`; `most_resets` in thirty seconds.
    pub fn new(most_resets: u32, now: Instant) -> Self {
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
            code: ENHANCE_YOUR_CALM,
        }
    }

    /// Bytes from the client, in order. The clock is read only for frames that a client seldom sends.
    pub fn received(&mut self, mut bytes: &[u8], clock: impl Fn() -> Instant) {
        while let Some(frame) = self.incoming.next(&mut bytes) {
            self.in_block = false;
            if let Some(code) = frame.fault()
                && self.excess.is_none()
            {
                (self.excess, self.code) = (Some(Cut::Malformed), code);
            }
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
    pub fn sent(&mut self, mut bytes: &[u8], clock: impl Fn() -> Instant) {
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
    pub fn waits_for_headers(&self) -> bool {
        self.continues || (self.in_block && self.incoming.is_in_payload())
    }

    /// What was too much; nothing that comes later is of interest then.
    pub fn excess(&self) -> Option<Cut> {
        self.excess
    }

    /// GOAWAY (RFC 9113 §6.8), if it can be said now: not in the middle of another frame.
    pub fn go_away(&self) -> Option<[u8; 17]> {
        let [a, b, c, d] = self.last_stream.to_be_bytes();
        let frame = [0, 0, 8, 7, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, self.code];
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
        matches!(self.lead, [0, 0, 0, 1 | 3 | 5 | 6, ..])
    }

    /// The code that goes with a frame whose length, kind or first setting is against the rules (RFC 9113 §6): hyper would end
    /// the connection too, but call each PROTOCOL_ERROR, and let PUSH_PROMISE pass.
    fn fault(&self) -> Option<u8> {
        let is_sized = match self.kind {
            PRIORITY => self.length == 5,
            RST_STREAM | WINDOW_UPDATE => self.length == 4,
            PING => self.length == 8,
            SETTINGS if self.flags & ACK != 0 => self.length == 0,
            SETTINGS => self.length.is_multiple_of(6),
            _ => true,
        };
        match (self.kind, self.lead) {
            _ if !is_sized => Some(FRAME_SIZE_ERROR),
            (PUSH_PROMISE, _) => Some(PROTOCOL_ERROR),
            // INITIAL_WINDOW_SIZE above 2^31 - 1.
            (SETTINGS, [0, 4, 0x80..=0xff, ..]) => Some(FLOW_CONTROL_ERROR),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
