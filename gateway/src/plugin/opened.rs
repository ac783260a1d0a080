//! Tokens that were opened a moment ago: clients bring the same one with every request, and to know it again costs a tenth of
//! opening it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use xxhash_rust::xxh3::xxh3_64;

use super::sealing::{Content, Sealer};

/// Tokens that an instance knows again. Two that fall on one place take turns.
const PLACES: usize = 256;
/// Bytes of a token that is worth keeping.
const LONGEST: usize = 512;

/// What one instance has opened.
#[derive(Default)]
pub(super) struct Opened {
    places: Vec<Option<(Box<[u8]>, Content)>>,
}

impl Opened {
    /// What [`Sealer::open`] would say.
    pub(super) fn open(&mut self, sealer: &Sealer, token: &[u8]) -> Option<Vec<u8>> {
        if token.len() > LONGEST {
            return sealer.open(token)?.if_alive();
        }
        self.places.resize_with(PLACES, || None);
        let place = self.places.get_mut(xxh3_64(token) as usize % PLACES)?;
        // In constant time, so that nobody can find a token of somebody else byte by byte.
        let content = match place {
            Some((known, content)) if verify_slices_are_equal(known, token).is_ok() => content,
            _ => &place.insert((token.into(), sealer.open(token)?)).1,
        };
        content.if_alive()
    }
}
