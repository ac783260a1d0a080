//! Header fields and trailers, line by line, up to the empty one (RFC 9112 §5), and what those of them say that tell the
//! length of a body (RFC 9112 §6).

use super::classes::{TOKEN, Word, is, is_blank, run, value_run};
use super::{BARE_CR, Framing, Step};
use crate::proxy::headers::Refusal;

/// Digits of the largest length that is sent on.
const DIGITS_MOST: u8 = 19;

const CHUNKED: &[u8] = b"chunked";

const BAD_LENGTH: Refusal = Refusal::ContentLength;
const BAD_CODING: Refusal = Refusal::Syntax("chunked is the only transfer coding, and stands once and alone");

/// Lines of fields as they come in.
#[derive(Debug)]
pub(super) struct Fields {
    at: At,
    /// Bytes that they may still have.
    left: usize,
    /// Lines that may still come.
    lines: usize,
    name: Word,
    /// Digits of a length, or letters of a coding.
    count: u8,
    /// Whose fields.
    of: Of,
    /// What has been said of the length of the body.
    pub(super) framing: Framing,
    /// Another protocol is wanted.
    pub(super) upgrade: bool,
}

/// Whose fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// HTTP/1.0, which knows no transfer coding.
    OldHead,
    /// HTTP/1.1.
    Head,
    /// A body: nothing there tells of lengths.
    Trailers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineBegin,
    Name,
    Value,
    Length,
    LengthEnd,
    Coding,
    CodingEnd,
    LineEnd,
    End,
    Done,
}

impl Fields {
    /// So many bytes and lines at most, the empty line included.
    pub(super) fn new(of: Of, bytes: usize, lines: usize) -> Self {
        let framing = Framing::None;
        Self { at: At::LineBegin, left: bytes, lines, name: Word::default(), count: 0, of, framing, upgrade: false }
    }

    /// Looks at more bytes.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Step, Refusal> {
        let (most, _) = bytes.split_at(bytes.len().min(self.left));
        let mut rest = most;
        while let Some(&byte) = rest.first() {
            let many = match self.at {
                At::Name => self.name(rest)?,
                At::Value => self.value(rest)?,
                _ => self.byte(byte)?,
            };
            rest = rest.get(many..).unwrap_or_default();
            if self.at == At::Done {
                return Ok(Step { seen: most.len() - rest.len(), done: true });
            }
        }
        self.left -= most.len();
        match most.len() < bytes.len() {
            true if self.of == Of::Trailers => Err(Refusal::Syntax("the trailers are too long")),
            true => Err(Refusal::HeadTooLong),
            false => Ok(Step { seen: most.len(), done: false }),
        }
    }

    #[inline]
    fn name(&mut self, rest: &[u8]) -> Result<usize, Refusal> {
        let many = run(TOKEN, rest);
        let (end, rest) = rest.split_at(many);
        match rest.first() {
            None => self.name.push(end),
            Some(b':') => {
                self.at = self.value_of(end)?;
                return Ok(many + 1);
            }
            Some(b' ' | b'\t') => return Err(Refusal::Syntax("a blank in or after the name of a field")),
            Some(b'\r' | b'\n') => return Err(Refusal::Syntax("a line without a colon")),
            Some(_) => return Err(Refusal::Syntax("the name of a field is no token")),
        }
        Ok(many)
    }

    /// What a value has to be, by its name, which ends with `end`.
    #[inline]
    fn value_of(&mut self, end: &[u8]) -> Result<At, Refusal> {
        let upgrade = &mut self.upgrade;
        let at = self.name.with(end, |name| match name {
            Some(name) if name.len() == 14 && name.eq_ignore_ascii_case(b"content-length") => At::Length,
            Some(name) if name.len() == 17 && name.eq_ignore_ascii_case(b"transfer-encoding") => At::Coding,
            Some(name) if name.len() == 7 && name.eq_ignore_ascii_case(b"upgrade") => {
                *upgrade = true;
                At::Value
            }
            _ => At::Value,
        });
        if at == At::Value || self.of == Of::Trailers {
            return Ok(At::Value);
        }
        self.count = 0;
        self.framing = match (at, self.framing) {
            (At::Coding, Framing::None) if self.of == Of::OldHead => {
                return Err(Refusal::Syntax("a transfer coding in HTTP/1.0"));
            }
            (At::Coding, Framing::None) => Framing::Chunked,
            (_, Framing::None) => Framing::Length(0),
            (At::Length, Framing::Length(_)) => return Err(BAD_LENGTH),
            (At::Coding, Framing::Chunked) => return Err(BAD_CODING),
            _ => return Err(Refusal::Syntax("a content length beside a transfer coding")),
        };
        Ok(at)
    }

    #[inline]
    fn value(&mut self, rest: &[u8]) -> Result<usize, Refusal> {
        let many = value_run(rest);
        match rest.get(many) {
            None => Ok(many),
            Some(b'\t') => Ok(many + 1),
            Some(b'\r') => {
                self.at = At::LineEnd;
                Ok(many + 1)
            }
            Some(_) => Err(Refusal::Syntax("a control byte in the value of a field")),
        }
    }

    /// All that is not worth looking for a run.
    fn byte(&mut self, byte: u8) -> Result<usize, Refusal> {
        self.at = match (self.at, byte) {
            (At::LineBegin, b'\r') => At::End,
            (At::LineBegin, byte) => return self.line(byte),
            (At::LineEnd, b'\n') => At::LineBegin,
            (At::End, b'\n') => At::Done,
            (At::Length | At::Coding, byte) if self.count == 0 && is_blank(byte) => self.at,
            (At::Length, b'0'..=b'9') => self.digit(byte)?,
            (At::Length | At::LengthEnd, byte) if self.count > 0 && is_blank(byte) => At::LengthEnd,
            (At::Length | At::LengthEnd, b'\r') if self.count > 0 => At::LineEnd,
            (At::Length | At::LengthEnd, _) => return Err(BAD_LENGTH),
            (At::Coding, byte) if is(TOKEN, byte) => self.letter(byte)?,
            (At::Coding | At::CodingEnd, byte) if self.is_chunked() && is_blank(byte) => At::CodingEnd,
            (At::Coding | At::CodingEnd, b'\r') if self.is_chunked() => At::LineEnd,
            (At::Coding, _) if self.count > 0 && !self.is_chunked() => return Err(Refusal::Coding),
            (At::Coding | At::CodingEnd, _) => return Err(BAD_CODING),
            _ => return Err(BARE_CR),
        };
        Ok(1)
    }

    /// The first byte of a line that is not the empty one.
    fn line(&mut self, byte: u8) -> Result<usize, Refusal> {
        match byte {
            byte if is(TOKEN, byte) => {}
            b' ' | b'\t' => return Err(Refusal::Syntax("a folded line")),
            b':' => return Err(Refusal::Syntax("a field without a name")),
            b'\n' => return Err(Refusal::Syntax("a line ends without CR")),
            _ => return Err(Refusal::Syntax("the name of a field is no token")),
        }
        self.lines = match self.lines.checked_sub(1) {
            Some(left) => left,
            None if self.of == Of::Trailers => return Err(Refusal::Syntax("too many trailers")),
            None => return Err(Refusal::TooManyFields),
        };
        self.at = At::Name;
        Ok(0)
    }

    fn digit(&mut self, byte: u8) -> Result<At, Refusal> {
        let Framing::Length(length) = self.framing else { return Err(BAD_LENGTH) };
        self.count += 1;
        if self.count > DIGITS_MOST {
            return Err(BAD_LENGTH);
        }
        self.framing = Framing::Length(length * 10 + u64::from(byte - b'0'));
        Ok(At::Length)
    }

    /// Of a coding: there is one only.
    fn letter(&mut self, byte: u8) -> Result<At, Refusal> {
        if CHUNKED.get(usize::from(self.count)) != Some(&byte.to_ascii_lowercase()) {
            return Err(Refusal::Coding);
        }
        self.count += 1;
        Ok(At::Coding)
    }

    fn is_chunked(&self) -> bool {
        usize::from(self.count) == CHUNKED.len()
    }
}
