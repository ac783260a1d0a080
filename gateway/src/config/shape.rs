//! Compares a document with the JSON Schema of the raw shape and reports every difference. What it returns always has the right
//! shape: a wrong part is replaced by a harmless one, so that `resolve` can look at the rest of the file in the same run.

use serde_json::{Map, Value as Json};

use super::document::{Node, Value};
use super::key_path::KeyPath;
use super::problem::{Report, did_you_mean};
use super::raw::NOT_BUILT_YET;
use super::schema::{
    allowed_texts, alternatives, expected, harmless, kind, out_of_range, out_of_reals, property, required,
};
use super::texts;

/// The document in the shape that the schema asks for; every part that had to be changed is in the report.
pub(super) fn fit(node: &Node, schema: &Json, at: &KeyPath, report: &mut Report<'_>) -> Json {
    if let Some(Json::Array(choices)) = schema.get("anyOf") {
        let choice = choices.iter().find(|choice| is_of_kind(&node.value, kind(choice)));
        return match choice {
            Some(choice) => fit(node, choice, at, report),
            None => mismatch(node, schema, at, report),
        };
    }
    match (&node.value, kind(schema)) {
        (_, "any") => anything(node, at, report),
        (Value::Table(entries), "object") => table(entries, schema, at, report),
        (Value::List(members), "array") => list(members, schema, at, report),
        (Value::Plain(Json::String(text)), "string") => fit_text(text, schema, at, report),
        (Value::Plain(Json::Number(number)), "integer") => match out_of_range(number, schema) {
            Some(range) => wrong(format!("expected a whole number {range}, found {number}"), schema, at, report),
            None => number.clone().into(),
        },
        (Value::Plain(Json::Number(number)), "number") => match out_of_reals(number, schema) {
            Some(range) => wrong(format!("expected a number {range}, found {number}"), schema, at, report),
            None => number.clone().into(),
        },
        (Value::Plain(Json::Bool(value)), "boolean") => (*value).into(),
        _ => mismatch(node, schema, at, report),
    }
}

fn table(entries: &[(String, Node)], schema: &Json, at: &KeyPath, report: &mut Report<'_>) -> Json {
    let none = Map::new();
    let known = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
    let mut fitted = Map::new();
    for (key, node) in entries {
        let here = at.key(key);
        let further = schema.get("additionalProperties").filter(|further| **further != Json::Bool(false));
        if let Some(schema) = known.get(key).or(further) {
            fitted.insert(key.clone(), fit(node, schema, &here, report));
        } else if NOT_BUILT_YET.contains(&here.kind().as_str()) {
            report.add(&here, format!("{key:?} is not built yet in this version"));
        } else {
            let nearest = did_you_mean(key, known.keys().map(String::as_str));
            let message = if nearest.is_empty() {
                let known: Vec<&str> = known.keys().map(String::as_str).filter(|key| !key.starts_with('$')).collect();
                format!("unknown key {key:?}; known here: {}", known.join(", "))
            } else {
                format!("unknown key {key:?}{nearest}")
            };
            report.add(&here, message);
        }
    }
    for key in required(schema).filter(|key| !entries.iter().any(|(given, _)| given == key)) {
        report.add(&at.key(key), "this key is required");
        fitted.insert(key.to_owned(), harmless(property(schema, key)));
    }
    fitted.into()
}

fn list(members: &[Node], schema: &Json, at: &KeyPath, report: &mut Report<'_>) -> Json {
    if (members.len() as u64) < schema.get("minItems").and_then(Json::as_u64).unwrap_or(0) {
        report.add(at, "expected at least one entry, found an empty list");
    }
    let fitted = members.iter().enumerate().map(|(index, node)| fit(node, &schema["items"], &at.index(index), report));
    Json::Array(fitted.collect())
}

fn fit_text(text: &str, schema: &Json, at: &KeyPath, report: &mut Report<'_>) -> Json {
    let allowed = allowed_texts(schema);
    if !allowed.is_empty() && !allowed.contains(&text) {
        let nearest = did_you_mean(text, allowed.iter().copied());
        return wrong(format!("expected {}, found {text:?}{nearest}", alternatives(&allowed)), schema, at, report);
    }
    let format = schema.get("format").and_then(Json::as_str).unwrap_or_default();
    match texts::check(format, text) {
        Ok(()) => text.into(),
        Err(message) => {
            report.add(at, message);
            schema["examples"].get(0).cloned().unwrap_or_else(|| text.into())
        }
    }
}

/// A value about whose shape the schema says nothing.
fn anything(node: &Node, at: &KeyPath, report: &mut Report<'_>) -> Json {
    match &node.value {
        Value::Plain(value) => value.clone(),
        Value::List(members) => {
            let members = members.iter().enumerate().map(|(index, node)| anything(node, &at.index(index), report));
            Json::Array(members.collect())
        }
        Value::Table(entries) => {
            let entries = entries.iter().map(|(key, node)| (key.clone(), anything(node, &at.key(key), report)));
            Json::Object(entries.collect())
        }
        Value::Foreign(kind) => {
            report.add(at, format!("{kind} cannot stand here; write it as text"));
            Json::Null
        }
    }
}

fn mismatch(node: &Node, schema: &Json, at: &KeyPath, report: &mut Report<'_>) -> Json {
    let mut message = format!("expected {}, found {}", expected(schema), found(&node.value));
    let of_tables = kind(schema) == "array" && kind(&schema["items"]) == "object";
    if of_tables && matches!(node.value, Value::Table(_)) {
        message.push_str(&format!("; in TOML each member of this list begins with [[{}]]", at.kind()));
    }
    wrong(message, schema, at, report)
}

fn wrong(message: String, schema: &Json, at: &KeyPath, report: &mut Report<'_>) -> Json {
    report.add(at, message);
    harmless(schema)
}

fn is_of_kind(value: &Value, kind: &str) -> bool {
    match value {
        Value::Table(_) => kind == "object",
        Value::List(_) => kind == "array",
        Value::Plain(Json::String(_)) => kind == "string",
        _ => false,
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Plain(Json::String(text)) => format!("the text {text:?}"),
        Value::Plain(Json::Number(number)) => format!("the number {number}"),
        Value::Plain(value) => value.to_string(),
        Value::Foreign(kind) => (*kind).to_owned(),
    }
}
