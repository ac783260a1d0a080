//! Mistakes in a configuration, each with its place, so that all of them can be shown at once.

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where: a JSON Pointer (RFC 6901) into the configuration, empty for the whole.
    pub at: String,
    /// What is wrong and what was expected, without the place.
    pub message: String,
}

/// Mistakes found in a configuration. Collect them with [`add`](Self::add), and end with [`result`](Self::result):
///
/// ```
/// # use sluice_plugin::Issues;
/// # fn check(low: u32, high: u32) -> Result<(), Issues> {
/// let mut issues = Issues::new();
/// if low > high {
///     issues.add("/low", format!("{low} is above `high`, which is {high}"));
/// }
/// issues.result()
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issues(Vec<Issue>);

impl Issues {
    /// None so far.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Just this one.
    pub fn one(at: impl Into<String>, message: impl Into<String>) -> Self {
        let mut issues = Self::new();
        issues.add(at, message);
        issues
    }

    /// Adds a mistake; `at` is a JSON Pointer, see [`pointer()`].
    pub fn add(&mut self, at: impl Into<String>, message: impl Into<String>) {
        self.0.push(Issue { at: at.into(), message: message.into() });
    }

    /// True if there are none so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Ok` if there are none.
    pub fn result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The mistakes, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Issue> {
        self.0.iter()
    }
}

impl IntoIterator for Issues {
    type Item = Issue;
    type IntoIter = std::vec::IntoIter<Issue>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The JSON Pointer of those steps: `pointer(["shares", "a/b"])` is `/shares/a~1b`.
pub fn pointer<'a>(steps: impl IntoIterator<Item = &'a str>) -> String {
    let mut pointer = String::new();
    for step in steps {
        pointer.push('/');
        for character in step.chars() {
            match character {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                other => pointer.push(other),
            }
        }
    }
    pointer
}
