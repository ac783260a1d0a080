//! Turns the configuration text of a use into the plugin's own type, and serde's errors into issues with a place.
//!
//! serde stops at its first error. To report more than one mistake, the top-level key that holds it is taken out and the
//! rest is read again; what then is missing only because it was taken out is not reported.

use crate::{Issues, issues::pointer};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// A configuration with more mistakes than this is better read again from the start.
const MOST_ISSUES: usize = 32;

/// How serde's messages begin and end, and what users of a plugin understand.
const BEGINNINGS: &[(&str, &str)] =
    &[("unknown field", "unknown key"), ("missing field", "missing key"), ("unknown variant", "unknown value")];
const ENDINGS: &[(&str, &str)] = &[
    (", expected u8", ", expected a whole number from 0 to 255"),
    (", expected u16", ", expected a whole number from 0 to 65535"),
    (", expected u32", ", expected a whole number from 0 to 4294967295"),
    (", expected a nonzero u32", ", expected a whole number from 1 to 4294967295"),
    (", expected u64", ", expected a whole number from 0"),
    (", expected f64", ", expected a number"),
    (", expected a string", ", expected text"),
    (", expected a boolean", ", expected true or false"),
    (", expected a sequence", ", expected a list"),
    (", expected a map", ", expected a table"),
];

/// What a plugin's configuration must be able to do: be read, and be described. Every type that derives `Deserialize` and
/// `JsonSchema` can.
pub trait Config: Sized {
    /// Reads the configuration from JSON text. Every mistake has its place as a JSON Pointer.
    fn parse(text: &str) -> Result<Self, Issues>;

    /// The JSON Schema that `sluice schema` shows; empty if there is nothing to configure.
    fn schema() -> String;
}

/// The configuration of a plugin that takes none. It brings no JSON into the component, which so stays small.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoConfig;

impl Config for NoConfig {
    fn parse(text: &str) -> Result<Self, Issues> {
        if text.trim() == "{}" { Ok(Self) } else { Err(Issues::one("", "this plugin takes no configuration")) }
    }

    fn schema() -> String {
        String::new()
    }
}

impl<C: DeserializeOwned + JsonSchema> Config for C {
    fn parse(text: &str) -> Result<Self, Issues> {
        parse(text)
    }

    fn schema() -> String {
        schemars::schema_for!(C).as_value().to_string()
    }
}

fn parse<C: DeserializeOwned>(text: &str) -> Result<C, Issues> {
    let mut value: Value = serde_json::from_str(text).map_err(|error| Issues::one("", error.to_string()))?;
    let mut issues = Issues::new();
    let mut taken_out = Vec::new();
    for _ in 0..MOST_ISSUES {
        let error = match serde_path_to_error::deserialize(&value) {
            Ok(config) => return issues.result().map(|()| config),
            Err(error) => error,
        };
        let steps = steps(error.path(), &value);
        let message = error.inner().to_string();
        if taken_out.iter().any(|key| message == format!("missing field `{key}`")) {
            break;
        }
        issues.add(pointer(steps.iter().map(String::as_str)), in_words(&message));
        match (&mut value, steps.into_iter().next()) {
            (Value::Object(fields), Some(key)) => {
                fields.remove(&key);
                taken_out.push(key);
            }
            _ => break,
        }
    }
    Err(issues)
}

/// serde's message in the words of configurations, with the name that was probably meant: "unknown key `cuont`; did you mean
/// `count`?".
fn in_words(message: &str) -> String {
    let mut message = message.to_owned();
    for (serdes, ours) in BEGINNINGS {
        if let Some(rest) = message.strip_prefix(serdes) {
            message = format!("{ours}{rest}");
        }
    }
    for (serdes, ours) in ENDINGS {
        if let Some(rest) = message.strip_suffix(serdes) {
            message = format!("{rest}{ours}");
        }
    }
    let Some((unknown, expected)) = message.split_once(", expected ").filter(|_| message.starts_with("unknown "))
    else {
        return message;
    };
    // Names stand between backticks: every other part is one.
    let Some(name) = unknown.split('`').nth(1) else { return message };
    let known = expected.split('`').skip(1).step_by(2).map(|known| (strsim::osa_distance(name, known), known));
    match known.min().filter(|(distance, _)| *distance <= (name.chars().count() / 3).max(1)) {
        Some((_, nearest)) => format!("{unknown}; did you mean `{nearest}`?"),
        None => message,
    }
}

/// The steps from the top to the mistake, as far as the value has them: serde also reports steps that are no keys, such as
/// the name of an enum's variant.
fn steps(path: &Path, value: &Value) -> Vec<String> {
    let mut steps = Vec::new();
    let mut place = Some(value);
    for segment in path {
        let step = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => break,
        };
        let next = place.and_then(|value| match value {
            Value::Array(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
            Value::Object(fields) => fields.get(&step),
            _ => None,
        });
        if next.is_some() {
            steps.push(step);
            place = next;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeySource;

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[allow(dead_code)]
    struct Example {
        count: u8,
        #[serde(default)]
        key: Vec<KeySource>,
        #[serde(default)]
        shares: std::collections::BTreeMap<String, u32>,
    }

    #[test]
    fn mistakes_have_places() {
        let cases = [
            (r#"{"count": 1}"#, vec![]),
            (r#"{"count": 1, "key": ["client-ip", {"header": "x"}]}"#, vec![]),
            (r#"{"count": 300}"#, vec!["/count"]),
            (r#"{}"#, vec![""]),
            (r#"{"count": 1, "cuont": 2}"#, vec!["/cuont"]),
            (r#"{"count": 1, "key": ["client-ip", "ip"]}"#, vec!["/key/1"]),
            (r#"{"count": 1, "key": [{"header": 1}]}"#, vec!["/key/0/header"]),
            (r#"{"count": 1, "shares": {"a/b": "many"}}"#, vec!["/shares/a~1b"]),
            (r#"{"count": "one", "key": 1, "other": 2}"#, vec!["/count", "/key", "/other"]),
            ("{", vec![""]),
        ];
        for (text, places) in cases {
            let issues = Example::parse(text).err().unwrap_or_default();
            let found: Vec<_> = issues.iter().map(|issue| issue.at.as_str()).collect();
            assert_eq!(found, places, "{text}: {issues:?}");
        }
    }

    #[test]
    fn a_message_says_what_was_expected_and_not_where() {
        let cases = [
            (r#"{"count": 1, "cuont": 2}"#, "unknown key `cuont`; did you mean `count`?"),
            (r#"{"count": 1, "colour": 2}"#, "unknown key `colour`, expected one of `count`, `key`, `shares`"),
            (r#"{}"#, "missing key `count`"),
            (r#"{"count": 1, "key": ["client-op"]}"#, "unknown value `client-op`; did you mean `client-ip`?"),
            (r#"{"count": 300}"#, "invalid value: integer `300`, expected a whole number from 0 to 255"),
            (r#"{"count": "1"}"#, "invalid type: string \"1\", expected a whole number from 0 to 255"),
        ];
        for (text, expected) in cases {
            let issues = Example::parse(text).unwrap_err();
            assert_eq!(issues.iter().next().unwrap().message, expected, "{text}");
        }
    }

    #[test]
    fn no_config_is_the_empty_object() {
        assert!(NoConfig::parse("{}").is_ok());
        assert!(NoConfig::parse(r#"{"a": 1}"#).is_err());
        assert_eq!(NoConfig::schema(), "");
    }
}
