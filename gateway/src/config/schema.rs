//! The JSON Schema of the raw shape: how it is made, and what `shape` asks of it. Only what schemars makes of types like those in
//! `raw` is understood.

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value as Json};

use super::texts;

/// The JSON Schema of a raw shape: without references, and without the nulls that stand for "not given", since a key that is
/// not given is left away.
pub(super) fn schema_of<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.with_transform(without_null).into_generator().into_root_schema_for::<T>().to_value()
}

fn without_null(schema: &mut Schema) {
    transform_subschemas(&mut (without_null as fn(&mut Schema)), schema);
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.get("default").is_some_and(Json::is_null) {
        object.remove("default");
    }
    if let Some(Json::Array(types)) = object.get("type")
        && let Some(kind) = types.iter().find(|kind| *kind != "null").cloned()
    {
        object.insert("type".to_owned(), kind);
    }
    if let Some(Json::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Json::Object(only)] = choices.as_mut_slice() {
            let only = std::mem::take(only);
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
}

/// The schema of a property; null if it says nothing of it.
pub(super) fn property<'a>(schema: &'a Json, key: &str) -> &'a Json {
    schema.get("properties").and_then(|properties| properties.get(key)).unwrap_or(&Json::Null)
}

/// A value that fits the schema, in place of one that does not.
pub(super) fn harmless(schema: &Json) -> Json {
    let given = schema.get("default").or_else(|| schema["examples"].get(0));
    if let Some(value) = given {
        return value.clone();
    }
    if let Some(first) = schema["anyOf"].get(0) {
        return harmless(first);
    }
    match kind(schema) {
        "object" => {
            required(schema).map(|key| (key.to_owned(), harmless(property(schema, key)))).collect::<Map<_, _>>().into()
        }
        "array" => Json::Array(Vec::new()),
        "string" => allowed_texts(schema).first().copied().unwrap_or_default().into(),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| 0.into()),
        "boolean" => false.into(),
        _ => Json::Null,
    }
}

/// The keys that a table must have.
pub(super) fn required(schema: &Json) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str)
}

/// The texts that an enumeration allows; empty: any.
pub(super) fn allowed_texts(schema: &Json) -> Vec<&str> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten();
    let described = described
        .flat_map(|choice| choice.get("const").into_iter().chain(choice["enum"].as_array().into_iter().flatten()));
    listed.chain(schema.get("const")).chain(described).filter_map(Json::as_str).collect()
}

/// The kind of value that is wanted, as JSON Schema calls it; `any` if that is not said.
pub(super) fn kind(schema: &Json) -> &str {
    match schema.get("type").and_then(Json::as_str) {
        Some(kind) => kind,
        None if !allowed_texts(schema).is_empty() => "string",
        None => "any",
    }
}

/// What is wanted, in words.
pub(super) fn expected(schema: &Json) -> String {
    if let Some(Json::Array(choices)) = schema.get("anyOf") {
        return choices.iter().map(expected).collect::<Vec<_>>().join(" or ");
    }
    let allowed = allowed_texts(schema);
    if !allowed.is_empty() {
        return alternatives(&allowed);
    }
    if let Some(expected) = schema.get("format").and_then(Json::as_str).and_then(texts::expected) {
        return expected.to_owned();
    }
    match kind(schema) {
        "object" => "a table",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        other => other,
    }
    .to_owned()
}

pub(super) fn alternatives(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(" or ")
}

/// The range that a number misses, in words.
pub(super) fn out_of_range(number: &serde_json::Number, schema: &Json) -> Option<String> {
    let bound = |key| schema[key].as_number().and_then(serde_json::Number::as_i128);
    let (least, most) = (bound("minimum").unwrap_or(0), bound("maximum").unwrap_or(u64::MAX.into()));
    let fits = number.as_i128().is_some_and(|number| (least..=most).contains(&number));
    let range = if most == u64::MAX.into() { format!("from {least}") } else { format!("from {least} to {most}") };
    (!fits).then_some(range)
}

/// The same for a number that need not be whole: without bounds in the schema, any from 0 on.
pub(super) fn out_of_reals(number: &serde_json::Number, schema: &Json) -> Option<String> {
    let bound = |key| schema[key].as_f64();
    let (least, most) = (bound("minimum").unwrap_or(0.0), bound("maximum"));
    let fits = number.as_f64().is_some_and(|number| number >= least && most.is_none_or(|most| number <= most));
    let range = most.map_or_else(|| format!("from {least}"), |most| format!("from {least} to {most}"));
    (!fits).then_some(range)
}
