//! The configuration of the session table, and where messages carry the session that it names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::{HumanDuration, Issues, Request, ResponseHead, is_field_name};
use std::time::Duration;

/// What carries a session, and how long it is kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    /// What carries the session's id.
    pub(crate) session: Carrier,
    /// How long a session is kept without a request.
    pub(crate) ttl: HumanDuration,
}

/// What carries a session's id, both ways.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Carrier {
    /// A cookie of that name, that the backend sets.
    Cookie(String),
    /// A field of that name: in the answer that begins the session, and in each request of it.
    Header(String),
}

impl Default for Config {
    fn default() -> Self {
        Self { session: Carrier::Cookie("JSESSIONID".into()), ttl: HumanDuration(Duration::from_hours(1)) }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), Issues> {
        let mut issues = Issues::new();
        let (at, name) = match &self.session {
            Carrier::Cookie(name) => ("/session/cookie", name),
            Carrier::Header(name) => ("/session/header", name),
        };
        if !is_field_name(name) {
            issues.add(at, "expected letters, digits, or any of !#$%&'*+-.^_`|~");
        }
        if self.ttl.0 < Duration::from_secs(1) {
            issues.add("/ttl", "expected at least one second");
        }
        issues.result()
    }
}

impl Carrier {
    /// The session that a request belongs to.
    pub(crate) fn in_request(&self, request: &Request) -> Option<String> {
        let id = match self {
            Self::Cookie(name) => request.cookie(name),
            Self::Header(name) => request.header(name),
        };
        id.filter(|id| !id.is_empty())
    }

    /// The session that the backend begins, or goes on with, by this answer. An empty value ends one.
    pub(crate) fn in_response(&self, head: &ResponseHead) -> Option<String> {
        let id = match self {
            Self::Cookie(name) => head.header_values("set-cookie").iter().find_map(|field| cookie_value(field, name)),
            Self::Header(name) => head.header(name),
        };
        id.filter(|id| !id.is_empty())
    }
}

/// The value in a `Set-Cookie` field, if it sets the cookie of that name.
fn cookie_value(field: &str, cookie: &str) -> Option<String> {
    let (name, value) = field.split(';').next()?.split_once('=')?;
    (name.trim() == cookie).then(|| value.trim().into())
}
