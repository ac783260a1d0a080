//! The configuration of sticky sessions: the cookie's attributes, and which of them do not go together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::{HumanDuration, Issues, is_field_name, is_field_value};
use std::time::Duration;

/// How long a session without a request lasts where nothing is configured.
const DEFAULT_TTL: Duration = Duration::from_hours(24);

/// The cookie.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    /// Its name.
    pub(crate) cookie: String,
    /// How long a session lasts without a request; it is renewed while it is used. Unset: until the browser closes, at
    /// most 24 hours.
    pub(crate) ttl: Option<HumanDuration>,
    /// The paths that it is sent to.
    pub(crate) path: String,
    /// The domain whose hosts it is sent to. Unset: only the host that set it.
    pub(crate) domain: Option<String>,
    /// Sent over HTTPS only.
    pub(crate) secure: bool,
    /// Hidden from scripts.
    pub(crate) http_only: bool,
    /// Whether it is sent with requests that other sites cause.
    pub(crate) same_site: SameSite,
    /// Kept apart for each site that embeds this one.
    pub(crate) partitioned: bool,
}

/// Whether a cookie is sent with requests that other sites cause.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SameSite {
    /// Never.
    Strict,
    /// When the user follows a link.
    Lax,
    /// Always; needs `secure`.
    None,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cookie: "sluice".into(),
            ttl: None,
            path: "/".into(),
            domain: None,
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            partitioned: false,
        }
    }
}

impl Config {
    /// How long a token is good for.
    pub(crate) fn token_ttl(&self) -> Duration {
        self.ttl.map_or(DEFAULT_TTL, |ttl| ttl.0)
    }

    /// What follows the value in `Set-Cookie`.
    pub(crate) fn attributes(&self) -> String {
        let mut attributes = format!("; Path={}", self.path);
        if let Some(domain) = &self.domain {
            attributes += &format!("; Domain={domain}");
        }
        if let Some(ttl) = self.ttl {
            attributes += &format!("; Max-Age={}", ttl.0.as_secs());
        }
        attributes += match self.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        };
        for (chosen, attribute) in
            [(self.secure, "; Secure"), (self.http_only, "; HttpOnly"), (self.partitioned, "; Partitioned")]
        {
            if chosen {
                attributes += attribute;
            }
        }
        attributes
    }

    /// What browsers would refuse.
    pub(crate) fn check(&self) -> Result<(), Issues> {
        let mut issues = Issues::new();
        if !is_field_name(&self.cookie) {
            issues.add("/cookie", "expected letters, digits, or any of !#$%&'*+-.^_`|~");
        }
        if self.token_ttl() < Duration::from_secs(1) {
            issues.add("/ttl", "expected at least one second");
        }
        let is_attribute = |text: &str| text.is_ascii() && is_field_value(text) && !text.contains([';', '\t']);
        if !self.path.starts_with('/') || !is_attribute(&self.path) {
            issues.add("/path", "expected a path that begins with `/` and holds no `;`");
        }
        if self.domain.as_ref().is_some_and(|domain| domain.is_empty() || !is_attribute(domain)) {
            issues.add("/domain", "expected a host name");
        }
        if !self.secure {
            if self.same_site == SameSite::None {
                issues.add("/same-site", "`none` needs `secure`");
            }
            if self.partitioned {
                issues.add("/partitioned", "needs `secure`");
            }
            if self.cookie.starts_with("__Secure-") {
                issues.add("/cookie", "a name that begins with `__Secure-` needs `secure`");
            }
        }
        if self.cookie.starts_with("__Host-") && !(self.secure && self.path == "/" && self.domain.is_none()) {
            issues.add("/cookie", "a name that begins with `__Host-` needs `secure`, the path `/` and no domain");
        }
        issues.result()
    }
}
