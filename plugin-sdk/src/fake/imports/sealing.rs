//! Nothing is secret here, but the contract holds: a token is opaque, expires, is of one use, and cannot be changed.

use super::host;
use crate::stable_hash;

const TEN_YEARS_S: u64 = 10 * 365 * 86_400;

fn checksum(use_name: &str, body: &[u8]) -> [u8; 8] {
    stable_hash(stable_hash(0, use_name.as_bytes()), body).to_le_bytes()
}

pub(crate) fn seal(data: &[u8], ttl_s: u32) -> String {
    assert!(data.len() <= 1024, "at most 1 KiB can be sealed");
    host(|state| {
        state.seals += 1;
        let ttl_s = if ttl_s == 0 { TEN_YEARS_S } else { ttl_s.into() };
        let expires_us = state.now_us + ttl_s * 1_000_000;
        let body = [&state.seals.to_le_bytes(), &expires_us.to_le_bytes(), data].concat();
        let sealed = [&checksum(&state.use_name, &body), body.as_slice()].concat();
        sealed.iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

pub(crate) fn open_cookie(request: &super::types::Request, name: &str) -> Option<Vec<u8>> {
    open(&request.cookie(name)?)
}

pub(crate) fn open(token: &str) -> Option<Vec<u8>> {
    let digits = token.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let sealed: Vec<u8> =
        digits.map(|pair| pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect::<Option<_>>()?;
    let (sum, body) = sealed.split_first_chunk::<8>()?;
    let (_, rest) = body.split_first_chunk::<8>()?;
    let (expires_us, data) = rest.split_first_chunk::<8>()?;
    host(|state| {
        let is_ours = checksum(&state.use_name, body) == *sum;
        (is_ours && u64::from_le_bytes(*expires_us) > state.now_us).then(|| data.to_vec())
    })
}
