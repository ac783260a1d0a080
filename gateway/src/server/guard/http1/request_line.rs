//! The first line of a request: `method target version` (RFC 9112 §3).

use super::classes::{HOST, PATH, QUERY, TOKEN, Word, is, run};
use super::{BARE_CR, Step};
use crate::message::target::TargetError;
use crate::proxy::headers::Refusal;

/// The longest method: the IANA registry has none above 17, unknown ones are passed on.
const METHOD_MOST: usize = 32;
/// Colons between the brackets of an IPv6 address: `1:2:3:4:5:6:7::`.
const COLONS_MOST: usize = 8;

const NO_METHOD: Refusal = Refusal::Syntax("the method is no token");
const NO_VERSION: Refusal = Refusal::Syntax("the request line does not end with a version of HTTP");
const BAD_BYTE: Refusal = Refusal::Target(TargetError::Byte);

/// A request line as it comes in.
#[derive(Debug)]
pub(super) struct RequestLine {
    at: At,
    /// Bytes that it may still have, its end included.
    left: usize,
    /// Length of the method; position in the scheme or the version; colons of an address.
    count: usize,
    /// The method; then what has come of a character above ASCII.
    word: Word,
    /// HTTP/1.0.
    pub(super) is_old: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// One empty line is passed over (RFC 9112 §2.2).
    Begin,
    BlankEnd,
    AfterBlank,
    Method,
    Target,
    Star,
    Scheme,
    HostBegin,
    Host,
    Address,
    AddressEnd,
    Port,
    Path,
    Query,
    Version,
    End,
    Done,
}

impl RequestLine {
    /// One of so many bytes at most, without its end.
    pub(super) fn new(most: usize) -> Self {
        Self { at: At::Begin, left: most.saturating_add(2), count: 0, word: Word::default(), is_old: false }
    }

    /// True once its first byte has come.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.at, At::Begin | At::BlankEnd | At::AfterBlank)
    }

    /// Its bytes so far, of so many at most.
    pub(super) fn length(&self, most: usize) -> usize {
        most.saturating_add(2) - self.left
    }

    /// Looks at more bytes. A minor version above 1 becomes 1, which is what it is to be taken for (RFC 9110 §2.5).
    pub(super) fn scan(&mut self, bytes: &mut [u8]) -> Result<Step, Refusal> {
        let mut seen = 0;
        while let Some(rest) = bytes.get_mut(seen..).filter(|rest| !rest.is_empty()) {
            let most = rest.len().min(self.left);
            let (rest, _) = rest.split_at_mut(most);
            let (many, next) = match self.at {
                At::Method => self.method(rest)?,
                At::Host => self.beyond(HOST, rest)?,
                At::Path => self.beyond(PATH, rest)?,
                At::Query => self.beyond(QUERY, rest)?,
                _ => self.byte(rest.first_mut().ok_or(Refusal::TargetTooLong)?)?,
            };
            if next != self.at {
                (self.at, self.count) = (next, 0);
            }
            seen += many;
            self.left -= many;
            match next {
                At::Done => return Ok(Step { seen, done: true }),
                // The empty line is none of its bytes.
                At::AfterBlank if many > 0 => self.left += 2,
                _ => {}
            }
        }
        Ok(Step { seen, done: false })
    }

    fn method(&mut self, rest: &[u8]) -> Result<(usize, At), Refusal> {
        let many = run(TOKEN, rest);
        self.count += many;
        if self.count > METHOD_MOST {
            return Err(Refusal::Syntax("the method is too long"));
        }
        let (name, rest) = rest.split_at(many);
        match rest.first() {
            None => self.word.push(name),
            // What comes behind its head is no HTTP, so that its target is not looked at either.
            Some(b' ') if self.word.with(name, |name| name == Some(b"CONNECT")) => return Err(Refusal::Connect),
            Some(b' ') => return Ok((many + 1, At::Target)),
            Some(_) => return Err(NO_METHOD),
        }
        Ok((many, At::Method))
    }

    /// A run of bytes of that class, and the one behind it.
    fn beyond(&mut self, class: u8, rest: &[u8]) -> Result<(usize, At), Refusal> {
        let many = if self.word.is_empty() { run(class, rest) } else { 0 };
        match rest.get(many) {
            Some(byte) => Ok((many + 1, self.end_of_run(*byte)?)),
            None if rest.is_empty() => Err(Refusal::TargetTooLong),
            None => Ok((many, self.at)),
        }
    }

    fn end_of_run(&mut self, byte: u8) -> Result<At, Refusal> {
        match (self.at, byte) {
            (At::Path | At::Query, byte) if !byte.is_ascii() || !self.word.is_empty() => {
                self.word.push(&[byte]);
                if self.word.may_be_character() { Ok(self.at) } else { Err(BAD_BYTE) }
            }
            (_, b' ') => Ok(At::Version),
            (_, b'\r' | b'\n') => Err(NO_VERSION),
            (At::Path, b'?') => Ok(At::Query),
            (At::Path | At::Query, b'#') => Err(Refusal::Target(TargetError::Fragment)),
            (At::Path | At::Query, _) => Err(BAD_BYTE),
            (_, b'/') => Ok(At::Path),
            (_, b'?') => Ok(At::Query),
            (At::Host | At::AddressEnd, b':') => Ok(At::Port),
            _ => Err(Refusal::HostMalformed),
        }
    }

    /// All that is not worth looking for a run.
    fn byte(&mut self, byte: &mut u8) -> Result<(usize, At), Refusal> {
        let next = match (self.at, *byte) {
            (At::Begin, b'\r') => At::BlankEnd,
            (At::BlankEnd, b'\n') => At::AfterBlank,
            (At::Begin | At::AfterBlank, byte) if is(TOKEN, byte) => return Ok((0, At::Method)),
            (At::Begin | At::AfterBlank, _) => return Err(NO_METHOD),
            (At::Target, b'/') => At::Path,
            (At::Target, b'*') => At::Star,
            (At::Target, b'h' | b'H') => return Ok((0, At::Scheme)),
            (At::Star, b' ') => At::Version,
            (At::Scheme, byte) => self.scheme(byte)?,
            (At::HostBegin, b'[') => At::Address,
            (At::HostBegin, byte) if is(HOST, byte) => At::Host,
            (At::Address, byte) => self.address(byte)?,
            (At::Port, byte) if byte.is_ascii_digit() => At::Port,
            (At::AddressEnd | At::Port, byte) => self.end_of_run(byte)?,
            (At::Version, _) => self.version(byte)?,
            (At::End, b'\n') => At::Done,
            (At::BlankEnd | At::End, _) => return Err(BARE_CR),
            (At::HostBegin, _) => return Err(Refusal::HostMalformed),
            _ => return Err(Refusal::TargetForm),
        };
        Ok((1, next))
    }

    /// `http://` or `https://`, in any case.
    fn scheme(&mut self, byte: u8) -> Result<At, Refusal> {
        self.count = match (self.count, byte.to_ascii_lowercase()) {
            (0, b'h') | (1 | 2, b't') | (3, b'p') | (4, b's') | (6, b'/') => self.count + 1,
            (4 | 5, b':') => 6,
            (7, b'/') => return Ok(At::HostBegin),
            _ => return Err(Refusal::TargetForm),
        };
        Ok(At::Scheme)
    }

    fn address(&mut self, byte: u8) -> Result<At, Refusal> {
        self.count += usize::from(byte == b':');
        match byte {
            b']' => Ok(At::AddressEnd),
            b':' | b'.' if self.count <= COLONS_MOST => Ok(At::Address),
            byte if byte.is_ascii_hexdigit() => Ok(At::Address),
            _ => Err(Refusal::HostMalformed),
        }
    }

    /// `HTTP/1.1` and the first half of the line's end.
    fn version(&mut self, byte: &mut u8) -> Result<At, Refusal> {
        match (self.count, *byte) {
            (0, b'H') | (1 | 2, b'T') | (3, b'P') | (4, b'/') | (5, b'1') | (6, b'.') => {}
            (5, b'0'..=b'9') => return Err(Refusal::Version),
            (7, minor @ b'0'..=b'9') => {
                self.is_old = minor == b'0';
                *byte = minor.min(b'1');
            }
            (8, b'\r') => return Ok(At::End),
            _ => return Err(NO_VERSION),
        }
        self.count += 1;
        Ok(At::Version)
    }
}
