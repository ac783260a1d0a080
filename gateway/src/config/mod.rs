//! From a configuration file to [`model::Config`], or to the list of everything that is wrong with it.
//!
//! A file, TOML or JSON, becomes a tree that knows its lines (`document`). The tree is compared with the JSON Schema of the
//! file's shape (`schema`, made from `raw` and its text forms in `texts`, `units` and `statuses`), and made to fit where it does not (`shape`).
//! Then names are looked up, defaults filled in and contradictions found (`resolve`, and for its parts `routes` with `matcher`,
//! `listeners`, `limits`, `upstreams` with `health`, `bounds`, `discover`, `traces`, `uses`, `plugins`). Each step adds to one list of problems, so that a user sees all of them at once, and
//! what can be understood of a file that has some is handed out beside them ([`Draft`]). What is found wrong later, by plugins
//! say, finds its line by `places`; `editor` makes the schema for editors. Nothing here knows any other part of the gateway.

mod bounds;
mod discover;
mod document;
mod editor;
mod found;
mod health;
mod key_path;
mod limits;
mod listeners;
mod matcher;
pub mod model;
mod places;
mod plugins;
mod problem;
mod raw;
mod reported;
mod resolve;
mod routes;
mod schema;
mod series;
mod shape;
mod stand_in;
mod statuses;
#[cfg(test)]
mod tests;
mod texts;
mod traces;
mod units;
mod upstreams;
mod uses;

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use document::Node;
pub use editor::schema_with;
pub use found::{MOST_FOUND, endpoint_address, read_endpoints};
pub use key_path::KeyPath;
use model::Config;
pub use places::Places;
pub use plugins::built_in;
use problem::Report;
pub use problem::{Problem, Problems};
use rustix::fs::OFlags;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
pub use stand_in::{Source, StandIn};
pub use texts::{EndpointId, Name};
pub use units::{Share, Size, Time};

/// Bytes of a file; nobody writes more by hand, and few programs do.
const LARGEST: u64 = 64 << 20;

/// How a configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// The same shape in JSON.
    Json,
}

/// A configuration file as far as it could be understood, with all that is wrong with it.
#[derive(Debug)]
pub struct Draft {
    /// What the file says. In place of each part that is wrong there is something harmless, or nothing; what names an upstream
    /// that does not exist has an index behind all of them.
    pub config: Config,
    /// What it declares and does not need.
    pub unused: Unused,
    found: Vec<(KeyPath, Problem)>,
}

/// What nothing in a configuration refers to.
#[derive(Debug)]
pub struct Unused {
    /// Plugins that have a table and no use.
    pub plugins: Vec<model::Plugin>,
    /// Where the `[[use]]` tables are that stand in no chain.
    pub uses: Vec<KeyPath>,
}

impl Draft {
    /// Whether nothing was found in this value, in what contains it, or in what it contains.
    pub fn is_sound(&self, at: &KeyPath) -> bool {
        problem::is_sound(&self.found, at)
    }

    /// The configuration, if the file is good.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn finish(self) -> Result<Config, Problems> {
        if self.found.is_empty() { Ok(self.config) } else { Err(Problems::new(self.problems().collect())) }
    }

    /// Everything that is wrong with the file.
    pub fn problems(&self) -> impl Iterator<Item = Problem> {
        self.found.iter().map(|(_, problem)| problem.clone())
    }
}

/// Reads a configuration file: JSON if its name ends in `.json`, otherwise TOML. Paths in it are relative to its folder.
///
/// `built_in` names the plugins that the gateway brings.
///
/// # Errors
/// Everything that is wrong with the file, or why it cannot be read.
pub fn load(path: &Path, built_in: &[&'static str]) -> Result<Config, Problems> {
    draft(path, built_in)?.finish()
}

/// The same for who wants to look at what is good in a file that is not.
///
/// # Errors
/// Why the file cannot be read, or where it is neither TOML nor JSON.
pub fn draft(path: &Path, built_in: &[&'static str]) -> Result<Draft, Problems> {
    let (text, format, full) = read(path)?;
    from_text(&text, format, full.parent().unwrap_or(&full), &path.display().to_string(), built_in)
}

/// The same for a text that is already read: `base_dir` is where its paths begin, `display_name` what problems call it.
///
/// # Errors
/// Where the text is neither TOML nor JSON.
pub fn from_text(
    text: &str,
    format: Format,
    base_dir: &Path,
    display_name: &str,
    built_in: &[&'static str],
) -> Result<Draft, Problems> {
    let places = parse(text, format, display_name)?;
    let mut report = Report::new(&places);
    let fitted = shape::fit(places.document(), &schema(), &KeyPath::root(), &mut report);
    report.shape_is_done();
    // `fit` makes every document fit, so this fails only if the schema and serde's reading of the same types disagree.
    let file: raw::File =
        serde_json::from_value(fitted).map_err(|error| problem_of_file(display_name, 0, error.to_string()))?;
    let (config, unused) = resolve::resolve(file, base_dir, built_in, &mut report);
    Ok(Draft { config, unused, found: report.finish() })
}

/// The JSON Schema of another kind of file that is read by the same rules.
pub fn schema_as<T: JsonSchema>() -> serde_json::Value {
    schema::schema_of::<T>()
}

/// Reads another kind of file by the same rules, JSON or TOML: its shape is `T`'s, and every mistake has its line. What `T` does not
/// say of values, its reader says by [`Places::problem`].
///
/// # Errors
/// Everything that is wrong with its shape, or why it cannot be read.
pub fn read_as<T: JsonSchema + DeserializeOwned>(path: &Path) -> Result<(T, Places), Problems> {
    let (text, format, _) = read(path)?;
    text_as(&text, format, &path.display().to_string())
}

/// The same for a text that is already read.
///
/// # Errors
/// Everything that is wrong with its shape.
pub fn text_as<T: JsonSchema + DeserializeOwned>(
    text: &str,
    format: Format,
    display_name: &str,
) -> Result<(T, Places), Problems> {
    let places = parse(text, format, display_name)?;
    let mut report = Report::new(&places);
    let fitted = shape::fit(places.document(), &schema::schema_of::<T>(), &KeyPath::root(), &mut report);
    let found = report.finish();
    if !found.is_empty() {
        return Err(Problems::new(found.into_iter().map(|(_, problem)| problem).collect()));
    }
    let read = serde_json::from_value(fitted);
    Ok((read.map_err(|error| problem_of_file(display_name, 0, error.to_string()))?, places))
}

fn read(path: &Path) -> Result<(String, Format, PathBuf), Problems> {
    let read = std::path::absolute(path).and_then(|full| Ok((text_of(&full)?, full)));
    let unreadable = |error| problem_of_file(&path.display().to_string(), 0, format!("cannot be read: {error}"));
    let (text, full) = read.map_err(unreadable)?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    Ok((text, if is_json { Format::Json } else { Format::Toml }, full))
}

/// Waits for nobody: a pipe without a writer is no configuration, and neither is a device without an end.
fn text_of(path: &Path) -> io::Result<String> {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other(if about.is_dir() { "a folder" } else { "not a regular file" }));
    }
    let mut text = String::new();
    match file.take(LARGEST + 1).read_to_string(&mut text)? as u64 {
        ..=LARGEST => Ok(text),
        _ => Err(io::Error::other(format!("more than {} MiB", LARGEST >> 20))),
    }
}

fn parse(text: &str, format: Format, display_name: &str) -> Result<Places, Problems> {
    let document = Node::parse(text, format).map_err(|errors| {
        let problem = |(line, message)| problem_of_file(display_name, line, message).0;
        Problems::new(errors.into_iter().flat_map(problem).collect())
    })?;
    Ok(Places::new(display_name, document))
}

/// The JSON Schema (draft 2020-12) of a configuration file, with the meaning and default of every key.
///
/// Text with a form of its own has a `format` that begins with `sluice-`, which other validators ignore, and a `pattern`.
pub fn schema() -> serde_json::Value {
    schema::schema_of::<raw::File>()
}

fn problem_of_file(file: &str, line: usize, message: String) -> Problems {
    Problems(vec![Problem { file: file.to_owned(), line, key: String::new(), message }])
}
