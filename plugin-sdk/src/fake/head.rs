//! A response head as a test makes it, and as it is after the plugins.

use super::fields::{Change, Fields};

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub(super) status: u16,
    pub(super) fields: Fields,
}

impl Head {
    /// A head without fields.
    pub fn new(status: u16) -> Self {
        Self { status, fields: Fields::default() }
    }

    /// The same with one more field.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.fields.append(name, value);
        self
    }

    /// Its status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.fields.first(name)
    }

    /// All fields of that name.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        self.fields.all(name)
    }

    pub(super) fn make(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Set(name, value) => self.fields.set(&name, &value),
                Change::Append(name, value) => self.fields.append(&name, &value),
                Change::Remove(name) => self.fields.remove(&name),
                Change::Status(status) => self.status = status,
                Change::PathAndQuery(_) | Change::ReplyHeader(..) | Change::ReplyBody(_) => {
                    unreachable!("a response head has no such edit")
                }
            }
        }
    }
}
