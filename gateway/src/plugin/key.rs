//! The affinity key of a request: one hash, the same on every gateway that has the same `hash-seed`.

use std::net::IpAddr;

use xxhash_rust::xxh3::Xxh3;

use super::bindings::sluice::plugin::types::KeySource;
use crate::message::{RequestHead, cookies, query};
use crate::observe::recorded::MASK;

/// The key from the first source that is present: XXH3-64 over kind, NUL, name, NUL, value.
pub(super) fn hash(head: &RequestHead, sources: &[KeySource], seed: u64) -> Option<u64> {
    sources.iter().find_map(|source| hash_one(head, source, seed))
}

/// True if the first source that is present is one whose value a record leaves out.
pub(super) fn is_masked(head: &RequestHead, sources: &[KeySource]) -> bool {
    let is_mask = |value: &[u8]| value.windows(MASK.len()).any(|part| part == MASK.as_bytes());
    let first = sources.iter().find_map(|source| match source {
        KeySource::Header(name) => Some(is_mask(head.headers.get(name.as_str())?.as_bytes())),
        KeySource::Cookie(name) => Some(is_mask(cookies::cookie(&head.headers, name)?)),
        source => hash_one(head, source, 0).map(|_| false),
    });
    first.unwrap_or(false)
}

fn hash_one(head: &RequestHead, source: &KeySource, seed: u64) -> Option<u64> {
    let digest = |kind: &str, name: &str, value: &[u8]| {
        let mut hasher = Xxh3::with_seed(seed);
        for part in [kind.as_bytes(), b"\0", name.as_bytes(), b"\0", value] {
            hasher.update(part);
        }
        hasher.digest()
    };
    match source {
        KeySource::ClientIp => Some(match head.client {
            IpAddr::V4(address) => digest("client-ip", "", &address.octets()),
            IpAddr::V6(address) => digest("client-ip", "", &address.octets()),
        }),
        KeySource::Authority => Some(digest("authority", "", head.authority.as_str().as_bytes())),
        KeySource::Path => Some(digest("path", "", head.target.path().as_bytes())),
        KeySource::Header(name) => {
            let value = head.headers.get(name.as_str())?;
            Some(digest("header", &name.to_ascii_lowercase(), value.as_bytes()))
        }
        KeySource::Cookie(name) => {
            let value = cookies::cookie(&head.headers, name)?;
            Some(digest("cookie", name, value))
        }
        KeySource::QueryParam(name) => {
            let value = query::parameter(head.target.query()?, name)?;
            Some(digest("query-param", name, value.as_bytes()))
        }
    }
}
