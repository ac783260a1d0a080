//! From checks to a verdict: so many in a row. Pure.

use crate::endpoint::CheckVerdict;

/// What checks of one endpoint have come to so far.
#[derive(Debug)]
pub(super) struct Tally {
    verdict: CheckVerdict,
    /// Checks in a row that speak against the verdict.
    against: u32,
}

impl Tally {
    /// Goes on from a verdict.
    pub(super) fn new(verdict: CheckVerdict) -> Self {
        Self { verdict, against: 0 }
    }

    /// Takes one more check; the new verdict if that changes it. Where nothing is known yet, one check is enough.
    pub(super) fn take(&mut self, is_good: bool, healthy_after: u32, unhealthy_after: u32) -> Option<CheckVerdict> {
        let (found, needed) = match is_good {
            true => (CheckVerdict::Good, healthy_after),
            false => (CheckVerdict::Bad, unhealthy_after),
        };
        if found == self.verdict {
            self.against = 0;
            return None;
        }
        self.against = self.against.saturating_add(1);
        if self.verdict != CheckVerdict::Unknown && self.against < needed {
            return None;
        }
        *self = Self::new(found);
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts after each check, `+` and `-`: `?` unknown, `g` good, `b` bad.
    fn verdicts(from: CheckVerdict, checks: &str) -> String {
        let mut tally = Tally::new(from);
        let after = checks.chars().map(|check| {
            let before = tally.verdict;
            let changed = tally.take(check == '+', 2, 3);
            assert_eq!(changed, (tally.verdict != before).then_some(tally.verdict));
            match tally.verdict {
                CheckVerdict::Unknown => '?',
                CheckVerdict::Good => 'g',
                CheckVerdict::Bad => 'b',
            }
        });
        after.collect()
    }

    #[test]
    fn so_many_in_a_row_change_the_verdict() {
        use CheckVerdict::{Bad, Good, Unknown};
        let cases = [
            (Unknown, "+", "g"),
            (Unknown, "-", "b"),
            (Unknown, "-+-++", "bbbbg"),
            (Good, "---", "ggb"),
            (Good, "--+--+---", "ggggggggb"),
            (Bad, "+-+-++", "bbbbbg"),
            (Bad, "++--", "bggg"),
        ];
        for (from, checks, expected) in cases {
            assert_eq!(verdicts(from, checks), expected, "{checks}");
        }
        assert_eq!(Tally::new(Good).take(false, 1, 1), Some(Bad));
    }
}
