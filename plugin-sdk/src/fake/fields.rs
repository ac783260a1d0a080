//! Header fields in order, and the edits of one call: collected, checked as the gateway checks them, and made when the call
//! has returned.

use crate::{EditError, is_field_name, is_field_value, is_forbidden_field};
use std::cell::RefCell;

/// Limits of one call.
const MOST_EDITS: usize = 64;
const MOST_BYTES: usize = 16 * 1024;
const MOST_REPLY_BODY: usize = 64 * 1024;

/// Names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in &self.0 {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    pub(super) fn append(&mut self, name: &str, value: &str) {
        self.0.push((name.to_ascii_lowercase(), value.into()));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.append(name, value);
    }
}

/// One edit of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Set(String, String),
    Append(String, String),
    Remove(String),
    Status(u16),
    PathAndQuery(String),
    ReplyHeader(String, String),
    ReplyBody(Vec<u8>),
}

impl Change {
    fn check(&self) -> Result<usize, EditError> {
        match self {
            Self::Set(name, value) | Self::Append(name, value) | Self::ReplyHeader(name, value) => {
                check_name(name)?;
                if is_field_value(value) { Ok(name.len() + value.len()) } else { Err(EditError::Invalid) }
            }
            Self::Remove(name) => check_name(name).map(|()| name.len()),
            Self::Status(status) if !(100..600).contains(status) => Err(EditError::Invalid),
            Self::Status(100..=199 | 204 | 205 | 304) => Err(EditError::Forbidden),
            Self::Status(_) => Ok(0),
            Self::PathAndQuery(path) => {
                let is_legal =
                    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
                if is_legal { Ok(path.len()) } else { Err(EditError::Invalid) }
            }
            Self::ReplyBody(body) if body.len() > MOST_REPLY_BODY => Err(EditError::TooLarge),
            Self::ReplyBody(_) => Ok(0),
        }
    }
}

fn check_name(name: &str) -> Result<(), EditError> {
    if is_forbidden_field(name) {
        return Err(EditError::Forbidden);
    }
    if is_field_name(name) { Ok(()) } else { Err(EditError::Invalid) }
}

/// The edits of one call.
#[derive(Debug, Default)]
pub(super) struct Changes {
    made: RefCell<Vec<Change>>,
    bytes: RefCell<usize>,
}

impl Changes {
    pub(super) fn add(&self, change: Change) -> Result<(), EditError> {
        let bytes = *self.bytes.borrow() + change.check()?;
        let mut made = self.made.borrow_mut();
        if made.len() == MOST_EDITS || bytes > MOST_BYTES {
            return Err(EditError::TooLarge);
        }
        *self.bytes.borrow_mut() = bytes;
        made.push(change);
        Ok(())
    }

    pub(super) fn into_inner(self) -> Vec<Change> {
        self.made.into_inner()
    }
}
