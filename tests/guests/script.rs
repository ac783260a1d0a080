//! What `obeys` is told to do, as bytes. One reader for the guest and for `tests/fuzz`, which judges what becomes of it.

/// One edit: what kind, of which name and value, and how often.
#[derive(Debug)]
pub struct Edit {
    pub kind: u8,
    pub name: String,
    pub value: String,
    pub times: usize,
}

/// Three bytes of the answer, then edits: a byte of their kind (with bits for a long value, a character above U+00FF, many times),
/// two of lengths, and name and value, each byte a character.
pub fn read(script: &[u8]) -> Option<([u8; 3], Vec<Edit>)> {
    let (answer, mut rest) = script.split_first_chunk::<3>()?;
    let mut edits = Vec::new();
    while let [kind, name, value, more @ ..] = rest {
        let (name, more) = more.split_at(more.len().min(usize::from(*name)));
        let (value, more) = more.split_at(more.len().min(usize::from(*value)));
        let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
        let mut value = text(value);
        if kind & 0x80 != 0 {
            value = value.repeat(200);
        }
        if kind & 0x20 != 0 {
            value.push('\u{100}');
        }
        edits.push(Edit { kind: kind & 7, name: text(name), value, times: if kind & 0x40 != 0 { 70 } else { 1 } });
        rest = more;
    }
    Some((*answer, edits))
}
