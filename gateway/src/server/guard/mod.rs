//! The guard between a client's bytes and hyper: it sees them first, and keeps back what hyper would repair, hide, or answer
//! itself without a record. No second parser: it knows where messages begin and end, and nothing of what they say.

pub mod http1;
mod http2;
mod recently;
mod walk;

use std::io::IoSlice;
use std::time::Instant;

use http1::Scanner;
pub use http2::Guard as Frames;

use crate::observe::Activity;
use crate::proxy::headers::Refusal;

/// What watches one connection.
#[derive(Debug)]
pub(super) enum Guard {
    /// Nothing: the protocol is not known yet, or has no guard.
    None,
    /// HTTP/1.0 and HTTP/1.1.
    Http1(Scanner),
    /// HTTP/2. Elsewhere, so that the many others are not as large.
    Http2(Box<Frames>),
}

impl Guard {
    /// Looks at bytes that have just come in, and tells how many of them, from the first on, hyper may see.
    pub(super) fn look(&mut self, bytes: &mut [u8], activity: &Activity) -> usize {
        match self {
            Guard::None => bytes.len(),
            Guard::Http1(scanner) => {
                let seen = scanner.scan(bytes);
                activity.heads(seen.heads, scanner.is_in_head());
                if scanner.refused_head().is_some() {
                    activity.refuse();
                }
                seen.passed
            }
            Guard::Http2(frames) => {
                frames.received(bytes, Instant::now);
                activity.heads(0, frames.waits_for_headers());
                match frames.excess() {
                    Some(excess) => {
                        activity.cut(excess);
                        0
                    }
                    None => bytes.len(),
                }
            }
        }
    }

    /// Why the body that is coming in is none.
    pub(super) fn refused_body(&self) -> Option<Refusal> {
        match self {
            Guard::None | Guard::Http2(_) => None,
            Guard::Http1(scanner) => scanner.refused_body(),
        }
    }

    /// True if a head was refused that may be the beginning of another protocol: it is kept until that is known.
    pub(super) fn may_be_upgraded(&self) -> bool {
        match self {
            Guard::None | Guard::Http2(_) => false,
            Guard::Http1(scanner) => scanner.may_be_upgraded(),
        }
    }

    /// Why the head that was coming in is none. Nothing behind it is looked at.
    pub(super) fn refused_head(&self) -> Option<Refusal> {
        match self {
            Guard::None | Guard::Http2(_) => None,
            Guard::Http1(scanner) => scanner.refused_head(),
        }
    }

    /// Looks at the first `count` bytes of these, which have gone out. True if that was too much, and nobody knows yet.
    pub(super) fn look_out(&mut self, slices: &[IoSlice<'_>], count: usize, activity: &Activity) -> bool {
        let Guard::Http2(frames) = self else { return false };
        let mut left = count;
        for slice in slices {
            let bytes = slice.get(..left).unwrap_or(slice);
            frames.sent(bytes, Instant::now);
            left -= bytes.len();
        }
        match frames.excess() {
            Some(excess) if activity.is_cut().is_none() => {
                activity.cut(excess);
                true
            }
            _ => false,
        }
    }

    /// What is said to a client that is cut off, if anything can be said now.
    pub(super) fn goodbye(&self) -> Option<[u8; 17]> {
        match self {
            Guard::Http2(frames) => frames.go_away(),
            Guard::None | Guard::Http1(_) => None,
        }
    }
}
