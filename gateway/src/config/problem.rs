//! What is wrong with a configuration: where it stands and what to do about it. Nothing here stops at the first mistake;
//! `shape` and `resolve` add to one [`Report`].

use std::collections::HashSet;
use std::fmt;

use super::key_path::KeyPath;
use super::places::Places;

/// One mistake in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The file, as it was named to the program.
    pub file: String,
    /// Line, from 1; 0 if the mistake belongs to no line.
    pub line: usize,
    /// The key, as in `route[0].upstream`; empty if it belongs to none.
    pub key: String,
    /// What is wrong, and where it can be said, what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// All mistakes of one configuration file, by line; never empty. Prints one line for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Problems {
    /// One that belongs to no line.
    pub fn of(file: &str, message: String) -> Problems {
        Problems(vec![Problem { file: file.to_owned(), line: 0, key: String::new(), message }])
    }

    /// The first ones in one line, and how many there are besides.
    pub fn briefly(&self) -> String {
        const TOLD: usize = 3;
        let told: Vec<String> = self.0.iter().take(TOLD).map(ToString::to_string).collect();
        match self.0.len().saturating_sub(TOLD) {
            0 => told.join("; "),
            more => format!("{}; and {more} more", told.join("; ")),
        }
    }

    /// By line, each once.
    pub fn new(mut problems: Vec<Problem>) -> Problems {
        problems.sort_by_key(|problem| problem.line);
        let mut told = HashSet::with_capacity(problems.len());
        problems.retain(|problem| told.insert(problem.clone()));
        Problems(problems)
    }
}

/// Collects problems while a document is read.
pub(super) struct Report<'a> {
    pub(super) places: &'a Places,
    found: Vec<(KeyPath, Problem)>,
    /// The first so many concern the document's shape.
    shape: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(places: &'a Places) -> Report<'a> {
        Report { places, found: Vec::new(), shape: 0 }
    }

    /// Adds a problem, unless it only follows from one with the shape of the same value.
    pub(super) fn add(&mut self, at: &KeyPath, message: impl Into<String>) {
        if !self.found.iter().take(self.shape).any(|(path, _)| path.meets(at)) {
            self.found.push((at.clone(), self.places.problem(at, message)));
        }
    }

    /// Ends the look at the shape: what is added from here on is about meaning.
    pub(super) fn shape_is_done(&mut self) {
        self.shape = self.found.len();
    }

    /// Whether nothing was found in this value, in what contains it, or in what it contains.
    pub(super) fn is_sound(&self, at: &KeyPath) -> bool {
        is_sound(&self.found, at)
    }

    pub(super) fn finish(self) -> Vec<(KeyPath, Problem)> {
        self.found
    }
}

pub(super) fn is_sound(found: &[(KeyPath, Problem)], at: &KeyPath) -> bool {
    !found.iter().any(|(path, _)| path.meets(at))
}

/// The candidate that `word` was probably meant to be, as the end of a message; empty if none is close.
pub(super) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let distance = |candidate: &str| strsim::osa_distance(&word.to_lowercase(), &candidate.to_lowercase());
    let tolerated = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| !candidate.is_empty())
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerated && *distance < word.chars().count())
        .min()
        .map(|(_, candidate)| format!("; did you mean {candidate:?}?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_if_it_is_near() {
        let cases = [
            ("ap", "; did you mean \"app\"?"),
            ("upsteam", "; did you mean \"upstream\"?"),
            ("Upstream", "; did you mean \"upstream\"?"),
            ("strip_prefix", "; did you mean \"strip-prefix\"?"),
            ("colour", ""),
            ("", ""),
        ];
        for (word, expected) in cases {
            assert_eq!(did_you_mean(word, ["app", "upstream", "strip-prefix", ""]), expected, "{word}");
        }
    }
}
