//! From one frame of HTTP/2 to the next: reads headers out of a stream of bytes, however they are cut, and skips the rest.

/// Length of a frame's header (RFC 9113 §4.1).
const HEADER: u8 = 9;
/// Of some frames the beginning of the payload matters too: the code of RST_STREAM, the padding of DATA, the first setting.
const LEAD: u8 = 6;

/// Kinds of frames, by their numbers (RFC 9113 §6).
pub(super) const DATA: u8 = 0;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
const PADDED: u8 = 0x8;

/// A frame, as far as it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Of its payload, bytes.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// 0: the connection.
    pub(super) stream: u32,
    /// How its payload begins: SETTINGS six bytes, RST_STREAM four, padded DATA one, others none.
    pub(super) lead: [u8; LEAD as usize],
}

impl Frame {
    /// Bytes of DATA without their padding.
    pub(super) fn content(&self) -> u32 {
        let padding = if self.flags & PADDED == 0 { 0 } else { 1 + u32::from(self.lead[0]) };
        self.length.saturating_sub(padding)
    }
}

/// Where in a stream of frames one is.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// A header that has begun, with its lead.
    begun: [u8; (HEADER + LEAD) as usize],
    /// Bytes of it.
    have: u8,
    /// Bytes until the next header.
    skip: u32,
}

impl Walk {
    /// Frames begin behind so many bytes.
    pub(super) fn behind(bytes: u32) -> Self {
        Self { skip: bytes, ..Self::default() }
    }

    /// True where the next byte begins a frame.
    pub(super) fn is_between_frames(&self) -> bool {
        self.have == 0 && self.skip == 0
    }

    /// True where the next byte belongs to a frame whose header is known.
    pub(super) fn is_in_payload(&self) -> bool {
        self.skip > 0
    }

    /// The next frame whose beginning is in `bytes`, which become what lies behind it; none: all are used up.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        let skipped = bytes.len().min(self.skip as usize);
        bytes.split_off(..skipped)?;
        self.skip -= skipped as u32;
        if self.skip > 0 {
            return None;
        }
        self.collect(HEADER, bytes)?;
        let [a, b, c, kind, flags, s, t, u, v, lead @ ..] = self.begun;
        let length = u32::from_be_bytes([0, a, b, c]);
        let lead_length = match kind {
            SETTINGS => length.min(6) as u8,
            RST_STREAM => length.min(4) as u8,
            DATA if flags & PADDED != 0 => length.min(1) as u8,
            _ => 0,
        };
        let lead = if lead_length > 0 {
            self.collect(HEADER + lead_length, bytes)?;
            let [_, _, _, _, _, _, _, _, _, lead @ ..] = self.begun;
            lead
        } else {
            lead
        };
        self.have = 0;
        self.begun = Default::default();
        self.skip = length - u32::from(lead_length);
        Some(Frame { length, kind, flags, stream: u32::from_be_bytes([s & 0x7f, t, u, v]), lead })
    }

    /// Fills up to so many bytes; none: there were fewer.
    fn collect(&mut self, wanted: u8, bytes: &mut &[u8]) -> Option<()> {
        let missing = usize::from(wanted.saturating_sub(self.have));
        let part = bytes.split_off(..missing.min(bytes.len()))?;
        let have = usize::from(self.have);
        self.begun.get_mut(have..have + part.len())?.copy_from_slice(part);
        self.have += part.len() as u8;
        (part.len() == missing).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame on the wire.
    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn walked(mut walk: Walk, parts: &[&[u8]]) -> (Vec<Frame>, bool) {
        let mut frames = Vec::new();
        for part in parts {
            let mut bytes = *part;
            while let Some(frame) = walk.next(&mut bytes) {
                frames.push(frame);
            }
            assert!(bytes.is_empty());
        }
        (frames, walk.is_between_frames())
    }

    #[test]
    fn frames_are_the_same_however_they_are_cut() {
        let mut bytes = b"PRI".to_vec();
        bytes.extend(frame(4, 0, 0, &[0, 4, 0, 1, 2, 3, 0, 5, 0, 0, 0, 1]));
        bytes.extend(frame(1, 5, 1, &[7; 300]));
        bytes.extend(frame(3, 0, 0x8000_0001, &[0, 0, 0, 8]));
        bytes.extend(frame(0, 8, 3, &[2, 65, 0, 0]));
        bytes.extend(frame(0, 8, 3, &[]));
        bytes.extend(frame(3, 0, 3, &[9]));
        bytes.extend(frame(0, 1, 3, b"end"));
        let whole = walked(Walk::behind(3), &[&bytes]);
        let shape: Vec<_> = whole.0.iter().map(|frame| (frame.kind, frame.length, frame.stream, frame.lead)).collect();
        let none = [0; 6];
        let expected = [
            (4, 12, 0, [0, 4, 0, 1, 2, 3]),
            (1, 300, 1, none),
            (3, 4, 1, [0, 0, 0, 8, 0, 0]),
            (0, 4, 3, [2, 0, 0, 0, 0, 0]),
            (0, 0, 3, none),
            (3, 1, 3, [9, 0, 0, 0, 0, 0]),
            (0, 3, 3, none),
        ];
        assert_eq!(shape, expected);
        assert!(whole.1);
        assert_eq!(whole.0[3].content(), 1);
        for first in 0..bytes.len() {
            let (one, other) = bytes.split_at(first);
            assert_eq!(walked(Walk::behind(3), &[one, other]), whole, "cut at {first}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(walked(Walk::behind(3), &single), whole);
    }

    #[test]
    fn the_middle_of_a_frame_is_not_between_frames() {
        let bytes = frame(0, 0, 1, b"four");
        for cut in 0..=bytes.len() {
            let (_, between) = walked(Walk::default(), &[&bytes[..cut]]);
            assert_eq!(between, cut == 0 || cut == bytes.len(), "{cut}");
        }
    }
}
