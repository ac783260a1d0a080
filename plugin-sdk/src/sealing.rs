//! Sealed tokens for cookies: authenticated encryption under keys that stay in the host and rotate. A token is bound to this
//! use and its upstream, expires, and is safe in a cookie value; two tokens of the same data differ. Each call costs the
//! host one encryption, about a microsecond.

use crate::{Request, host};
use std::time::Duration;

/// Seals at most 1 KiB, for ten years without `ttl`; traps on more. Parts of a second are dropped, but never all of it.
pub fn seal(data: &[u8], ttl: Option<Duration>) -> String {
    let seconds = ttl.map_or(0, |ttl| u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX).max(1));
    host::sealing::seal(data, seconds)
}

/// The data; none if the token is not one of this use, was changed, or has expired.
pub fn open(token: &str) -> Option<Vec<u8>> {
    host::sealing::open(token)
}

/// The data of the token in the first cookie of that name; none also without such a cookie. Quicker than asking for the cookie
/// and opening it: the token stays in the host.
pub fn open_cookie(request: &Request, name: &str) -> Option<Vec<u8>> {
    host::sealing::open_cookie(request.handle(), name)
}
