//! What is wrong with a configuration: where it stands and what to do about it. Nothing here stops at the first mistake;
//! `shape` and `resolve` add to one [`Report`], which knows the line of every key.

use std::fmt;

use super::document::Node;

/// One mistake in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// The way from the root of a document to one of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// The whole document.
    pub(super) fn root() -> KeyPath {
        KeyPath::default()
    }

    pub(super) fn key(&self, key: &str) -> KeyPath {
        self.with(Step::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> KeyPath {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> KeyPath {
        let mut steps = self.0.clone();
        steps.push(step);
        KeyPath(steps)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// For people: `route[0].match.headers."x.y"`.
    pub(super) fn dotted(&self) -> String {
        self.joined(true)
    }

    /// The same for every member of a list: `route.match`.
    pub(super) fn kind(&self) -> String {
        self.joined(false)
    }

    fn joined(&self, with_indices: bool) -> String {
        let mut text = String::new();
        for step in &self.0 {
            match step {
                Step::Index(index) if with_indices => text.push_str(&format!("[{index}]")),
                Step::Index(_) => {}
                Step::Key(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '$');
                    if !key.is_empty() && key.chars().all(plain) {
                        text.push_str(key);
                    } else {
                        text.push_str(&format!("{key:?}"));
                    }
                }
            }
        }
        text
    }

    /// As a JSON Pointer (RFC 6901): `/route/0/match`.
    pub(super) fn pointer(&self) -> String {
        let mut text = String::new();
        for step in &self.0 {
            match step {
                Step::Key(key) => text.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
                Step::Index(index) => text.push_str(&format!("/{index}")),
            }
        }
        text
    }

    /// Whether one of the two contains the other.
    fn meets(&self, other: &KeyPath) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine == theirs)
    }
}

/// Collects problems while a document is read.
pub(super) struct Report<'a> {
    file: &'a str,
    document: &'a Node,
    found: Vec<(KeyPath, Problem)>,
    /// The first so many concern the document's shape.
    shape: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a str, document: &'a Node) -> Report<'a> {
        Report { file, document, found: Vec::new(), shape: 0 }
    }

    /// Adds a problem, unless it only follows from one with the shape of the same value.
    pub(super) fn add(&mut self, at: &KeyPath, message: impl Into<String>) {
        if !self.found[..self.shape].iter().any(|(path, _)| path.meets(at)) {
            let problem = Problem {
                file: self.file.to_owned(),
                line: self.document.line_of(at),
                key: at.dotted(),
                message: message.into(),
            };
            self.found.push((at.clone(), problem));
        }
    }

    /// Ends the look at the shape: what is added from here on is about meaning.
    pub(super) fn shape_is_done(&mut self) {
        self.shape = self.found.len();
    }

    /// Whether nothing was found in this value, in what contains it, or in what it contains.
    pub(super) fn is_sound(&self, at: &KeyPath) -> bool {
        !self.found.iter().any(|(path, _)| path.meets(at))
    }

    pub(super) fn line_of(&self, at: &KeyPath) -> usize {
        self.document.line_of(at)
    }

    /// What was found, by line; `Ok` if that is nothing.
    pub(super) fn finish(self) -> Result<(), Problems> {
        let mut problems: Vec<Problem> = self.found.into_iter().map(|(_, problem)| problem).collect();
        problems.sort_by_key(|problem| problem.line);
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }
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
    fn a_path_is_written_in_two_ways() {
        let path = KeyPath::root().key("route").index(2).key("match").key("headers").key("x/y.z");
        assert_eq!(path.dotted(), "route[2].match.headers.\"x/y.z\"");
        assert_eq!(path.pointer(), "/route/2/match/headers/x~1y.z");
        assert_eq!(KeyPath::root().key("route").index(2).key("match").kind(), "route.match");
        assert_eq!(KeyPath::root().dotted(), "");
    }

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
