//! Where everything of a configuration file stands: kept with the model, for what turns out to be wrong only when plugins,
//! certificates and keys are looked at.

use std::sync::Arc;

use super::document::{Node, Value};
use super::key_path::{KeyPath, Step};
use super::problem::Problem;

/// The lines of a configuration file by their keys. A copy costs nothing.
#[derive(Clone)]
pub struct Places {
    file: Arc<str>,
    document: Arc<Node>,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Places").field(&self.file).finish()
    }
}

impl Places {
    pub(super) fn new(file: &str, document: Node) -> Places {
        Places { file: Arc::from(file), document: Arc::new(document) }
    }

    pub(super) fn document(&self) -> &Node {
        &self.document
    }

    /// How many members the list at a place has; 0 if there is none.
    pub(super) fn members(&self, at: &KeyPath) -> usize {
        match at.steps().iter().try_fold(self.document(), |node, step| node.at(step)).map(|node| &node.value) {
            Some(Value::List(members)) => members.len(),
            _ => 0,
        }
    }

    /// What is wrong at a place; the line is that of the nearest entry which exists.
    pub fn problem(&self, at: &KeyPath, message: impl Into<String>) -> Problem {
        Problem {
            file: self.file.to_string(),
            line: self.document.line_of(at),
            key: at.dotted(),
            message: message.into(),
        }
    }

    /// The place below `from` that a JSON Pointer (RFC 6901) leads to, as far as the file has it, and the rest of the pointer.
    pub fn below<'p>(&self, from: &KeyPath, pointer: &'p str) -> (KeyPath, &'p str) {
        let mut place = from.clone();
        let mut node = from.steps().iter().try_fold(self.document(), |node, step| node.at(step));
        let mut rest = pointer;
        while let (Some(here), Some(steps)) = (node, rest.strip_prefix('/')) {
            let (name, after) = steps.split_at(steps.find('/').unwrap_or(steps.len()));
            let name = name.replace("~1", "/").replace("~0", "~");
            let step = match (&here.value, name.parse()) {
                (Value::List(_), Ok(index)) => Step::Index(index),
                _ => Step::Key(name),
            };
            node = here.at(&step);
            if node.is_some() {
                place = place.with(step);
                rest = after;
            }
        }
        (place, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Format;

    #[test]
    fn a_pointer_leads_as_far_as_the_file_goes() {
        let toml = "[[use]]\nname = 'u'\n[use.config]\nkey = ['a',\n  { header = 'b' }]\nset = { 'x/y' = 1, 0 = 2 }\n";
        let json = "{\"use\": [{\"name\": \"u\",\n\n\"config\": {\n\"key\": [\"a\",\n{\"header\": \"b\"}],\n\"set\": {\"x/y\": 1, \"0\": 2}}}]}";
        let config = KeyPath::root().key("use").index(0).key("config");
        let cases = [
            ("", 3, "", ""),
            ("/key", 4, ".key", ""),
            ("/key/1/header", 5, ".key[1].header", ""),
            ("/set/x~1y", 6, ".set.\"x/y\"", ""),
            ("/set/0", 6, ".set.0", ""),
            ("/key/7/header", 4, ".key", "/7/header"),
            ("/key/no", 4, ".key", "/no"),
            ("/ttl", 3, "", "/ttl"),
            ("no pointer", 3, "", "no pointer"),
        ];
        for (text, format) in [(toml, Format::Toml), (json, Format::Json)] {
            let places = Places::new("f", Node::parse(text, format).unwrap());
            for (pointer, line, key, rest) in cases {
                let (at, left) = places.below(&config, pointer);
                let problem = places.problem(&at, "m");
                let expected = (line, format!("use[0].config{key}"), rest);
                assert_eq!((problem.line, problem.key, left), expected, "{format:?} {pointer}");
            }
        }
    }
}
