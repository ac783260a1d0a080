//! The way to a value of a configuration file, and how people write it.

/// The way from the root of a document to one of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// The whole document.
    pub fn root() -> KeyPath {
        KeyPath::default()
    }

    /// One step down into a table.
    pub fn key(&self, key: &str) -> KeyPath {
        self.with(Step::Key(key.to_owned()))
    }

    /// One step down into a list.
    pub fn index(&self, index: usize) -> KeyPath {
        self.with(Step::Index(index))
    }

    pub(super) fn with(&self, step: Step) -> KeyPath {
        let mut steps = self.0.clone();
        steps.push(step);
        KeyPath(steps)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// For people: `route[0].match.headers."x.y"`.
    pub fn dotted(&self) -> String {
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

    /// Whether one of the two contains the other.
    pub(super) fn meets(&self, other: &KeyPath) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine == theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_for_people() {
        let path = KeyPath::root().key("route").index(2).key("match").key("headers").key("x/y.z");
        assert_eq!(path.dotted(), "route[2].match.headers.\"x/y.z\"");
        assert_eq!(KeyPath::root().key("route").index(2).key("match").kind(), "route.match");
        assert_eq!(KeyPath::root().dotted(), "");
    }
}
