//! The log as docs/operations.md tells it and as the program writes it: every event with its level, target and fields.
//! The program's side is read from the macros in its source, so that no event can be forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::blocks::{Document, documents};
use crate::harness::guests::workspace;

/// What is known of an event, by its message.
type Events = BTreeMap<String, Event>;

#[derive(Debug, Clone, Default, PartialEq)]
struct Event {
    level: String,
    target: String,
    fields: BTreeSet<String>,
}

/// What the program's source says.
struct Written {
    events: Events,
    /// Events whose message is handed in, each with the source that it stands in.
    named: Vec<(String, Event)>,
}

impl Written {
    fn find(&self, message: &str) -> Option<&Event> {
        let is_handed_in = |source: &str| source.contains(&format!("\"{message}\""));
        let named = || self.named.iter().find(|(source, _)| is_handed_in(source)).map(|(_, event)| event);
        self.events.get(message).or_else(named)
    }
}

/// Fields that every line has.
const EVERYWHERE: [&str; 4] = ["timestamp", "level", "message", "target"];

/// Fields that a line has only where there is something to say: `trace` where a collector is told of the exchange.
const SOMETIMES: [&str; 1] = ["trace"];

/// The events in the program's source. One that stands in several places has the fields of all of them.
fn written() -> Written {
    let mut written = Written { events: Events::new(), named: Vec::new() };
    for file in rust_files(&workspace().join("gateway/src")) {
        let source = fs::read_to_string(&file).unwrap();
        for level in ["error", "warn", "info", "debug", "trace"] {
            for after in source.split(&format!("tracing::{level}!(")).skip(1) {
                let arguments = arguments(after);
                let message = arguments.iter().find_map(|argument| argument.strip_prefix('"')?.strip_suffix('"'));
                let message = message.unwrap_or_else(|| panic!("{}: an event without message", file.display()));
                let target = arguments.iter().find_map(|argument| argument.strip_prefix("target: "));
                let target = target.unwrap_or_default().trim_matches('"').to_owned();
                let fields = arguments.iter().filter_map(|argument| field(argument));
                let event = Event { level: level.to_owned(), target, fields: fields.collect() };
                if message.contains('{') {
                    written.named.push((source.clone(), event));
                } else {
                    let known = written.events.entry(message.to_owned()).or_default();
                    *known = Event { fields: known.fields.union(&event.fields).cloned().collect(), ..event };
                }
            }
        }
    }
    written
}

fn rust_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The arguments of a macro, up to its closing parenthesis.
fn arguments(text: &str) -> Vec<String> {
    let (mut arguments, mut argument, mut depth, mut quoted) = (Vec::new(), String::new(), 0, false);
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' if !quoted && depth == 0 => break,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                arguments.push(std::mem::take(&mut argument).trim().to_owned());
                continue;
            }
            _ => {}
        }
        argument.push(character);
    }
    arguments.push(argument.trim().to_owned());
    arguments.retain(|argument| !argument.is_empty());
    arguments
}

/// The name of the field that an argument is: `%error`, `r#use = %name`, `workers = count`.
fn field(argument: &str) -> Option<String> {
    if argument.starts_with('"') || argument.starts_with("target:") {
        return None;
    }
    let name = argument.split('=').next()?.trim().trim_start_matches(['%', '?']).trim_start_matches("r#");
    Some(name.to_owned())
}

/// The rows of the table below a heading, cell by cell.
pub(super) fn table(document: &Document, heading: &str) -> Vec<Vec<String>> {
    let below = document.prose.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    let lines = below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(2).map(cells).collect()
}

/// What stands in backticks.
pub(super) fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_event_of_the_log_is_told_and_no_other() {
    let document = Document::read("docs/operations.md");
    let told = table(&document, "### Events").into_iter().map(|cells| {
        let message = cells[0].trim_matches('`').trim().to_owned();
        (message, Event { level: cells[1].clone(), target: cells[2].clone(), fields: quoted(&cells[3]) })
    });
    let told: Events = told.collect();
    let mut written = written();
    let exchange = written.events.remove("exchange").expect("the access line");
    for message in written.events.keys().chain(told.keys()) {
        assert_eq!(told.get(message), written.find(message), "{message:?} in docs/operations.md and in the program");
    }

    let fields = table(&document, "### The access line").into_iter().flat_map(|cells| quoted(&cells[0]));
    assert_eq!(fields.collect::<BTreeSet<_>>(), exchange.fields);
}

#[test]
fn every_line_of_the_log_that_is_shown_is_as_the_program_writes_it() {
    let written = written();
    let documents = documents();
    let blocks = documents.iter().flat_map(|document| &document.blocks).filter(|block| block.kind() == "json");
    let mut count = 0;
    for (block, line) in blocks.flat_map(|block| block.lines().into_iter().map(move |line| (block, line))) {
        let shown: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        let text = |field: &str| shown[field].as_str().unwrap().to_owned();
        let fields = shown.keys().filter(|field| !EVERYWHERE.contains(&field.as_str())).cloned().collect();
        let event = Event { level: text("level").to_lowercase(), target: text("target"), fields };
        let mut expected = written.find(&text("message")).cloned().unwrap_or_default();
        expected.fields.retain(|field| event.fields.contains(field) || !SOMETIMES.contains(&field.as_str()));
        assert_eq!(expected, event, "{}", block.place);
        count += 1;
    }
    assert!(count > 0, "no line is shown");
}
