//! Sets, appends and removes fields of the response.
//!
//! Configuration:
//! - `remove`: names of fields that go.
//! - `set`: fields in place of all of that name; a list of values makes several: `{ x-frame-options = "DENY" }`.
//! - `append`: fields after those of that name.
//! - `preset = "secure"`: HTTPS for a year, no guessing of content types, no framing by other sites, no paths in referrers to
//!   them; but for the fields that `remove`, `set` or `append` name.
//!
//! They apply in this order, to every response of the route, the gateway's own error answers included. The host keeps them
//! ready, so that a response costs one call.

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::{
    Edit, Issues, Plugin, Prepared, Request, Response, ResponseHead, Setup, is_field_name, is_field_value,
    is_forbidden_field, pointer,
};
use std::collections::BTreeMap;

/// The preset.
const SECURE: [(&str, &str); 4] = [
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "SAMEORIGIN"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
];

/// As many edits as the host takes in one call.
const MOST_EDITS: usize = 64;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Config {
    /// Names of fields that go.
    remove: Vec<String>,
    /// Fields in place of all of that name.
    set: BTreeMap<String, Values>,
    /// Fields after those of that name.
    append: BTreeMap<String, Values>,
    /// A set of fields that belong together.
    preset: Option<Preset>,
}

/// One value, or several.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Preset {
    /// HSTS, no content sniffing, no framing by other sites, short referrers.
    Secure,
}

struct Headers {
    edits: Prepared,
}

sluice_plugin::export!(Headers: Response);

impl Plugin for Headers {
    type Config = Config;

    fn new(config: Config, setup: &Setup) -> Result<Self, Issues> {
        config.check()?;
        Ok(Self { edits: setup.prepare(&config.edits()) })
    }
}

impl Response for Headers {
    fn respond(&mut self, _: &Request, head: &ResponseHead, _: Exchange) -> Action {
        if let Err(error) = head.apply(self.edits) {
            sluice_plugin::warn!("the fields were not edited: {error}");
        }
        Action::Done
    }
}

impl Config {
    fn check(&self) -> Result<(), Issues> {
        let mut issues = Issues::new();
        for (position, name) in self.remove.iter().enumerate() {
            check_name(&mut issues, pointer(["remove", position.to_string().as_str()]), name);
        }
        for (key, fields) in [("set", &self.set), ("append", &self.append)] {
            for (name, values) in fields {
                let at = pointer([key, name.as_str()]);
                if !values.list().iter().all(|value| is_field_value(value)) {
                    issues.add(at.clone(), "not a legal field value");
                }
                check_name(&mut issues, at, name);
            }
        }
        let edits = self.edits().len();
        if edits > MOST_EDITS {
            issues.add("", format!("{edits} edits, of which the gateway takes at most {MOST_EDITS}"));
        }
        issues.result()
    }

    fn edits(&self) -> Vec<Edit> {
        let mut edits: Vec<Edit> = self.remove.iter().cloned().map(Edit::Remove).collect();
        if let Some(Preset::Secure) = self.preset {
            let preset = SECURE.iter().filter(|(name, _)| !self.names(name));
            edits.extend(preset.map(|&(name, value)| Edit::Set((name.into(), value.into()))));
        }
        for (name, values) in &self.set {
            edits.push(Edit::Remove(name.clone()));
            edits.extend(values.list().iter().map(|value| Edit::Append((name.clone(), value.clone()))));
        }
        for (name, values) in &self.append {
            edits.extend(values.list().iter().map(|value| Edit::Append((name.clone(), value.clone()))));
        }
        edits
    }

    /// True if that field is named other than by a preset.
    fn names(&self, field: &str) -> bool {
        let mut names = self.remove.iter().chain(self.set.keys()).chain(self.append.keys());
        names.any(|name| name.eq_ignore_ascii_case(field))
    }
}

impl Values {
    fn list(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
        }
    }
}

fn check_name(issues: &mut Issues, at: String, name: &str) {
    if is_forbidden_field(name) {
        issues.add(at, "a field of the connection, which is the gateway's to set");
    } else if !is_field_name(name) {
        issues.add(at, "not a legal field name");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_plugin::fake::{self, json};

    fn head_after(config: fake::Value) -> fake::Head {
        let host = fake::Host::new();
        let mut plugin = host.start::<Headers>(config).unwrap();
        let mut head = fake::Head::new(200)
            .with_header("server", "origin/1.0")
            .with_header("cache-control", "no-store")
            .with_header("cache-control", "private")
            .with_header("set-cookie", "a=1");
        let action = host.exchange(fake::Request::get("/")).respond(&mut plugin, &mut head);
        assert_eq!(action, Action::Done);
        head
    }

    #[test]
    fn edits_apply_in_order() {
        let head = head_after(json!({
            "remove": ["Server", "x-absent"],
            "set": { "cache-control": "max-age=60", "x-several": ["1", "2"], "x-none": [] },
            "append": { "set-cookie": ["b=2", "c=3"] },
        }));
        assert_eq!(head.header("server"), None);
        assert_eq!(head.header_values("cache-control"), ["max-age=60"]);
        assert_eq!(head.header_values("x-several"), ["1", "2"]);
        assert_eq!(head.header_values("x-none"), [""; 0]);
        assert_eq!(head.header_values("set-cookie"), ["a=1", "b=2", "c=3"]);
        assert_eq!(head.status(), 200);
    }

    #[test]
    fn the_preset_gives_way_to_what_is_named() {
        let head = head_after(json!({ "preset": "secure" }));
        for (name, value) in SECURE {
            assert_eq!(head.header_values(name), [value]);
        }
        let head = head_after(json!({
            "preset": "secure", "set": { "X-Frame-Options": "DENY" }, "remove": ["referrer-policy"],
        }));
        assert_eq!(head.header_values("x-frame-options"), ["DENY"]);
        assert_eq!(head.header("referrer-policy"), None);
    }

    #[test]
    fn an_empty_configuration_changes_nothing() {
        assert_eq!(head_after(json!({})).header_values("cache-control"), ["no-store", "private"]);
    }

    #[test]
    fn mistakes_have_places() {
        for (config, place) in [
            (json!({ "sets": {} }), "/sets"),
            (json!({ "preset": "safe" }), "/preset"),
            (json!({ "remove": ["a", "b c"] }), "/remove/1"),
            (json!({ "remove": ["Content-Length"] }), "/remove/0"),
            (json!({ "set": { "x/y": "a" } }), "/set/x~1y"),
            (json!({ "set": { "x": "a\nb" } }), "/set/x"),
            (json!({ "set": { "x": 1 } }), "/set/x"),
            (json!({ "append": { "transfer-encoding": "chunked" } }), "/append/transfer-encoding"),
            (json!({ "append": { "x": vec!["y"; 65] } }), ""),
        ] {
            let issues = fake::Host::new().start::<Headers>(config.clone()).unwrap_err();
            assert_eq!(issues.iter().map(|issue| issue.at.as_str()).collect::<Vec<_>>(), [place], "{config}");
        }
    }
}
