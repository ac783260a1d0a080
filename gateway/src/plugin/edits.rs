//! What a guest wants changed: checked when it asks, collected, and applied by the host once the call has given a valid
//! answer. Also the one place that turns header bytes into guest text and back.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::bindings::sluice::plugin::types::EditError;
use super::context::ResponseHead;
use crate::message::{RequestHead, fields, target};

/// Most edits of one call.
const MOST_EDITS: usize = 64;
/// Longest body of a reply.
const MOST_BODY: usize = 64 * 1024;

/// Bytes of a field as guest text: byte n is U+00nn (isomorphic decoding), so nothing is lost.
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(ascii) if bytes.is_ascii() => ascii.to_owned(),
        _ => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// The way back; none for a character above U+00FF.
fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// One change of a field.
#[derive(Debug, Clone)]
pub(super) enum FieldEdit {
    Set(HeaderName, HeaderValue),
    Append(HeaderName, HeaderValue),
    Remove(HeaderName),
}

/// A change that was checked in `configure`.
pub(super) type PreparedEdit = FieldEdit;

impl FieldEdit {
    fn apply(self, headers: &mut HeaderMap) {
        match self {
            FieldEdit::Set(name, value) => drop(headers.insert(name, value)),
            FieldEdit::Append(name, value) => drop(headers.append(name, value)),
            FieldEdit::Remove(name) => drop(headers.remove(name)),
        }
    }

    /// Bytes of name and value.
    pub(super) fn size(&self) -> usize {
        match self {
            FieldEdit::Set(name, value) | FieldEdit::Append(name, value) => name.as_str().len() + value.len(),
            FieldEdit::Remove(name) => name.as_str().len(),
        }
    }
}

/// A field name that a plugin may write.
pub(super) fn writable_name(name: &str) -> Result<HeaderName, EditError> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| EditError::Invalid)?;
    if fields::writable(&name) { Ok(name) } else { Err(EditError::Forbidden) }
}

/// A field value: no CR, LF, NUL or other control character. Blanks around it are none of it (RFC 9110 §5.5), and make a message
/// of HTTP/2 that must be refused (RFC 9113 §8.2.1).
pub(super) fn value(value: &str) -> Result<HeaderValue, EditError> {
    let value = value.trim_matches([' ', '\t']);
    let parsed = if value.is_ascii() {
        HeaderValue::from_str(value).ok()
    } else {
        bytes(value).and_then(|bytes| HeaderValue::from_maybe_shared(Bytes::from(bytes)).ok())
    };
    parsed.ok_or(EditError::Invalid)
}

/// A reply that a routing plugin decided on.
#[derive(Debug, Default)]
pub struct Reply {
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What one call wants changed.
#[derive(Debug)]
pub(super) struct Edits {
    /// Bytes of names and values in one call.
    most: usize,
    fields: Vec<FieldEdit>,
    target: Option<PathAndQuery>,
    status: Option<StatusCode>,
    reply: Reply,
    count: usize,
    size: usize,
}

impl Edits {
    /// For a use that may write so many bytes of names and values in one call.
    pub(super) fn new(most: usize) -> Self {
        Self { most, fields: Vec::new(), target: None, status: None, reply: Reply::default(), count: 0, size: 0 }
    }

    /// Forgets what the last call wanted; keeps the memory.
    pub(super) fn clear(&mut self) {
        if self.count > 0 || !self.reply.body.is_empty() {
            self.fields.clear();
            self.target = None;
            self.status = None;
            self.reply = Reply::default();
            self.count = 0;
            self.size = 0;
        }
    }

    pub(super) fn set(&mut self, name: &str, to: &str) -> Result<(), EditError> {
        self.push(FieldEdit::Set(writable_name(name)?, value(to)?))
    }

    pub(super) fn append(&mut self, name: &str, to: &str) -> Result<(), EditError> {
        self.push(FieldEdit::Append(writable_name(name)?, value(to)?))
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<(), EditError> {
        self.push(FieldEdit::Remove(writable_name(name)?))
    }

    pub(super) fn apply_prepared(&mut self, prepared: &[PreparedEdit]) -> Result<(), EditError> {
        prepared.iter().try_for_each(|edit| self.push(edit.clone()))
    }

    pub(super) fn set_target(&mut self, to: &str) -> Result<(), EditError> {
        self.charge(to.len())?;
        self.target = Some(target::parse(to).map_err(|_| EditError::Invalid)?);
        Ok(())
    }

    /// `now`: the status that the response has.
    pub(super) fn set_status(&mut self, now: StatusCode, to: u16) -> Result<(), EditError> {
        let to = StatusCode::from_u16(to).map_err(|_| EditError::Invalid)?;
        if !(200..=599).contains(&to.as_u16()) {
            return Err(EditError::Invalid);
        }
        // Framing hangs on these: a body may or may not follow.
        let framing = |status: StatusCode| matches!(status.as_u16(), 100..=199 | 204 | 205 | 304);
        if to != now && (framing(now) || framing(to)) {
            return Err(EditError::Forbidden);
        }
        self.charge(0)?;
        self.status = Some(to);
        Ok(())
    }

    pub(super) fn set_reply_header(&mut self, name: &str, to: &str) -> Result<(), EditError> {
        let edit = FieldEdit::Set(writable_name(name)?, value(to)?);
        self.charge(edit.size())?;
        edit.apply(&mut self.reply.headers);
        Ok(())
    }

    pub(super) fn set_reply_body(&mut self, body: Vec<u8>) -> Result<(), EditError> {
        if body.len() > MOST_BODY {
            return Err(EditError::TooLarge);
        }
        self.reply.body = Bytes::from(body);
        Ok(())
    }

    /// Applies what a routing call wanted.
    pub(super) fn apply_to_request(&mut self, head: &mut RequestHead) {
        for edit in self.fields.drain(..) {
            edit.apply(&mut head.headers);
        }
        if let Some(target) = self.target.take() {
            head.target = target;
        }
    }

    /// Applies what a response call wanted.
    pub(super) fn apply_to_response(&mut self, head: &mut ResponseHead) {
        for edit in self.fields.drain(..) {
            edit.apply(&mut head.headers);
        }
        if let Some(status) = self.status.take() {
            head.status = status;
        }
    }

    /// What goes with a `reply`.
    pub(super) fn take_reply(&mut self) -> Reply {
        std::mem::take(&mut self.reply)
    }

    fn push(&mut self, edit: FieldEdit) -> Result<(), EditError> {
        self.charge(edit.size())?;
        self.fields.push(edit);
        Ok(())
    }

    fn charge(&mut self, size: usize) -> Result<(), EditError> {
        if self.count >= MOST_EDITS || self.size + size > self.most {
            return Err(EditError::TooLarge);
        }
        self.count += 1;
        self.size += size;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_line_without_blanks_around_it() {
        let good: [(&str, &[u8]); 5] =
            [("a b", b"a b"), (" a\t", b"a"), ("\t", b""), ("a\tb", b"a\tb"), ("\u{e9} ", b"\xe9")];
        for (text, expected) in good {
            assert_eq!(value(text).map(|value| value.as_bytes().to_vec()).ok().as_deref(), Some(expected), "{text:?}");
        }
        for text in ["a\r\nb", "a\n", "\0", "\u{7f}", "\u{100}"] {
            assert!(value(text).is_err(), "{text:?}");
        }
    }
}
