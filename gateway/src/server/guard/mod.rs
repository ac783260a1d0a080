//! The guard between a client's bytes and hyper: it sees them first, and keeps back what hyper would repair, hide, or answer
//! itself without a record. No second parser: it knows where messages begin and end, and nothing of what they say.

pub mod http1;

use http1::Scanner;

use crate::observe::Activity;
use crate::proxy::headers::Refusal;

/// What watches one connection.
#[derive(Debug)]
pub(super) enum Guard {
    /// Nothing: the protocol is not known yet, or has no guard.
    None,
    /// HTTP/1.0 and HTTP/1.1.
    Http1(Scanner),
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
        }
    }

    /// Why the body that is coming in is none.
    pub(super) fn refused_body(&self) -> Option<Refusal> {
        match self {
            Guard::None => None,
            Guard::Http1(scanner) => scanner.refused_body(),
        }
    }

    /// Why the head that was coming in is none. Nothing behind it is looked at.
    pub(super) fn refused_head(&self) -> Option<Refusal> {
        match self {
            Guard::None => None,
            Guard::Http1(scanner) => scanner.refused_head(),
        }
    }
}
