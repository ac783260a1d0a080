//! A chunked body (RFC 9112 §7.1): size lines with their extensions, data that is passed over, trailers.

use super::classes::{TOKEN, is, is_blank};
use super::fields::{Fields, Of};
use super::{BARE_CR, Limits, Step};
use crate::proxy::headers::Refusal;

/// Digits of a size: 2^64 has one more.
const DIGITS_MOST: u8 = 16;
/// Extensions of one body in bytes: what hyper takes.
const EXTENSIONS_MOST: usize = 16 * 1024 - 1;

const BAD_SIZE: Refusal = Refusal::Syntax("the size of a chunk is no number");
const BAD_EXTENSION: Refusal = Refusal::Syntax("malformed chunk extension");
const TOO_LONG: Refusal = Refusal::Syntax("the chunk extensions are too long");

/// A chunked body as it comes in.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    /// Of the chunk: as far as it is read, then what is left of its data.
    size: u64,
    digits: u8,
    /// Bytes of the extensions of this chunk, and of all chunks before.
    extension: usize,
    extensions: usize,
    trailers: Fields,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    /// Blanks before a semicolon.
    Gap,
    Semicolon,
    Name,
    NameGap,
    Equals,
    Value,
    Quoted,
    Escaped,
    Unquoted,
    LineEnd,
    Data,
    DataCr,
    DataLf,
    Trailers,
}

impl Chunks {
    pub(super) fn new(limits: &Limits) -> Self {
        let trailers = Fields::new(Of::Trailers, limits.trailers.saturating_add(2), limits.fields);
        Self { at: At::Size, size: 0, digits: 0, extension: 0, extensions: 0, trailers }
    }

    /// Looks at more bytes.
    pub(super) fn scan(&mut self, bytes: &[u8], limits: &Limits) -> Result<Step, Refusal> {
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            let many = match self.at {
                At::Trailers => {
                    let step = self.trailers.scan(rest)?;
                    return Ok(Step { seen: bytes.len() - rest.len() + step.seen, done: step.done });
                }
                At::Data => self.data(rest.len()),
                _ => {
                    self.at = self.byte(byte, limits)?;
                    1
                }
            };
            rest = rest.get(many..).unwrap_or_default();
        }
        Ok(Step { seen: bytes.len(), done: false })
    }

    fn data(&mut self, come: usize) -> usize {
        let many = usize::try_from(self.size).map_or(come, |left| left.min(come));
        self.size -= many as u64;
        if self.size == 0 {
            self.at = At::DataCr;
        }
        many
    }

    fn byte(&mut self, byte: u8, limits: &Limits) -> Result<At, Refusal> {
        match (self.at, byte) {
            (At::Size, byte) if byte.is_ascii_hexdigit() => self.digit(byte),
            (At::Size, _) if self.digits == 0 => Err(BAD_SIZE),
            (At::LineEnd, b'\n') => Ok(self.begin_chunk()),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataCr, _) => Err(Refusal::Syntax("a chunk is longer than its size")),
            (At::DataLf, b'\n') => Ok(self.end_chunk()),
            (At::LineEnd | At::DataLf, _) => Err(BARE_CR),
            (At::Size | At::Name | At::Value | At::Unquoted, b'\r') => Ok(At::LineEnd),
            _ => self.in_extension(byte, limits),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<At, Refusal> {
        self.digits += 1;
        if self.digits > DIGITS_MOST {
            return Err(BAD_SIZE);
        }
        self.size = self.size << 4 | u64::from(char::from(byte).to_digit(16).unwrap_or_default());
        Ok(At::Size)
    }

    /// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`; whoever is laxer here and whoever is not disagree on
    /// where the line ends.
    fn in_extension(&mut self, byte: u8, limits: &Limits) -> Result<At, Refusal> {
        if self.extension >= limits.chunk_extensions || self.extensions >= EXTENSIONS_MOST {
            return Err(TOO_LONG);
        }
        self.extension += 1;
        self.extensions += 1;
        let visible = byte == b'\t' || !byte.is_ascii_control();
        match (self.at, byte) {
            (At::Size | At::Gap | At::Name | At::NameGap | At::Value | At::Unquoted, b';') => Ok(At::Semicolon),
            (At::Size | At::Gap | At::Value | At::Unquoted, byte) if is_blank(byte) => Ok(At::Gap),
            (At::Semicolon | At::Equals, byte) if is_blank(byte) => Ok(self.at),
            (At::Semicolon | At::Name, byte) if is(TOKEN, byte) => Ok(At::Name),
            (At::Name | At::NameGap, b'=') => Ok(At::Equals),
            (At::Name | At::NameGap, byte) if is_blank(byte) => Ok(At::NameGap),
            (At::Equals, b'"') => Ok(At::Quoted),
            (At::Equals | At::Value, byte) if is(TOKEN, byte) => Ok(At::Value),
            (At::Quoted, b'"') => Ok(At::Unquoted),
            (At::Quoted, b'\\') => Ok(At::Escaped),
            (At::Quoted | At::Escaped, _) if visible => Ok(At::Quoted),
            (At::Size, _) => Err(BAD_SIZE),
            _ => Err(BAD_EXTENSION),
        }
    }

    fn begin_chunk(&mut self) -> At {
        self.extension = 0;
        if self.size == 0 { At::Trailers } else { At::Data }
    }

    fn end_chunk(&mut self) -> At {
        self.digits = 0;
        At::Size
    }
}
