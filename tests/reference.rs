//! The references of the configuration, `docs/configuration.md`, and of scenarios, `docs/scenarios.md`: their tables are made from the
//! schemas that files are read by, what stands between them is written by hand. After a change of keys,
//! `WRITE_DOCS=1 cargo test -p sluice-gateway --test promises reference` writes the tables anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use serde_json::Value;
use sluice_gateway::author::{kit, simulate};

use crate::harness::guests::{target, workspace};

/// A table stands between a line with its name and this one.
const END: &str = "<!-- end -->";

#[test]
fn the_reference_is_what_the_schema_says() {
    let sluice = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["schema", "--state-dir"])
        .arg(target().join("sluice-state"))
        .output()
        .unwrap();
    let reference = Reference(serde_json::from_slice(&sluice.stdout).unwrap());
    let mut tables = reference.tables();
    tables.insert("plugins".to_owned(), reference.plugins());
    hold("docs/configuration.md", &tables);
}

#[test]
fn the_reference_of_scenarios_is_what_their_schemas_say() {
    let mut tables = BTreeMap::new();
    for (command, schema) in [("test", kit::schema()), ("simulate", simulate::schema())] {
        let named = Reference(schema).tables().into_iter().map(|(name, table)| (format!("{command}.{name}"), table));
        tables.extend(named);
    }
    hold("docs/scenarios.md", &tables);
}

/// A document has these tables, or gets them where that is wanted.
fn hold(document: &str, tables: &BTreeMap<String, String>) {
    let path = workspace().join(document);
    let found = fs::read_to_string(&path).unwrap();
    let made = filled(&found, tables);
    if std::env::var_os("WRITE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    } else {
        let differs = found.lines().zip(made.lines()).find(|(found, made)| found != made);
        assert!(found == made, "it says {differs:?}; see the top of this file for how to write it anew");
    }
}

/// The text with these tables at their places; each must have one.
fn filled(text: &str, tables: &BTreeMap<String, String>) -> String {
    let mut made = String::new();
    let mut missing: Vec<&String> = tables.keys().collect();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        made += &format!("{line}\n");
        if let Some(name) = line.strip_prefix("<!-- keys: ").and_then(|rest| rest.strip_suffix(" -->")) {
            made += tables.get(name).unwrap_or_else(|| panic!("the schema has no {name:?}"));
            missing.retain(|other| *other != name);
            lines.by_ref().find(|line| *line == END).unwrap_or_else(|| panic!("{name:?} has no end"));
            made += &format!("{END}\n");
        }
    }
    assert!(missing.is_empty(), "no `<!-- keys: ... -->` for {missing:?}");
    made
}

struct Reference(Value);

impl Reference {
    /// By section: the tables at the top of the file, and its other keys as `top`.
    fn tables(&self) -> BTreeMap<String, String> {
        let mut tables = BTreeMap::new();
        let mut top = self.0.clone();
        for (key, schema) in self.0["properties"].as_object().unwrap() {
            let inner = if schema["type"] == "array" { &schema["items"] } else { schema };
            if inner["properties"].is_object() {
                tables.insert(key.clone(), self.table(inner));
                top["properties"].as_object_mut().unwrap().remove(key);
            }
        }
        tables.insert("top".to_owned(), self.table(&top));
        tables
    }

    fn plugins(&self) -> String {
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for case in self.0["$defs"]["use"]["allOf"].as_array().unwrap() {
            let name = case["if"]["properties"]["plugin"]["const"].as_str().unwrap();
            let target = case["then"]["properties"]["config"]["$ref"].as_str().unwrap();
            names.entry(target).or_default().push(name);
        }
        let mut text = String::from("\n");
        for (target, mut names) in names {
            // First the name that the definition is called by.
            names.sort_by_key(|name| !target.ends_with(&format!(":{name}")));
            let schema = self.at(target);
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            writeln!(text, "### {}", names.join(", ")).unwrap();
            text += &match schema["properties"].as_object() {
                Some(_) => self.table(schema),
                None => "\nIt takes no configuration.\n\n".to_owned(),
            };
        }
        text
    }

    fn table(&self, schema: &Value) -> String {
        let mut rows = String::from("\n| key | type | default | meaning |\n|---|---|---|---|\n");
        self.rows(schema, "", &mut rows);
        rows + "\n"
    }

    /// A row for each key, those that are required first, and after one that is a table or list of tables, those of its own keys.
    fn rows(&self, schema: &Value, before: &str, rows: &mut String) {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut keys: Vec<(&String, &Value)> = schema["properties"].as_object().into_iter().flatten().collect();
        keys.sort_by_key(|(key, _)| !required.contains(&key.as_str()));
        for (key, schema) in keys {
            let schema = self.resolved(schema);
            let (meaning, said) = meaning(&schema);
            let default = match (required.contains(&key.as_str()), said, &schema["default"]) {
                (true, ..) => "required".to_owned(),
                (_, Some(said), _) => said,
                (_, None, Value::Null) => String::new(),
                // Its own keys have rows, with their defaults.
                (_, None, Value::Object(_)) if schema["properties"].is_object() => String::new(),
                (_, None, default) if ["[]", "{}"].contains(&&*default.to_string()) => String::new(),
                (_, None, default) => format!("`{default}`"),
            };
            let kind = self.kind(&schema);
            let row = [format!("`{before}{key}`"), kind, default, meaning + &self.choices(&schema)];
            writeln!(rows, "| {} |", row.map(|cell| cell.replace('|', "\\|").replace('\n', " ")).join(" | ")).unwrap();
            let inner = [(&schema, "."), (&schema["items"], "[]."), (&schema["additionalProperties"], ".*.")];
            for (inner, step) in inner {
                self.rows(&self.resolved(inner), &format!("{before}{key}{step}"), rows);
            }
        }
    }

    fn at(&self, reference: &str) -> &Value {
        self.0.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("nothing at {reference}"))
    }

    /// Without reference, and without the null that stands for "not given". What stands beside a reference counts first.
    fn resolved(&self, schema: &Value) -> Value {
        let target = match (schema["$ref"].as_str(), schema["anyOf"].as_array()) {
            (Some(reference), _) => self.at(reference),
            (None, Some(choices)) => {
                let choices: Vec<&Value> = choices.iter().filter(|choice| choice["type"] != "null").collect();
                let [only] = choices[..] else { return schema.clone() };
                only
            }
            _ => return schema.clone(),
        };
        let mut merged = self.resolved(target);
        for (key, value) in schema.as_object().unwrap() {
            if key != "$ref" && key != "anyOf" {
                merged[key] = value.clone();
            }
        }
        merged
    }

    /// The kind of value in a few words.
    fn kind(&self, schema: &Value) -> String {
        let schema = self.resolved(schema);
        if schema["allOf"].is_array() {
            return "a use".to_owned();
        }
        for several in ["anyOf", "oneOf"] {
            if let Some(choices) = schema[several].as_array() {
                return choices.iter().map(|choice| self.kind(choice)).collect::<Vec<_>>().join(" or ");
            }
        }
        if let Some(text) = schema["const"].as_str() {
            return format!("`\"{text}\"`");
        }
        if let Some(texts) = schema["enum"].as_array() {
            return texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" or ");
        }
        if let Some(format) = schema["format"].as_str().and_then(|format| format.strip_prefix("sluice-")) {
            return if format == "cidr" { "network".to_owned() } else { format.replace('-', " ") };
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap(),
            kind => kind,
        };
        match kind.as_str().unwrap_or_default() {
            "string" => "text".to_owned(),
            "boolean" => "true or false".to_owned(),
            "number" => "number".to_owned(),
            "integer" => whole_number(&schema),
            "array" => of("list", &self.kind(&schema["items"])),
            "object" => self.kind_of_table(&schema),
            "" => "any".to_owned(),
            other => panic!("a kind of value without a name: {other:?} in {schema}"),
        }
    }

    fn kind_of_table(&self, schema: &Value) -> String {
        let required = schema["required"].as_array().map_or(&[][..], |keys| keys);
        match (schema["properties"].as_object(), &schema["additionalProperties"]) {
            // One key that says which of several.
            (Some(known), _) if known.len() == 1 && required.len() == 1 => {
                let (key, value) = known.iter().next().unwrap();
                format!("`{{ {key} = {} }}`", self.kind(value))
            }
            (None, further) if further.is_object() => of("table", &self.kind(further)),
            _ => "table".to_owned(),
        }
    }

    /// What each value of a choice means.
    fn choices(&self, schema: &Value) -> String {
        let listed = ["oneOf", "anyOf"].iter().filter_map(|several| schema[several].as_array()).flatten();
        let choices = listed.filter_map(|choice| Some((self.kind(choice), choice["description"].as_str()?)));
        choices.filter(|(kind, _)| kind.starts_with('`')).map(|(kind, means)| format!(" {kind}: {means}")).collect()
    }
}

fn of(several: &str, kind: &str) -> String {
    format!("{several} of {kind}{}", if kind == "table" { "s" } else { "" })
}

fn whole_number(schema: &Value) -> String {
    match (schema["minimum"].as_u64().unwrap_or(0), schema["maximum"].as_u64().filter(|most| *most < u32::MAX.into())) {
        (0, None) => "whole number".to_owned(),
        (least, None) => format!("whole number from {least}"),
        (least, Some(most)) => format!("whole number, {least} to {most}"),
    }
}

/// A description, and the default in words if it ends in one.
fn meaning(schema: &Value) -> (String, Option<String>) {
    let text = schema["description"].as_str().unwrap_or_default();
    for word in ["Default: ", "Unset: "] {
        if let Some((meaning, default)) = text.split_once(word) {
            return (meaning.trim_end().to_owned(), Some(default.trim_end_matches('.').to_owned()));
        }
    }
    (text.to_owned(), None)
}
