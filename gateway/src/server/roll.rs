//! The roll of a worker's connections, for the moment when there is no room for more: who has idled longest goes first.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::observe::Activity;

/// Between two looks at all connections. Those that were asked to go need time for it.
const PAUSE: Duration = Duration::from_millis(50);

/// Who is there.
#[derive(Debug, Default)]
pub(super) struct Roll {
    present: RefCell<Vec<Rc<Activity>>>,
    looked: Cell<Option<Instant>>,
}

impl Roll {
    /// One more.
    pub(super) fn enter(&self, connection: Rc<Activity>) {
        let mut present = self.present.borrow_mut();
        connection.place.set(present.len());
        present.push(connection);
    }

    /// One less.
    pub(super) fn leave(&self, connection: &Activity) {
        let mut present = self.present.borrow_mut();
        let place = connection.place.get();
        if present.get(place).is_some_and(|there| std::ptr::eq(&**there, connection)) {
            present.swap_remove(place);
            if let Some(moved) = present.get(place) {
                moved.place.set(place);
            }
        }
    }

    /// Asks those without an exchange to go until so many are going, and gives how many were asked. None where it was just done.
    pub(super) fn shed(&self, wanted: usize) -> usize {
        let now = Instant::now();
        if wanted == 0 || self.looked.get().is_some_and(|looked| now.duration_since(looked) < PAUSE) {
            return 0;
        }
        self.looked.set(Some(now));
        let present = self.present.borrow();
        let mut idle: Vec<_> = present.iter().filter_map(|there| Some((there.idle_since()?, there))).collect();
        let going = present.iter().filter(|there| there.is_asked_to_leave()).count();
        let wanted = wanted.saturating_sub(going).min(idle.len());
        if let Some(last) = wanted.checked_sub(1) {
            idle.select_nth_unstable_by_key(last, |(since, _)| *since);
        }
        idle.iter().take(wanted).for_each(|(_, connection)| connection.ask_to_leave());
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_idled_longest_goes_first_and_who_is_busy_stays() {
        let roll = Roll::default();
        let present: Vec<_> = (0..6).map(|_| Activity::start()).collect();
        present.iter().for_each(|connection| roll.enter(connection.clone()));
        let _busy = present[1].begin();
        roll.leave(&present[0]);
        // Twice is once.
        roll.leave(&present[0]);
        present[2].touch();
        let asked = || present.iter().map(|there| there.is_asked_to_leave()).collect::<Vec<_>>();
        assert_eq!((roll.shed(0), roll.shed(2), roll.shed(1)), (0, 2, 0), "one look after the other");
        assert_eq!(asked(), [false, false, false, true, true, false]);
        roll.looked.set(None);
        assert_eq!(roll.shed(10), 2, "who goes already is not asked again");
        assert_eq!(asked(), [false, false, true, true, true, true]);
    }
}
