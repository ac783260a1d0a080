//! The affinity key of a request: one hash, the same on every gateway that has the same `hash-seed`.

use std::net::IpAddr;

use xxhash_rust::xxh3::Xxh3;

use super::bindings::sluice::plugin::types::KeySource;
use crate::message::{RequestHead, cookies, query};

/// The key from the first source that is present: XXH3-64 over kind, NUL, name, NUL, value.
pub(super) fn hash(head: &RequestHead, sources: &[KeySource], seed: u64) -> Option<u64> {
    sources.iter().find_map(|source| hash_one(head, source, seed))
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
