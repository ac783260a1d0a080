//! One text in many pieces: whatever comes in over a network comes in like that.

/// The text in pieces whose lengths are those of `lengths`, over and over; 0 counts as 256.
pub fn pieces<'a>(mut text: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut lengths = lengths.iter().map(|length| if *length == 0 { 256 } else { usize::from(*length) }).cycle();
    while !text.is_empty() {
        let (piece, rest) = text.split_at(lengths.next().unwrap_or(usize::MAX).min(text.len()));
        pieces.push(piece);
        text = rest;
    }
    pieces
}

/// So many bytes from the front of the input, which is behind them then; zeros where it is shorter.
pub fn options<const COUNT: usize>(data: &mut &[u8]) -> [u8; COUNT] {
    let mut options = [0; COUNT];
    let (some, rest) = data.split_at(COUNT.min(data.len()));
    options[..some.len()].copy_from_slice(some);
    *data = rest;
    options
}
