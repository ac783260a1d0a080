//! From a configuration file to [`model::Config`], or to the list of everything that is wrong with it.
//!
//! A file, TOML or JSON, becomes a tree that knows its lines (`document`). The tree is compared with the JSON Schema of the
//! file's shape (`schema`, made from `raw` and its text forms in `texts` and `units`), and made to fit where it does not (`shape`).
//! Then names are looked up, defaults filled in and contradictions found (`resolve`, and for its parts `routes` with `matcher`,
//! `listeners`, `upstreams`, `uses`, `plugins`). Each step adds to one list of problems, so that a user sees all of them at once. Nothing here
//! knows any other part of the gateway.

mod document;
mod listeners;
mod matcher;
pub mod model;
mod plugins;
mod problem;
mod raw;
mod resolve;
mod routes;
mod schema;
mod shape;
#[cfg(test)]
mod tests;
mod texts;
mod units;
mod upstreams;
mod uses;

use std::path::Path;

use document::Node;
use model::Config;
use problem::{KeyPath, Report};
pub use problem::{Problem, Problems};

/// How a configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// The same shape in JSON.
    Json,
}

/// Reads a configuration file: JSON if its name ends in `.json`, otherwise TOML. Paths in it are relative to its folder.
///
/// `built_in` names the plugins that the gateway brings.
///
/// # Errors
/// Everything that is wrong with the file, or why it cannot be read.
pub fn load(path: &Path, built_in: &[&'static str]) -> Result<Config, Problems> {
    let display_name = path.display().to_string();
    let read = std::path::absolute(path).and_then(|full| Ok((std::fs::read_to_string(&full)?, full)));
    let (text, full) = read.map_err(|error| problem_of_file(&display_name, 0, format!("cannot be read: {error}")))?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let format = if is_json { Format::Json } else { Format::Toml };
    from_text(&text, format, full.parent().unwrap_or(&full), &display_name, built_in)
}

/// The same for a text that is already read: `base_dir` is where its paths begin, `display_name` what problems call it.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn from_text(
    text: &str,
    format: Format,
    base_dir: &Path,
    display_name: &str,
    built_in: &[&'static str],
) -> Result<Config, Problems> {
    let document = Node::parse(text, format).map_err(|errors| {
        let mut problems: Vec<Problem> =
            errors.into_iter().flat_map(|(line, message)| problem_of_file(display_name, line, message).0).collect();
        problems.sort_by_key(|problem| problem.line);
        Problems(problems)
    })?;
    let mut report = Report::new(display_name, &document);
    let fitted = shape::fit(&document, &schema(), &KeyPath::root(), &mut report);
    report.shape_is_done();
    // `fit` makes every document fit, so this fails only if the schema and serde's reading of the same types disagree.
    let file: raw::File =
        serde_json::from_value(fitted).map_err(|error| problem_of_file(display_name, 0, error.to_string()))?;
    let config = resolve::resolve(file, base_dir, built_in, &mut report);
    report.finish().map(|()| config)
}

/// The JSON Schema (draft 2020-12) of a configuration file, with the meaning and default of every key.
///
/// Text with a form of its own has a `format` that begins with `sluice-`, which other validators ignore.
pub fn schema() -> serde_json::Value {
    schema::schema_of::<raw::File>()
}

fn problem_of_file(file: &str, line: usize, message: String) -> Problems {
    Problems(vec![Problem { file: file.to_owned(), line, key: String::new(), message }])
}
