//! What a call sees of what changes beside it: noted where an exchange is recorded whole, and shown to it again where one is
//! explained that was. All other calls pay one look for each import.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::context::Context;
use crate::observe::recorded::{Entry, MASK, Seen};

/// Bytes of a store's value that are recorded; a plugin that saw more is not explained by its record.
const LONGEST: usize = 4 * 1024;
/// Looks of one kind that are noted.
const MOST: usize = 1024;

/// A call that is watched.
#[derive(Debug, Default)]
pub struct Witness {
    /// What was seen.
    seen: Seen,
    /// What is shown again; none: what there is.
    shows: Option<Shows>,
    /// Secrets are left out of what is noted.
    masks: bool,
    /// The request's key.
    key: Option<u64>,
    /// What the plugin looked at and the record does not have.
    lacks: Vec<String>,
}

/// A kind of what is seen.
pub(super) type Of<T> = fn(&mut Seen) -> &mut BTreeMap<String, Vec<T>>;

/// What is left to be shown.
#[derive(Debug)]
struct Shows {
    seen: Seen,
    key: Option<u64>,
}

impl Witness {
    /// Notes what is seen, secrets only if `masks` is false.
    pub fn noting(masks: bool) -> Self {
        Self { masks, ..Self::default() }
    }

    /// Shows again what was noted, with the key that the request had.
    pub fn showing(mut seen: Seen, key: Option<u64>) -> Self {
        // From the back, where they are taken.
        fn turn<T>(all: &mut BTreeMap<String, Vec<T>>) {
            all.values_mut().for_each(|seen| seen.reverse());
        }
        turn(&mut seen.cells);
        turn(&mut seen.entries);
        turn(&mut seen.written);
        turn(&mut seen.in_flight);
        turn(&mut seen.latency_us);
        turn(&mut seen.bytes_per_second);
        turn(&mut seen.reports);
        turn(&mut seen.named);
        turn(&mut seen.healthy);
        turn(&mut seen.opened);
        Self { shows: Some(Shows { seen, key }), ..Self::default() }
    }

    /// What was seen, the request's key, and what the record that was shown did not have.
    pub fn into_parts(self) -> (Seen, Option<u64>, Vec<String>) {
        (self.seen, self.key, self.lacks)
    }

    /// The key of a request; that of the record where what it is made of is masked there.
    pub(super) fn take_key(&mut self, key: Option<u64>, is_masked: bool) -> Option<u64> {
        let key = match &self.shows {
            Some(shows) if is_masked => shows.key,
            _ => key,
        };
        self.key = key;
        key
    }

    fn lacks(&mut self, what: String) {
        if self.lacks.len() < 16 && !self.lacks.contains(&what) {
            self.lacks.push(what);
        }
    }
}

/// Where a witness is between two calls.
#[derive(Default)]
pub struct Watching(Cell<Option<Box<Witness>>>);

impl std::fmt::Debug for Watching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watching")
    }
}

impl Watching {
    /// With that one.
    pub fn by(witness: Witness) -> Self {
        Self(Cell::new(Some(Box::new(witness))))
    }

    /// What it has become.
    pub fn into_witness(self) -> Witness {
        self.0.into_inner().map_or_else(Witness::default, |witness| *witness)
    }

    pub(super) fn lend(&self) -> Option<Box<Witness>> {
        self.0.take()
    }

    pub(super) fn give_back(&self, witness: Option<Box<Witness>>) {
        self.0.set(witness);
    }
}

fn note<T>(all: &mut BTreeMap<String, Vec<T>>, name: &str, value: T) {
    if let Some(known) = all.get_mut(name) {
        if known.len() < MOST {
            known.push(value);
        }
    } else if all.len() < MOST {
        all.insert(name.to_owned(), vec![value]);
    }
}

/// The next one that was noted of that name; none: none was.
fn next<T>(all: &mut BTreeMap<String, Vec<T>>, name: &str) -> Option<T> {
    all.get_mut(name)?.pop()
}

impl Context {
    /// Before a cell is read or changed: it has what it had then.
    pub(super) fn show_cell(&mut self, cell: u32) {
        let Some(witness) = &mut self.witness else { return };
        let (Some(cell), Some(name)) = (self.cells.get(cell as usize), self.cell_names.get(cell as usize)) else {
            return;
        };
        if let Some(shows) = &mut witness.shows {
            match next(&mut shows.seen.cells, name) {
                Some(value) => cell.store(value, Ordering::SeqCst),
                None if witness.seen.cells.contains_key(&**name) => {}
                None => witness.lacks(format!("cell {name}")),
            }
        }
    }

    /// What a cell had before it was read or changed.
    pub(super) fn saw_cell(&mut self, cell: u32, value: i64) {
        if let (Some(witness), Some(name)) = (&mut self.witness, self.cell_names.get(cell as usize)) {
            note(&mut witness.seen.cells, name, value);
        }
    }

    /// What is known of that name now, or what it was then.
    pub(super) fn saw<T: Clone>(&mut self, of: Of<T>, name: &str, live: T) -> T {
        let Some(witness) = &mut self.witness else { return live };
        let value = witness.shows.as_mut().and_then(|shows| next(of(&mut shows.seen), name)).unwrap_or(live);
        note(of(&mut witness.seen), name, value.clone());
        value
    }

    /// The same of an endpoint.
    pub(super) fn saw_of<T: Clone>(&mut self, of: Of<T>, endpoint: u32, live: T) -> T {
        if self.witness.is_none() {
            return live;
        }
        let Some(endpoint) = self.members.endpoints.get(endpoint as usize).cloned() else { return live };
        self.saw(of, &endpoint.settings.id, live)
    }

    /// The same of each endpoint.
    pub(super) fn saw_all<T: Clone>(&mut self, of: Of<T>, live: Vec<T>) -> Vec<T> {
        if self.witness.is_none() {
            return live;
        }
        live.into_iter().enumerate().map(|(endpoint, live)| self.saw_of(of, endpoint as u32, live)).collect()
    }

    /// An entry of the store as it was then; none where there is nothing to show.
    pub(super) fn shown_entry(&mut self, key: &str) -> Option<Option<(Vec<u8>, u64)>> {
        let witness = self.witness.as_mut()?;
        let shows = witness.shows.as_mut()?;
        let Some(entry) = next(&mut shows.seen.entries, key) else {
            witness.lacks(format!("entry {key} of the store"));
            return None;
        };
        note(&mut witness.seen.entries, key, entry.clone());
        Some(entry.and_then(|entry| Some((STANDARD_NO_PAD.decode(&entry.value).ok()?, entry.version))))
    }

    /// What was found in the store.
    pub(super) fn saw_entry(&mut self, key: &str, found: Option<(&[u8], u64)>) {
        let Some(witness) = &mut self.witness else { return };
        let entry = found.map(|(value, version)| {
            let value = value.get(..value.len().min(LONGEST)).unwrap_or_default();
            Entry { value: STANDARD_NO_PAD.encode(value), version }
        });
        note(&mut witness.seen.entries, key, entry);
    }

    /// Whether a conditional write was made then; none where there is nothing to show.
    pub(super) fn shown_write(&mut self, key: &str) -> Option<bool> {
        let shows = self.witness.as_mut()?.shows.as_mut()?;
        next(&mut shows.seen.written, key)
    }

    /// Whether a conditional write was made.
    pub(super) fn saw_write(&mut self, key: &str, is_made: bool) {
        if let Some(witness) = &mut self.witness {
            note(&mut witness.seen.written, key, is_made);
        }
    }

    /// What was in a token then; none where there is nothing to show.
    pub(super) fn shown_token(&mut self, token: &[u8]) -> Option<Option<Vec<u8>>> {
        let shows = self.witness.as_mut()?.shows.as_mut()?;
        let found = next(&mut shows.seen.opened, &name_of(token, false))?;
        Some(found.and_then(|found| STANDARD_NO_PAD.decode(found).ok()))
    }

    /// What was in a token.
    pub(super) fn saw_token(&mut self, token: &[u8], found: Option<&[u8]>) {
        if let Some(witness) = &mut self.witness {
            let name = name_of(token, witness.masks);
            note(&mut witness.seen.opened, &name, found.map(|found| STANDARD_NO_PAD.encode(found)));
        }
    }

    /// A text of a head was looked at: one that is masked is not what the plugin saw.
    pub(super) fn saw_text(&mut self, name: &str, text: Option<&str>) {
        if let Some(witness) = &mut self.witness
            && witness.shows.is_some()
            && text.is_some_and(|text| text.contains(MASK))
        {
            witness.lacks(format!("the value of {name}"));
        }
    }
}

/// A token is named by a digest, so that none can be taken from a record.
fn name_of(token: &[u8], masks: bool) -> String {
    if masks || token == MASK.as_bytes() {
        return MASK.to_owned();
    }
    let digest = digest(&SHA256, token);
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
