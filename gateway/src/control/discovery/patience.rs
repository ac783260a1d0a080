//! How long to wait after a failure: each time twice as long as before.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_secs(1);
/// The longest one, unless a source has a longer one of its own.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// Waits that grow.
#[derive(Debug)]
pub(super) struct Patience(Duration);

impl Patience {
    /// Before the first failure, or after a success.
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    /// How long to wait this time, `longest` at most.
    pub(super) fn next(&mut self, longest: Duration) -> Duration {
        let now = self.0.min(longest);
        self.0 = longest.min(now * 2);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest() {
        let seconds = Duration::from_secs;
        let mut patience = Patience::new();
        assert_eq!([(); 7].map(|()| patience.next(LONGEST).as_secs()), [1, 2, 4, 8, 16, 30, 30]);
        let short = Duration::from_millis(50);
        assert_eq!((Patience::new().next(short), Patience::new().next(seconds(60))), (short, seconds(1)));
    }
}
