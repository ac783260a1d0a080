//! A configuration file as a tree in which every entry knows its line: the common form of TOML and JSON. What keys and values
//! mean is no concern of this file; `shape` looks at that next.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::Format;
use super::key_path::{KeyPath, Step};

/// One value with the line of its entry: that of its key in a table (in JSON: where the value begins), of its beginning in
/// a list, of its header for `[table]` and `[[list]]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Table(Vec<(String, Node)>),
    List(Vec<Node>),
    /// Text, number, boolean, null.
    Plain(serde_json::Value),
    /// What JSON does not have, by the name of its kind: a date in TOML.
    Foreign(&'static str),
}

/// A mistake in the text itself: line and reason.
pub(super) type SyntaxError = (usize, String);

impl Node {
    /// Reads a text; in TOML, more than one syntax error may be found at once.
    pub(super) fn parse(text: &str, format: Format) -> Result<Node, Vec<SyntaxError>> {
        let source = Source { text, line_ends: text.match_indices('\n').map(|(position, _)| position).collect() };
        match format {
            Format::Toml => source.toml(),
            Format::Json => source.json().map_err(|error| vec![error]),
        }
    }

    /// The line of what `path` leads to, or of the last thing on the way that exists.
    pub(super) fn line_of(&self, path: &KeyPath) -> usize {
        let mut node = self;
        for step in path.steps() {
            match node.at(step) {
                Some(next) => node = next,
                None => break,
            }
        }
        node.line
    }

    /// One step further.
    pub(super) fn at(&self, step: &Step) -> Option<&Node> {
        match (step, &self.value) {
            (Step::Key(key), Value::Table(entries)) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            (Step::Index(index), Value::List(members)) => members.get(*index),
            _ => None,
        }
    }
}

struct Source<'a> {
    text: &'a str,
    line_ends: Vec<usize>,
}

impl<'a> Source<'a> {
    fn line(&self, offset: usize) -> usize {
        self.line_ends.partition_point(|end| *end < offset) + 1
    }

    fn toml(&self) -> Result<Node, Vec<SyntaxError>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return Ok(Node { line: 0, value: self.toml_table(root.get_ref()) });
        }
        let line = |error: &toml::de::Error| error.span().map_or(0, |span| self.line(span.start));
        Err(errors.iter().map(|error| (line(error), error.message().to_owned())).collect())
    }

    fn toml_table(&self, table: &DeTable<'_>) -> Value {
        let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
            // The key of a header stands with its brackets, whose line is the same.
            let line = self.line(key.span().start);
            (key.get_ref().to_string(), Node { line, value: self.toml_value(value.get_ref()) })
        };
        Value::Table(table.iter().map(entry).collect())
    }

    fn toml_value(&self, value: &DeValue<'_>) -> Value {
        let plain = |value: Option<serde_json::Value>, kind| value.map_or(Value::Foreign(kind), Value::Plain);
        match value {
            DeValue::Table(table) => self.toml_table(table),
            DeValue::Array(members) => {
                let member = |member: &Spanned<DeValue<'_>>| Node {
                    line: self.line(member.span().start),
                    value: self.toml_value(member.get_ref()),
                };
                Value::List(members.iter().map(member).collect())
            }
            DeValue::String(text) => Value::Plain(text.as_ref().into()),
            DeValue::Boolean(value) => Value::Plain((*value).into()),
            DeValue::Integer(number) => {
                let number = i128::from_str_radix(number.as_str(), number.radix()).ok();
                let number = number.and_then(serde_json::Number::from_i128).map(Into::into);
                plain(number, "a number of more than 64 bits")
            }
            DeValue::Float(number) => {
                let number = number.as_str().parse().ok().and_then(serde_json::Number::from_f64).map(Into::into);
                plain(number, "a number without a finite value")
            }
            DeValue::Datetime(_) => Value::Foreign("a date or time"),
        }
    }

    fn json(&self) -> Result<Node, SyntaxError> {
        // Proves the text well-formed and not too deeply nested for the recursion below.
        serde_json::from_str::<serde_json::Value>(self.text).map_err(|error| json_error(&error, error.line()))?;
        let root: &RawValue = serde_json::from_str(self.text).map_err(|error| json_error(&error, error.line()))?;
        Ok(Node { line: 0, ..self.json_node(root)? })
    }

    /// serde_json tells no places, but a raw value is a slice of the text: where it begins is its place.
    fn json_node(&self, raw: &'a RawValue) -> Result<Node, SyntaxError> {
        let line = self.line(raw.get().as_ptr() as usize - self.text.as_ptr() as usize);
        let failed = |error| json_error(&error, line);
        let value = match raw.get().as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(raw.get()).map_err(failed)?;
                let mut entries: Vec<(String, Node)> = Vec::with_capacity(members.len());
                for (key, value) in members {
                    let node = self.json_node(value)?;
                    if entries.iter().any(|(known, _)| *known == key) {
                        return Err((node.line, format!("duplicate key {key:?}")));
                    }
                    entries.push((key, node));
                }
                Value::Table(entries)
            }
            Some(b'[') => {
                let members: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(failed)?;
                let members: Result<_, _> = members.into_iter().map(|member| self.json_node(member)).collect();
                Value::List(members?)
            }
            _ => Value::Plain(serde_json::from_str(raw.get()).map_err(failed)?),
        };
        Ok(Node { line, value })
    }
}

fn json_error(error: &serde_json::Error, line: usize) -> SyntaxError {
    let message = error.to_string();
    let what = message.rsplit_once(" at line ").map_or(&*message, |(what, _)| what);
    (line, what.to_owned())
}

/// The members of a JSON object in their order, repeated ones included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry().map_err(A::Error::custom)? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, format: Format, path: &KeyPath) -> usize {
        Node::parse(text, format).unwrap().line_of(path)
    }

    #[test]
    fn every_entry_knows_its_line() {
        let toml = "a = 1\n\n[t]\nk = [\n  {x = 1},\n  {x = 2}]\n[[l]]\nq.r = 1\n[[l]]\nq = 1\n";
        let json = "{\"a\": 1,\n\n\"t\": {\n\"k\": [\n {\"x\": 1},\n {\"x\": 2}]}, \"l\": [\n{\n\"q\": {\"r\": 1}},\n {\n\"q\": 1}]}";
        let root = KeyPath::root();
        let (list, table) = (root.key("l"), root.key("t"));
        let cases = [
            (root.clone(), 0, 0),
            (root.key("a"), 1, 1),
            (table.clone(), 3, 3),
            (table.key("k"), 4, 4),
            (table.key("k").index(1).key("x"), 6, 6),
            (table.key("missing").key("below"), 3, 3),
            (list.index(0), 7, 7),
            (list.index(0).key("q").key("r"), 8, 8),
            (list.index(1), 9, 9),
            (list.index(1).key("q"), 10, 10),
        ];
        for (path, in_toml, in_json) in cases {
            assert_eq!(line(toml, Format::Toml, &path), in_toml, "TOML {}", path.dotted());
            assert_eq!(line(json, Format::Json, &path), in_json, "JSON {}", path.dotted());
        }
    }

    #[test]
    fn a_broken_text_says_where() {
        let cases = [
            ("a = 1\na = 2", Format::Toml, 2, "duplicate key"),
            ("a = 1\nb = off", Format::Toml, 2, "string values must be quoted"),
            ("{\"a\": 1,\n\"a\": 2}", Format::Json, 2, "duplicate key \"a\""),
            ("{\"a\": 1,\n\"b\": off}", Format::Json, 2, "expected value"),
            ("{}\n}", Format::Json, 2, "trailing characters"),
        ];
        for (text, format, line, message) in cases {
            let errors = Node::parse(text, format).unwrap_err();
            assert_eq!(errors[0].0, line, "{text}");
            assert!(errors[0].1.starts_with(message), "{text}: {}", errors[0].1);
        }
        assert_eq!(Node::parse("a = \nb = off\nc = 1\nc = 2", Format::Toml).unwrap_err().len(), 3);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Node::parse(&deep, Format::Json).is_err());
        assert!(Node::parse(&format!("a = {deep}"), Format::Toml).is_err());
    }
}
