//! The JSON Schema for editors: that of the file's shape, with `config` of every use held against the schema of the plugin that
//! the use names. The gateway itself lets the plugins judge.

use serde_json::{Map, Value as Json, json};

use super::plugins::{IP_HASH, IP_HASH_IS};
use super::schema::required;

/// [`schema`](super::schema()) with those of plugins' configurations, by the plugins' names. A null stands for a plugin that takes
/// none.
#[expect(clippy::indexing_slicing, reason = "JSON: an index that lacks reads as null, and is made when written")]
pub fn schema_with(plugins: &[(String, Json)]) -> Json {
    let mut all = super::schema();
    let mut definitions = Map::new();
    let mut cases = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for (name, schema) in plugins {
        let aliases = [IP_HASH].into_iter().filter(|_| name == IP_HASH_IS);
        for called in std::iter::once(name.as_str()).chain(aliases) {
            names.push(called);
            cases.push(case(called, &definition(name), required(schema).next().is_some()));
        }
        definitions.insert(definition(name), embedded(name, schema));
    }
    each_use(&mut all, &mut |used| {
        used.insert("allOf".to_owned(), json!([{ "$ref": "#/$defs/use" }]));
        used["properties"]["plugin"]["examples"] = json!(names);
    });
    definitions.insert("use".to_owned(), json!({ "allOf": cases }));
    all["$defs"] = definitions.into();
    all
}

fn definition(plugin: &str) -> String {
    format!("plugin:{plugin}")
}

/// What holds for a use of this plugin.
#[expect(clippy::indexing_slicing, reason = "JSON: an index that lacks reads as null, and is made when written")]
fn case(plugin: &str, definition: &str, needs_config: bool) -> Json {
    let mut then = json!({ "properties": { "config": { "$ref": format!("#/$defs/{definition}") } } });
    if needs_config {
        then["required"] = json!(["config"]);
    }
    json!({ "if": { "properties": { "plugin": { "const": plugin } }, "required": ["plugin"] }, "then": then })
}

/// A schema as part of another one: what it refers to in itself is found there.
fn embedded(plugin: &str, schema: &Json) -> Json {
    let mut schema = match schema {
        Json::Null => {
            json!({ "description": "This plugin takes no configuration.", "type": "object", "maxProperties": 0 })
        }
        schema => schema.clone(),
    };
    if let Json::Object(root) = &mut schema {
        root.remove("$schema");
        root.remove("$id");
    }
    refer_to(&mut schema, &format!("#/$defs/{}", definition(plugin)));
    schema
}

fn refer_to(schema: &mut Json, root: &str) {
    match schema {
        Json::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Json::String(target) if key == "$ref" => {
                        if let Some(inner) = target.strip_prefix('#') {
                            *target = format!("{root}{inner}");
                        }
                    }
                    value => refer_to(value, root),
                }
            }
        }
        Json::Array(members) => members.iter_mut().for_each(|member| refer_to(member, root)),
        _ => {}
    }
}

/// Visits the schemas of tables that name a plugin and configure it.
fn each_use(schema: &mut Json, change: &mut impl FnMut(&mut Map<String, Json>)) {
    match schema {
        Json::Object(entries) => {
            let names = |key: &str| entries.get("properties").is_some_and(|known| known.get(key).is_some());
            if names("plugin") && names("config") {
                change(entries);
            }
            entries.values_mut().for_each(|value| each_use(value, change));
        }
        Json::Array(members) => members.iter_mut().for_each(|member| each_use(member, change)),
        _ => {}
    }
}
