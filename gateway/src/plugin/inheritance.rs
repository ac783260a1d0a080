//! What the uses of a gateway get that takes the place of another: the cells and the store of those of that name. What a use
//! has written itself by then stays.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::legacy::{Entry, Part};
use super::shared::Shared;
use super::uses::Use;

/// What a gateway gets from the one before it.
#[derive(Debug, Default)]
pub struct Inheritance(Mutex<Estate>);

#[derive(Debug, Default)]
struct Estate {
    /// What came before the uses were made.
    waiting: Vec<Part>,
    /// By the names of use and plugin, once they are there.
    heirs: Option<HashMap<(String, String), Heir>>,
    round: u32,
}

/// A use and what it has got. It writes to the same places itself: what it has changed since is its own.
#[derive(Debug)]
struct Heir {
    shared: Arc<Shared>,
    cells: HashMap<String, i64>,
    /// The version that each entry got here, and in which round.
    entries: HashMap<String, (u64, u32)>,
}

impl Inheritance {
    /// A part has come. It waits until the uses are there.
    pub fn add(&self, part: Part) {
        let mut estate = self.lock();
        match estate.heirs {
            None => estate.waiting.push(part),
            Some(_) => estate.hand_on(part),
        }
    }

    /// The uses are there, and nobody has asked them anything.
    pub fn give(&self, uses: &[Arc<Use>]) {
        self.give_to(uses.iter().map(|owner| (owner.name.to_string(), owner.plugin.clone(), owner.shared.clone())));
    }

    fn give_to(&self, uses: impl Iterator<Item = (String, String, Arc<Shared>)>) {
        let mut estate = self.lock();
        let heirs = estate.heirs.get_or_insert_default();
        for (name, plugin, shared) in uses {
            let heir = Heir { shared, cells: HashMap::new(), entries: HashMap::new() };
            // Others of that name share what it keeps.
            heirs.entry((name, plugin)).or_insert(heir);
        }
        for part in std::mem::take(&mut estate.waiting) {
            estate.hand_on(part);
        }
    }

    /// All of it comes once more: what does not come again is gone.
    pub fn begin_again(&self) {
        self.lock().round += 1;
    }

    /// All of it has come. Gives how many uses have got something, and how many entries of their stores that is.
    pub fn is_complete(&self) -> (usize, usize) {
        let mut estate = self.lock();
        let round = estate.round;
        let heirs = estate.heirs.iter_mut().flat_map(HashMap::values_mut);
        let counts = heirs.map(|heir| heir.forget_before(round)).filter(|(any, _)| *any);
        counts.fold((0, 0), |(uses, entries), (_, count)| (uses + 1, entries + count))
    }

    fn lock(&self) -> MutexGuard<'_, Estate> {
        // One thread at a time has it, and whatever it did is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Estate {
    fn hand_on(&mut self, part: Part) {
        let Part { name, plugin, cells, entries } = part;
        let heirs = self.heirs.as_mut();
        let Some(heir) = heirs.and_then(|heirs| heirs.get_mut(&(name, plugin))) else { return };
        for (name, value) in cells {
            heir.take_cell(name, value);
        }
        for entry in entries {
            heir.take_entry(entry, self.round);
        }
    }
}

impl Heir {
    fn take_cell(&mut self, name: String, value: i64) {
        let Some(cell) = self.shared.cells.open(&name, value) else { return };
        let known = self.cells.get(&name).copied();
        let is_taken = match known {
            None => {
                cell.store(value, Ordering::SeqCst);
                true
            }
            Some(known) => cell.compare_exchange(known, value, Ordering::SeqCst, Ordering::SeqCst).is_ok(),
        };
        if is_taken {
            self.cells.insert(name, value);
        }
    }

    fn take_entry(&mut self, entry: Entry, round: u32) {
        let Some(value) = entry.value() else { return };
        let store = &self.shared.store;
        let known = self.entries.get(&entry.key).map_or(0, |(version, _)| *version);
        if let Ok(version) = store.set(&entry.key, value, entry.left_ms, Some(known), Instant::now()) {
            self.entries.insert(entry.key, (version, round));
        }
    }

    /// What did not come in this round was removed over there.
    fn forget_before(&mut self, round: u32) -> (bool, usize) {
        let store = &self.shared.store;
        self.entries.retain(|key, (version, came)| {
            let stays = *came >= round;
            if !stays && store.get(key, Instant::now()).is_some_and(|(_, now)| now == *version) {
                store.remove(key);
            }
            stays
        });
        (!self.cells.is_empty() || !self.entries.is_empty(), self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::legacy::Kept;

    /// What one gateway keeps, and the other one gets.
    struct Two {
        old: Arc<Shared>,
        new: Arc<Shared>,
        legacy: Kept,
        inheritance: Inheritance,
    }

    impl Two {
        fn new() -> Self {
            let (old, new) = (Arc::<Shared>::default(), Arc::<Shared>::default());
            let legacy = Kept::new("use", "plugin", old.clone());
            Self { old, new, legacy, inheritance: Inheritance::default() }
        }

        /// By way of text, as it goes.
        fn pass(&mut self) {
            for part in self.legacy.changes() {
                let text = serde_json::to_string(&part).expect("text");
                self.inheritance.add(serde_json::from_str(&text).expect("a part"));
            }
        }

        fn all(&mut self) -> (usize, usize) {
            self.inheritance.begin_again();
            self.legacy = Kept::new("use", "plugin", self.old.clone());
            self.pass();
            self.inheritance.is_complete()
        }

        fn give(&self) {
            let uses = ["use", "other"].map(|name| (name.into(), "plugin".into(), self.new.clone()));
            self.inheritance.give_to(uses.into_iter().take(1));
        }

        fn entry(&self, key: &str) -> Option<Vec<u8>> {
            self.new.store.get(key, Instant::now()).map(|(value, _)| value.to_vec())
        }

        fn cell(&self) -> i64 {
            self.new.cells.open("cell", -1).expect("a cell").load(Ordering::SeqCst)
        }
    }

    #[test]
    fn what_is_kept_comes_before_and_after_the_uses_are_there() {
        let mut two = Two::new();
        let cell = two.old.cells.open("cell", 7).expect("a cell");
        let large = vec![0xfe; 60 * 1024];
        for number in 0..20 {
            two.old.store.set(&format!("k{number}"), large.clone(), 0, None, Instant::now()).expect("room");
        }
        two.old.store.set("short", b"lived".to_vec(), 60_000, None, Instant::now()).expect("room");
        assert_eq!(two.all(), (0, 0));
        assert!(two.legacy.version > 0 && two.entry("k3").is_none());
        two.give();
        assert_eq!((two.entry("k3"), two.entry("k19"), two.cell()), (Some(large.clone()), Some(large), 7));

        // Once more, with what has changed since, and without what is gone.
        cell.store(9, Ordering::SeqCst);
        two.old.store.remove("k3");
        two.old.store.set("k4", b"new".to_vec(), 0, None, Instant::now()).expect("room");
        assert_eq!(two.all(), (1, 20));
        assert_eq!((two.entry("k3"), two.entry("k4"), two.cell()), (None, Some(b"new".to_vec()), 9));
        assert_eq!(two.entry("short"), Some(b"lived".to_vec()));
    }

    #[test]
    fn what_changes_follows_unless_the_new_one_has_written_it() {
        let mut two = Two::new();
        let (cell, set) =
            (two.old.cells.open("cell", 1).expect("a cell"), |shared: &Shared, key: &str, value: &str| {
                shared.store.set(key, value.into(), 0, None, Instant::now()).expect("room");
            });
        set(&two.old, "both", "old");
        set(&two.old, "gone", "old");
        two.give();
        assert_eq!(two.all(), (1, 2));
        set(&two.new, "both", "new");
        two.new.store.remove("gone");
        for value in ["once", "twice"] {
            for key in ["both", "gone", "late"] {
                set(&two.old, key, value);
            }
            cell.fetch_add(1, Ordering::SeqCst);
            two.pass();
            assert_eq!(two.entry("late"), Some(value.into()));
            assert_eq!((two.entry("both"), two.entry("gone")), (Some(b"new".to_vec()), None));
        }
        assert_eq!(two.cell(), 3);
        two.new.cells.open("cell", 0).expect("a cell").store(100, Ordering::SeqCst);
        cell.fetch_add(1, Ordering::SeqCst);
        two.pass();
        assert_eq!(two.cell(), 100);
        assert_eq!(two.legacy.changes().count(), 0, "nothing is told twice");
    }

    #[test]
    fn another_plugin_of_that_name_gets_nothing() {
        let mut two = Two::new();
        two.old.store.set("key", vec![1], 0, None, Instant::now()).expect("room");
        two.inheritance.give_to([("use".into(), "another".into(), two.new.clone())].into_iter());
        assert_eq!((two.all(), two.entry("key")), ((0, 0), None));
    }
}
