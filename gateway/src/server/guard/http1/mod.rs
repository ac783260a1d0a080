//! HTTP/1.0 and HTTP/1.1 as a client sends it, byte by byte as it comes, however it is cut into reads: where each head begins
//! and ends, and each body. It keeps no bytes but the beginning of a name, and allocates nothing.
//!
//! It refuses whatever two readers might understand differently (RFC 9112 §2.2, §3, §5, §6, §7.1): hyper takes a bare LF for
//! the end of a line, drops a length beside a transfer coding, cuts a fragment off the target, passes over what stands in
//! chunk extensions; and what hyper refuses, it answers by itself. What is checked where a request is taken in
//! (`proxy::headers`), `Host` above all, is not checked here.

mod chunks;
mod classes;
mod fields;
mod request_line;
#[cfg(test)]
mod tests;

use chunks::Chunks;
use fields::{Fields, Of};
use request_line::RequestLine;

use crate::config::model;
use crate::proxy::headers::Refusal;

const BARE_CR: Refusal = Refusal::Syntax("a CR without LF");

/// How far a scan came.
#[derive(Debug)]
struct Step {
    /// Bytes looked at.
    seen: usize,
    /// What was scanned is complete; what comes behind it is something else.
    done: bool,
}

/// What tells how long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// What is coming in.
#[derive(Debug)]
enum At {
    Line(RequestLine),
    Fields(Fields),
    /// A body of which so many bytes are to come.
    Body(u64),
    Chunks(Chunks),
    RefusedHead(Refusal),
    RefusedBody(Refusal),
}

/// Bounds on what one message may have, in bytes and lines.
#[derive(Debug, Clone, Copy)]
struct Limits {
    line: usize,
    head: usize,
    fields: usize,
    chunk_extensions: usize,
    trailers: usize,
}

/// The bytes of one connection.
#[derive(Debug)]
pub struct Scanner {
    at: At,
    /// The last head wanted another protocol: what comes behind it may be that.
    upgrade: bool,
    limits: Limits,
}

/// What a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// So many bytes, from the first on, are to be passed on: none of a head or body from where it is refused.
    pub passed: usize,
    /// Heads that came to their end.
    pub heads: u32,
}

impl Scanner {
    /// For a new connection, whose limits stay.
    pub fn new(limits: &model::Limits) -> Self {
        let limits = Limits {
            line: limits.request_line.min(limits.header_bytes),
            head: limits.header_bytes,
            fields: limits.headers,
            chunk_extensions: limits.chunk_extensions,
            trailers: limits.trailers,
        };
        Self { at: At::Line(RequestLine::new(limits.line)), upgrade: false, limits }
    }

    /// Looks at bytes that have come in behind those of before. A minor version above 1 becomes 1.
    pub fn scan(&mut self, bytes: &mut [u8]) -> Seen {
        // Where in these bytes the head or body that is coming in begins.
        let (mut begin, mut end, mut heads) = (0, 0, 0);
        while let Some(rest) = bytes.get_mut(end..).filter(|rest| !rest.is_empty()) {
            match self.step(rest) {
                Ok((many, None)) => end += many,
                Ok((many, Some(next))) => {
                    end += many;
                    if !matches!(next, At::Fields(_)) {
                        begin = end;
                        heads += u32::from(matches!(self.at, At::Fields(_)));
                    }
                    self.at = next;
                }
                Err(refusal) => {
                    let in_head = matches!(self.at, At::Line(_) | At::Fields(_) | At::RefusedHead(_));
                    self.at = if in_head { At::RefusedHead(refusal) } else { At::RefusedBody(refusal) };
                    return Seen { passed: begin, heads };
                }
            }
        }
        Seen { passed: end, heads }
    }

    /// How far into these bytes what is coming in goes, and what comes next if it ends there.
    #[inline]
    fn step(&mut self, bytes: &mut [u8]) -> Result<(usize, Option<At>), Refusal> {
        let limits = &self.limits;
        let message = || At::Line(RequestLine::new(limits.line));
        match &mut self.at {
            At::Line(line) => {
                let step = line.scan(bytes)?;
                let of = if line.is_old { Of::OldHead } else { Of::Head };
                let left = limits.head.saturating_sub(line.length(limits.line));
                Ok(step.then(|| At::Fields(Fields::new(of, left, limits.fields))))
            }
            At::Fields(fields) => {
                let step = fields.scan(bytes)?;
                self.upgrade = fields.upgrade;
                Ok(step.then(|| match fields.framing {
                    Framing::None | Framing::Length(0) => message(),
                    Framing::Length(length) => At::Body(length),
                    Framing::Chunked => At::Chunks(Chunks::new(limits)),
                }))
            }
            At::Body(left) => {
                let seen = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= seen as u64;
                Ok(Step { seen, done: *left == 0 }.then(message))
            }
            At::Chunks(chunks) => Ok(chunks.scan(bytes, limits)?.then(message)),
            At::RefusedHead(refusal) | At::RefusedBody(refusal) => Err(*refusal),
        }
    }

    /// True while a head is coming in.
    pub fn is_in_head(&self) -> bool {
        match &self.at {
            At::Line(line) => line.has_begun(),
            At::Fields(_) => true,
            _ => false,
        }
    }

    /// Why a head is none. Nothing that comes behind it is passed on.
    pub fn refused_head(&self) -> Option<Refusal> {
        if let At::RefusedHead(refusal) = self.at { Some(refusal) } else { None }
    }

    /// True if what was refused is no head if the protocol has changed by then.
    pub fn may_be_upgraded(&self) -> bool {
        self.upgrade && self.refused_head().is_some()
    }

    /// The same for a body.
    pub fn refused_body(&self) -> Option<Refusal> {
        if let At::RefusedBody(refusal) = self.at { Some(refusal) } else { None }
    }
}

impl Step {
    fn then(self, next: impl FnOnce() -> At) -> (usize, Option<At>) {
        (self.seen, self.done.then(next))
    }
}
