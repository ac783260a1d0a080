//! A hash that never changes: what all gateways must agree on rests on it.

/// 64 bits of the bytes, the same for every version of this crate and on every machine. Not for secrets. Give it
/// [`Setup::seed`](crate::Setup::seed), so that who does not know the seed cannot make keys that collide.
pub fn stable_hash(seed: u64, bytes: &[u8]) -> u64 {
    // FNV-1a, and a finaliser, since FNV alone leaves the high bits of short keys nearly alike.
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ mix(seed);
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(hash)
}

/// Spreads every bit over all bits, and is reversible: the finaliser of SplitMix64. `mix(input.random)` is a second draw
/// where one call needs two.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A number below `bound` from 64 even bits, such as `input.random` or `input.key`; 0 if `bound` is 0. It takes the high
/// bits, and no division.
pub fn below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        // A change here moves the keys of every gateway that is updated before its neighbour.
        assert_eq!(stable_hash(0, b""), 17_665_956_581_633_026_203);
        assert_eq!(stable_hash(7, b"app-1"), 7_297_507_684_906_805_232);
    }

    #[test]
    fn below_spreads_evenly() {
        assert_eq!(below(0, 10), 0);
        assert_eq!(below(u64::MAX / 2, 10), 4);
        assert_eq!(below(u64::MAX, 10), 9);
        assert_eq!(below(u64::MAX, 0), 0);
    }
}
