//! Which bytes may stand where.

/// `tchar` of RFC 9110 §5.6.2.
pub(super) const TOKEN: u8 = 1;
/// What the path of a target may have unescaped; the rules of `message::target` are for what it means.
pub(super) const PATH: u8 = 2;
/// The same for its query.
pub(super) const QUERY: u8 = 4;
/// Names and addresses of hosts, without ports and brackets.
pub(super) const HOST: u8 = 8;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte: u8 = 0x21;
    while byte < 0x7f {
        let alphanumeric = byte.is_ascii_alphanumeric();
        let token = alphanumeric
            || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+')
            || matches!(byte, b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        // As `http::Uri` has it, so that hyper never finds a fault here that was not found before.
        let path = !matches!(byte, b'#' | b'<' | b'>' | b'?' | b'`');
        let query = !matches!(byte, b'"' | b'#' | b'<' | b'>');
        let host = alphanumeric || matches!(byte, b'-' | b'.' | b'_');
        let class = (token as u8 * TOKEN) | (path as u8 * PATH) | (query as u8 * QUERY) | (host as u8 * HOST);
        // A constant has no `get_mut`.
        #[allow(clippy::indexing_slicing, reason = "a byte is below 256")]
        {
            classes[byte as usize] = class;
        }
        byte += 1;
    }
    classes
};

/// Whether a byte is of that class.
#[inline]
pub(super) fn is(class: u8, byte: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|found| found & class != 0)
}

/// What a value may have besides what is visible: RFC 9110 §5.5, §5.6.3.
pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// How many bytes there are before the first that is not of that class.
#[inline]
pub(super) fn run(class: u8, bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !is(class, *byte)).unwrap_or(bytes.len())
}

/// How many bytes there are before the first control byte, tabs among them (RFC 9110 §5.5), eight at a time.
#[inline]
pub(super) fn value_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let delete = word ^ (ONES * 0x7f);
        // The highest bit of each byte that is below 0x20, or 0x7f. A borrow makes more of them, above the first one only.
        let low = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (low | (delete.wrapping_sub(ONES) & !delete)) & (ONES * 0x80);
        if found != 0 {
            return number * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let control = rest.iter().position(|byte| byte.is_ascii_control());
    words.len() * 8 + control.unwrap_or(rest.len())
}

/// The beginning of a short word whose end has not come yet. Longer ones are nothing that anybody looks for.
#[derive(Debug, Default)]
pub(super) struct Word {
    bytes: [u8; Word::LONGEST],
    /// One more than fit: too long.
    length: u8,
}

impl Word {
    /// `transfer-encoding`.
    const LONGEST: usize = 17;

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn push(&mut self, more: &[u8]) {
        let start = usize::from(self.length);
        match self.bytes.get_mut(start..start + more.len()) {
            Some(room) => {
                room.copy_from_slice(more);
                self.length += more.len() as u8;
            }
            None => self.length = Self::LONGEST as u8 + 1,
        }
    }

    /// The whole word that ends with `end`, and a new beginning; none if it is longer than what is looked for.
    #[inline]
    pub(super) fn with<T>(&mut self, end: &[u8], look: impl FnOnce(Option<&[u8]>) -> T) -> T {
        if self.length == 0 {
            return look(Some(end));
        }
        self.push(end);
        let found = look(self.bytes.get(..usize::from(self.length)));
        self.length = 0;
        found
    }

    /// Whether these bytes may be a character of UTF-8; a whole one is forgotten.
    pub(super) fn may_be_character(&mut self) -> bool {
        match std::str::from_utf8(self.bytes.get(..usize::from(self.length)).unwrap_or_default()) {
            Ok(_) => self.length = 0,
            Err(error) => return error.error_len().is_none(),
        }
        true
    }
}
