//! Sealed tokens: AES-256-GCM-SIV under keys that stay here. Each use and upstream has keys of its own, derived from the
//! gateway's, so a token is void anywhere else; a token says nothing but its length, and that in steps of 32 bytes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Data is padded to a multiple of this.
const STEP: usize = 32;
/// Expiry (8 bytes, seconds since 1970) and length of the data (2 bytes).
const HEAD: usize = 10;
/// What a token that never expires gets.
const LONG: u32 = 10 * 365 * 24 * 3600;

/// The gateway's keys, as they stand in the key files.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKeys {
    /// Seals and opens.
    pub current: Vec<u8>,
    /// Opens only.
    pub previous: Option<Vec<u8>>,
}

impl std::fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealingKeys").field("rotated", &self.previous.is_some()).finish_non_exhaustive()
    }
}

/// The keys of one use at one upstream.
pub(super) struct Sealer {
    current: RandomizedNonceKey,
    previous: Option<RandomizedNonceKey>,
}

impl Sealer {
    /// Derives the keys; none if the library refuses, which it does for no input known.
    pub(super) fn new(keys: &SealingKeys, use_name: &str, upstream: &str) -> Option<Self> {
        let previous = match &keys.previous {
            Some(secret) => Some(derive(secret, use_name, upstream)?),
            None => None,
        };
        Some(Self { current: derive(&keys.current, use_name, upstream)?, previous })
    }

    /// A token for `ttl_s` seconds; 0: ten years. None if the data is too long or the library fails.
    pub(super) fn seal(&self, data: &[u8], ttl_s: u32) -> Option<String> {
        let ttl = if ttl_s == 0 { LONG } else { ttl_s };
        let expires = (now() + Duration::from_secs(ttl.into())).as_secs();
        let mut sealed = Vec::with_capacity(HEAD + data.len() + STEP + NONCE_LEN + 16);
        sealed.extend_from_slice(&expires.to_be_bytes());
        sealed.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
        sealed.extend_from_slice(data);
        sealed.resize(HEAD + data.len().next_multiple_of(STEP), 0);
        let nonce = self.current.seal_in_place_append_tag(Aad::empty(), &mut sealed).ok()?;
        sealed.extend_from_slice(nonce.as_ref());
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What is in a token; none if it is not ours or was changed.
    pub(super) fn open(&self, token: &[u8]) -> Option<Content> {
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        let keys = std::iter::once(&self.current).chain(&self.previous);
        keys.into_iter().find_map(|key| open(key, &sealed))
    }
}

/// What was in a token.
pub(super) struct Content {
    /// Seconds since 1970.
    expires: u64,
    data: Vec<u8>,
}

impl Content {
    /// The data, unless the token has expired.
    pub(super) fn if_alive(&self) -> Option<Vec<u8>> {
        (self.expires > now().as_secs()).then(|| self.data.clone())
    }
}

fn open(key: &RandomizedNonceKey, sealed: &[u8]) -> Option<Content> {
    let (body, nonce) = sealed.split_at_checked(sealed.len().checked_sub(NONCE_LEN)?)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut body = body.to_vec();
    let plain = key.open_in_place(nonce, Aad::empty(), &mut body).ok()?;
    let (expires, rest) = plain.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let data = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    Some(Content { expires: u64::from_be_bytes(*expires), data: data.to_vec() })
}

/// HKDF-SHA-256 (RFC 5869); names are joined by NUL, which none of them can hold.
fn derive(secret: &[u8], use_name: &str, upstream: &str) -> Option<RandomizedNonceKey> {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            32
        }
    }
    let info = [b"sluice seal 1\0", use_name.as_bytes(), b"\0", upstream.as_bytes()];
    let mut key = [0; 32];
    let secret = Salt::new(HKDF_SHA256, b"sluice").extract(secret);
    secret.expand(&info, Length).ok()?.fill(&mut key).ok()?;
    RandomizedNonceKey::new(&AES_256_GCM_SIV, &key).ok()
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::opened::Opened;
    use super::*;

    /// What is opened twice is opened the same way.
    fn opened(sealer: &Sealer, token: &[u8]) -> Option<Vec<u8>> {
        let mut opened = Opened::default();
        let first = opened.open(sealer, token);
        assert_eq!(opened.open(sealer, token), first);
        first
    }

    fn sealer(secret: u8, previous: Option<u8>, use_name: &str, upstream: &str) -> Sealer {
        let keys = SealingKeys { current: vec![secret; 32], previous: previous.map(|secret| vec![secret; 32]) };
        Sealer::new(&keys, use_name, upstream).unwrap()
    }

    #[test]
    fn a_token_opens_where_it_was_made_and_nowhere_else() {
        let here = sealer(1, None, "u", "app");
        let token = here.seal(b"app-1", 60).unwrap();
        assert_eq!(opened(&here, token.as_bytes()).unwrap(), b"app-1");
        assert_eq!(opened(&sealer(2, Some(1), "u", "app"), token.as_bytes()).unwrap(), b"app-1");
        for (other, case) in [
            (sealer(2, None, "u", "app"), "another secret"),
            (sealer(1, None, "v", "app"), "another use"),
            (sealer(1, None, "u", "app-2"), "another upstream"),
            (sealer(1, None, "uapp", ""), "names run together"),
        ] {
            assert_eq!(opened(&other, token.as_bytes()), None, "{case}");
        }
    }

    #[test]
    fn every_flipped_bit_voids_a_token() {
        let here = sealer(1, None, "u", "app");
        let token = here.seal(b"app-1", 60).unwrap();
        for position in 0..token.len() {
            for bit in 0..8 {
                let mut bytes = token.clone().into_bytes();
                bytes[position] ^= 1 << bit;
                if let Ok(changed) = String::from_utf8(bytes) {
                    assert_eq!(opened(&here, changed.as_bytes()), None, "{position}.{bit}");
                }
            }
        }
        for odd in ["", "a", "%%%", &token[1..], &token[..token.len() - 1]] {
            assert_eq!(opened(&here, odd.as_bytes()), None, "{odd}");
        }
    }

    #[test]
    fn tokens_differ_hide_and_expire() {
        let here = sealer(1, None, "u", "app");
        let (one, two) = (here.seal(b"app-1", 60).unwrap(), here.seal(b"a-much-longer-id", 60).unwrap());
        assert_ne!(one, here.seal(b"app-1", 60).unwrap());
        assert_eq!(one.len(), two.len(), "lengths tell nothing within a step");
        let mut plain = now().as_secs().to_be_bytes().to_vec();
        plain.extend_from_slice(&0u16.to_be_bytes());
        let nonce = here.current.seal_in_place_append_tag(Aad::empty(), &mut plain).unwrap();
        plain.extend_from_slice(nonce.as_ref());
        assert_eq!(opened(&here, URL_SAFE_NO_PAD.encode(plain).as_bytes()), None, "expired this second");
    }
}
