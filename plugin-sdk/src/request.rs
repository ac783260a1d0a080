//! The request in hand: nothing is copied until a getter is called.

use crate::{BodyPrefix, EditError, KeySource, host};
use std::net::{IpAddr, Ipv6Addr};

/// The request of this call. A getter that copies text costs about 150 ns, so ask only for what decides. Header text is
/// isomorphic: byte n is U+00nn, and nothing is lost.
///
/// Edits are the routing hook's; elsewhere they fail with [`EditError::ReadOnly`]. They take effect when the call returns a
/// valid answer: getters of this call show the request without them, later hooks see them. At most 64 edits and 16 KiB of
/// names and values a call, else [`EditError::TooLarge`]; [`EditError::Invalid`] for what HTTP does not allow,
/// [`EditError::Forbidden`] for framing, hop-by-hop and pseudo fields and what the gateway itself sets.
#[derive(Debug)]
#[repr(transparent)]
pub struct Request(host::types::Request);

impl Request {
    /// Lends the host's handle under this name.
    pub(crate) fn lend(handle: &host::types::Request) -> &Self {
        // Sound because `Self` has the layout of its one field (`repr(transparent)`), and the lifetime stays.
        unsafe { &*std::ptr::from_ref(handle).cast::<Self>() }
    }

    /// The host's handle, for questions that name a request.
    pub(crate) fn handle(&self) -> &host::types::Request {
        &self.0
    }

    /// The method, case kept: methods are case-sensitive.
    pub fn method(&self) -> String {
        self.0.method()
    }

    /// `http` or `https`, as the client spoke to this gateway or to a trusted proxy before it.
    pub fn scheme(&self) -> String {
        self.0.scheme()
    }

    /// Host, and port if the client named one, in lower case.
    pub fn authority(&self) -> String {
        self.0.authority()
    }

    /// The path in its normal form, before the route's `rewrite`: begins with `/`, dot segments removed.
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// What follows `?`, as it was sent; none without `?`.
    pub fn query(&self) -> Option<String> {
        self.0.query()
    }

    /// The first parameter of that name, percent-decoded (`+` is a space); none if absent. Invalid UTF-8 is replaced.
    pub fn query_param(&self, name: &str) -> Option<String> {
        self.0.query_param(name)
    }

    /// The first field of that name, any case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.0.header(name)
    }

    /// All fields of that name, in order.
    pub fn header_values(&self, name: &str) -> Vec<String> {
        self.0.header_values(name)
    }

    /// Every field name once, in lower case.
    pub fn header_names(&self) -> Vec<String> {
        self.0.header_names()
    }

    /// The first cookie of that name, exact case, from all `cookie` fields in order.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.0.cookie(name)
    }

    /// The client's address, after trusted proxies.
    pub fn client_ip(&self) -> IpAddr {
        let (high, low) = self.0.client_ip();
        Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).to_canonical()
    }

    /// The name that the client asked for in the TLS handshake; none over plain TCP or without SNI.
    pub fn tls_server_name(&self) -> Option<String> {
        self.0.tls_server_name()
    }

    /// The affinity key from one source, 64 bits; none if the request does not have it. One that every request needs is
    /// cheaper through [`Setup::want_key`](crate::Setup::want_key).
    pub fn key(&self, source: &KeySource) -> Option<u64> {
        self.0.key(source)
    }

    /// The first bytes of the body, as many as [`Setup::hold_body`](crate::Setup::hold_body) asked for; in the routing hook
    /// only, empty elsewhere.
    pub fn body_prefix(&self) -> BodyPrefix {
        self.0.body_prefix()
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

    /// Replaces path and query; begins with `/`. The path is put into normal form. The route is not matched again, and its
    /// `rewrite` comes last.
    pub fn set_path_and_query(&self, value: &str) -> Result<(), EditError> {
        self.0.set_path_and_query(value)
    }

    /// For a reply decided in this call: a header field of it. Ignored with any other decision.
    pub fn set_reply_header(&self, name: &str, value: &str) -> Result<(), EditError> {
        self.0.set_reply_header(name, value)
    }

    /// For a reply decided in this call: its body, at most 64 KiB. Ignored with any other decision.
    pub fn set_reply_body(&self, body: &[u8]) -> Result<(), EditError> {
        self.0.set_reply_body(body)
    }
}
