//! The OpenAPI 3.1 document, made of the list of operations: their answers are described by the types that they are written from.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::answer::Wrong;
use super::api::{Operation, ROOT};
use super::view::{EventView, FiguresView};
use super::{access, api};

/// Where descriptions of types stand in the document.
const SCHEMAS: &str = "/components/schemas";

/// The document.
pub(super) fn document(operations: &[Operation]) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator = settings.with(|settings| settings.definitions_path = SCHEMAS.into()).into_generator();
    let mut paths = Map::new();
    for operation in operations {
        let described = describe(operation, &mut generator);
        let path = paths.entry(format!("{ROOT}{}", operation.path)).or_insert_with(|| json!({}));
        path[operation.method.to_ascii_lowercase()] = described;
    }
    // What the stream consists of.
    let streamed = [generator.subschema_for::<EventView>(), generator.subschema_for::<FiguresView>()];
    debug_assert!(streamed.iter().all(|schema| schema.get("$ref").is_some()));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sluice",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a gateway does, and what it can be told to do.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        // Where no token is configured, none is asked for.
        "security": [{}, { "token": [] }],
    })
}

fn describe(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let wrong = generator.subschema_for::<Wrong>();
    let refused = |why: &str| json!({ "description": why, "content": content("application/json", &wrong) });
    let changes = operation.method == "POST";
    let names: Vec<&str> =
        operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
    let mut parameters: Vec<Value> =
        names.iter().map(|name| parameter(name, "path", "Escaped as paths are.")).collect();
    let good = (operation.answer)(generator);
    let media = if operation.path == api::EVENTS { "text/event-stream" } else { "application/json" };
    let mut answers = Map::new();
    let described = match operation.path == api::EVENTS {
        true => json!({
            "description": "`event` brings an EventView, `figures` each second a FiguresView.",
            "content": { media: { "schema": { "type": "string" } } },
        }),
        false => json!({ "description": "What there is.", "content": content(media, &good) }),
    };
    answers.insert("200".to_owned(), described);
    answers.insert("401".to_owned(), refused("The token is missing or wrong."));
    if changes {
        parameters.push(parameter(
            access::GUARD.as_str(),
            "header",
            "Any value: pages of other origins cannot send it.",
        ));
        answers.insert("403".to_owned(), refused("The header is missing, or it comes from a page of another origin."));
        let conflict = json!({ "description": "All is as it was.", "content": content(media, &good) });
        answers.insert("409".to_owned(), conflict);
    }
    if !names.is_empty() {
        answers.insert("404".to_owned(), refused("There is none of that name."));
    }
    if changes || operation.path == api::EVENTS {
        answers.insert("503".to_owned(), refused("Too many, or the gateway ends."));
    }
    json!({
        "operationId": format!("{} {}", operation.method.to_ascii_lowercase(), operation.path).replace(' ', "-"),
        "summary": operation.summary,
        "parameters": parameters,
        "responses": answers,
    })
}

fn content(media: &str, schema: &Schema) -> Value {
    json!({ media: { "schema": schema } })
}

fn parameter(name: &str, place: &str, description: &str) -> Value {
    // A part of a path is never empty; a header may be.
    let shortest = u8::from(place == "path");
    json!({
        "name": name,
        "in": place,
        "required": true,
        "description": description,
        "schema": { "type": "string", "minLength": shortest },
    })
}
