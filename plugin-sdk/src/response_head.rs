//! The head of the response on its way to the client.

use crate::{EditError, Prepared, host};

/// The head of the final response (once for upgrades too; never for 1xx). Edits show in the getters of later calls only.
/// At most 64 edits and 16 KiB of names and values a call, else [`EditError::TooLarge`]; [`EditError::Invalid`] for what
/// HTTP does not allow, [`EditError::Forbidden`] for framing, hop-by-hop and pseudo fields.
#[derive(Debug)]
#[repr(transparent)]
pub struct ResponseHead(host::types::ResponseHead);

impl ResponseHead {
    /// Lends the host's handle under this name.
    pub(crate) fn lend(handle: &host::types::ResponseHead) -> &Self {
        // Sound because `Self` has the layout of its one field (`repr(transparent)`), and the lifetime stays.
        unsafe { &*std::ptr::from_ref(handle).cast::<Self>() }
    }

    /// The status, 200 to 599.
    pub fn status(&self) -> u16 {
        self.0.status()
    }

    /// Stable id of the endpoint that answered; none where the gateway itself answers.
    pub fn endpoint_id(&self) -> Option<String> {
        self.0.endpoint_id()
    }

    /// The first field of that name, any case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.0.header(name)
    }

    /// All fields of that name, in order.
    pub fn header_values(&self, name: &str) -> Vec<String> {
        self.0.header_values(name)
    }

    /// Changes the status. To and from 1xx, 204, 205 and 304 is [`EditError::Forbidden`].
    pub fn set_status(&self, status: u16) -> Result<(), EditError> {
        self.0.set_status(status)
    }

    /// Sets one field in place of all fields of that name.
    pub fn set_header(&self, name: &str, value: &str) -> Result<(), EditError> {
        self.0.set_header(name, value)
    }

    /// Adds a field after those of that name.
    pub fn append_header(&self, name: &str, value: &str) -> Result<(), EditError> {
        self.0.append_header(name, value)
    }

    /// Removes all fields of that name; no error if there is none.
    pub fn remove_header(&self, name: &str) -> Result<(), EditError> {
        self.0.remove_header(name)
    }

    /// Makes the edits that [`Setup::prepare`](crate::Setup::prepare) registered, in one call and without copying them.
    pub fn apply(&self, prepared: Prepared) -> Result<(), EditError> {
        self.0.apply(prepared.0)
    }
}
