//! The handles of requests and response heads.

use super::current;
use crate::{
    BodyPrefix, Edit, EditError, KeySource,
    fake::{
        self, Head,
        fields::{Change, Changes},
    },
    stable_hash,
};
use std::net::IpAddr;

#[derive(Debug)]
pub(crate) struct Request {
    request: fake::Request,
    seed: u64,
    /// In the routing hook: how many bytes of the body are held. Elsewhere a request cannot be edited.
    routing: Option<usize>,
    changes: Changes,
}

impl Request {
    pub(in crate::fake) fn new(request: fake::Request, seed: u64, routing: Option<usize>) -> Self {
        Self { request, seed, routing, changes: Changes::default() }
    }

    pub(in crate::fake) fn into_changes(self) -> Vec<Change> {
        self.changes.into_inner()
    }

    fn edit(&self, change: Change) -> Result<(), EditError> {
        if self.routing.is_none() {
            return Err(EditError::ReadOnly);
        }
        self.changes.add(change)
    }

    pub(crate) fn method(&self) -> String {
        self.request.method.clone()
    }

    pub(crate) fn scheme(&self) -> String {
        self.request.scheme.clone()
    }

    pub(crate) fn authority(&self) -> String {
        self.request.authority.clone()
    }

    pub(crate) fn path(&self) -> String {
        self.request.path.clone()
    }

    pub(crate) fn query(&self) -> Option<String> {
        self.request.query.clone()
    }

    pub(crate) fn query_param(&self, name: &str) -> Option<String> {
        self.request.find_query_param(name)
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.request.fields.first(name).map(str::to_owned)
    }

    pub(crate) fn header_values(&self, name: &str) -> Vec<String> {
        owned(&self.request.fields.all(name))
    }

    pub(crate) fn header_names(&self) -> Vec<String> {
        self.request.fields.names()
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.request.find_cookie(name).map(str::to_owned)
    }

    pub(crate) fn client_ip(&self) -> (u64, u64) {
        let bits = match self.request.client_ip {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        };
        ((bits >> 64) as u64, bits as u64)
    }

    pub(crate) fn tls_server_name(&self) -> Option<String> {
        self.request.tls_server_name.clone()
    }

    pub(crate) fn key(&self, source: &KeySource) -> Option<u64> {
        self.request.key(source, self.seed)
    }

    pub(crate) fn body_prefix(&self) -> BodyPrefix {
        let bytes = self.request.body[..self.routing.unwrap_or(0)].to_vec();
        BodyPrefix { complete: bytes.len() == self.request.body.len(), bytes }
    }

    pub(crate) fn set_header(&self, name: &str, value: &str) -> Result<(), EditError> {
        self.edit(Change::Set(name.into(), value.into()))
    }

    pub(crate) fn append_header(&self, name: &str, value: &str) -> Result<(), EditError> {
        self.edit(Change::Append(name.into(), value.into()))
    }

    pub(crate) fn remove_header(&self, name: &str) -> Result<(), EditError> {
        self.edit(Change::Remove(name.into()))
    }

    pub(crate) fn set_path_and_query(&self, value: &str) -> Result<(), EditError> {
        self.edit(Change::PathAndQuery(value.into()))
    }

    pub(crate) fn set_reply_header(&self, name: &str, value: &str) -> Result<(), EditError> {
        self.edit(Change::ReplyHeader(name.into(), value.into()))
    }

    pub(crate) fn set_reply_body(&self, body: &[u8]) -> Result<(), EditError> {
        self.edit(Change::ReplyBody(body.into()))
    }
}

impl fake::Request {
    /// As the contract says, but hashed with this crate's own hash: what a test may rely on is that equal requests
    /// have equal keys.
    pub(in crate::fake) fn key(&self, source: &KeySource, seed: u64) -> Option<u64> {
        let (kind, name, value) = match source {
            KeySource::ClientIp => ("client-ip", "", Some(self.client_ip.to_string())),
            KeySource::Authority => ("authority", "", Some(self.authority.clone())),
            KeySource::Path => ("path", "", Some(self.path.clone())),
            KeySource::Header(name) => ("header", name.as_str(), self.fields.first(name).map(str::to_owned)),
            KeySource::Cookie(name) => ("cookie", name.as_str(), self.find_cookie(name).map(str::to_owned)),
            KeySource::QueryParam(name) => ("query-param", name.as_str(), self.find_query_param(name)),
        };
        value.map(|value| stable_hash(seed, format!("{kind}\0{name}\0{value}").as_bytes()))
    }
}

#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(in crate::fake) head: Head,
    pub(in crate::fake) endpoint_id: Option<String>,
    pub(in crate::fake) changes: Changes,
}

impl ResponseHead {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    pub(crate) fn endpoint_id(&self) -> Option<String> {
        self.endpoint_id.clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.header(name).map(str::to_owned)
    }

    pub(crate) fn header_values(&self, name: &str) -> Vec<String> {
        owned(&self.head.fields.all(name))
    }

    pub(crate) fn set_status(&self, status: u16) -> Result<(), EditError> {
        if matches!(self.head.status, 204 | 205 | 304) {
            return Err(EditError::Forbidden);
        }
        self.changes.add(Change::Status(status))
    }

    pub(crate) fn set_header(&self, name: &str, value: &str) -> Result<(), EditError> {
        self.changes.add(Change::Set(name.into(), value.into()))
    }

    pub(crate) fn append_header(&self, name: &str, value: &str) -> Result<(), EditError> {
        self.changes.add(Change::Append(name.into(), value.into()))
    }

    pub(crate) fn remove_header(&self, name: &str) -> Result<(), EditError> {
        self.changes.add(Change::Remove(name.into()))
    }

    pub(crate) fn apply(&self, prepared: u32) -> Result<(), EditError> {
        let edits = current(|call| call.asked.prepared.get(prepared as usize).cloned());
        for edit in edits.ok_or(EditError::Invalid)? {
            self.changes.add(change(edit))?;
        }
        Ok(())
    }
}

/// Traps, as `setup.prepare` does, on what is not legal.
pub(super) fn check(edits: &[Edit]) {
    let changes = Changes::default();
    for edit in edits {
        changes.add(change(edit.clone())).unwrap_or_else(|error| panic!("{edit:?} is {error}"));
    }
}

fn change(edit: Edit) -> Change {
    match edit {
        Edit::Set((name, value)) => Change::Set(name, value),
        Edit::Append((name, value)) => Change::Append(name, value),
        Edit::Remove(name) => Change::Remove(name),
    }
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.into()).collect()
}
