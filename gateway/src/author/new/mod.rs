//! A project for a plugin, in one of four languages: a policy that works, its scenario, and the contract, which is all that it needs
//! of Sluice. It builds with the ordinary tools of its language.

mod examples;
mod language;
mod template;
mod wit;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use examples::Example;
pub use language::Language;
use template::{Flags, filled};

/// Which of its makers' versions a project asks for.
const COMPONENTIZE_JS: &str = "0.23.0";
const COMPONENTIZE_PY: &str = "0.25.1";

/// A hook that a project may begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Begins {
    /// Which upstream.
    Routing,
    /// Which endpoint.
    Selection,
    /// What the client gets.
    Response,
}

/// What a project begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A small policy with these hooks, at least one.
    Hooks(Vec<Begins>, Language),
    /// The example of that name.
    Example(String),
}

/// The examples, with what each is.
pub fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    examples::ALL.iter().map(|example| (example.name, example.summary))
}

fn names() -> String {
    examples().map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

/// What is to be made.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its name: lower case, words joined by `-`.
    pub name: String,
    /// What it begins with.
    pub begins: Start,
    /// The folder to make. It must not be there.
    pub folder: PathBuf,
}

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// Not a name for a plugin.
    #[error(
        "{0:?} is not a name like `least-busy`: lower case letters and digits, words joined by `-`, a letter first"
    )]
    Name(String),
    /// Not an example.
    #[error("no example is called {name:?}; there are {all}", name = .0, all = names())]
    Example(String),
    /// Something is there.
    #[error("{}: is there already", .0.display())]
    There(PathBuf),
    /// A file cannot be written.
    #[error("{file}: {1}", file = .0.display())]
    File(PathBuf, io::Error),
}

/// Makes a project, and says what to do next.
///
/// # Errors
/// If the name is none, or the folder is there or cannot be written.
pub fn new(project: &Project) -> Result<String, NewError> {
    let Project { name, folder, begins } = project;
    let word = |word: &str| {
        let mut letters = word.bytes();
        letters.next().is_some_and(|first| first.is_ascii_alphanumeric())
            && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    let has_letter = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    if !has_letter
        || name.len() > 64
        || !name.split('-').all(word)
        || name.bytes().any(|byte| byte.is_ascii_uppercase())
    {
        return Err(NewError::Name(name.clone()));
    }
    if folder.exists() {
        return Err(NewError::There(folder.clone()));
    }
    let (language, files) = match begins {
        Start::Hooks(hooks, language) => (*language, of_hooks(name, hooks, *language)),
        Start::Example(example) => {
            let example = examples::find(example).ok_or_else(|| NewError::Example(example.clone()))?;
            (example.language, of_example(name, example))
        }
    };
    for (file, text) in files {
        let file = folder.join(file);
        let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, text));
        written.map_err(|error| NewError::File(file, error))?;
    }
    let folder = folder.display();
    Ok(format!("{folder}: made. Next:\n  cd {folder}\n  {}\n  sluice plugin build", language.install()))
}

type Files = Vec<(PathBuf, String)>;

/// Every file of a project that begins with these hooks, by its place.
fn of_hooks(name: &str, hooks: &[Begins], language: Language) -> Files {
    let has = |hook| hooks.contains(&hook);
    let (routing, selection, response) = (has(Begins::Routing), has(Begins::Selection), has(Begins::Response));
    let flags: Flags<'_> = &[
        ("routing", routing),
        ("selection", selection),
        ("response", response),
        ("setup", selection || routing && response),
        ("respond", response && (routing || selection)),
        ("no_keys", !selection),
        ("heavy", matches!(language, Language::Javascript | Language::Python)),
    ];
    let interfaces = [
        (routing, ("import", "upstreams")),
        (selection, ("import", "members")),
        (selection, ("import", "endpoints")),
        (routing, ("export", "routing")),
        (selection, ("export", "selection")),
        (response, ("export", "response")),
    ];
    let interfaces: Vec<_> = interfaces.into_iter().filter(|(wanted, _)| *wanted).map(|(_, one)| one).collect();
    let words = words(name, summary(selection, routing), language, selection);
    let scenario = filled(include_str!("templates/scenario.toml.txt"), flags, &words);
    around(language, flags, &words, &interfaces, scenario, language.begins_with())
}

/// Every file of a project that begins as an example.
fn of_example(name: &str, example: &Example) -> Files {
    let words = words(name, example.summary, example.language, false);
    let scenario = example.scenario.replace(&format!("{}.wasm", example.name), &format!("{name}.wasm"));
    let named = example.source.replace(&format!("\"{}\"", example.name), &format!("{name:?}"));
    around(example.language, &[], &words, example.world, scenario, &named)
}

/// What is the same for all, around a source and a scenario.
fn around(
    language: Language,
    flags: Flags<'_>,
    words: &[(&str, String)],
    interfaces: &[(&str, &str)],
    scenario: String,
    source: &str,
) -> Files {
    let fill = |text: &str| filled(text, flags, words);
    let mut files: Files = vec![
        ("README.md".into(), fill(include_str!("templates/README.md.txt"))),
        ("scenario.toml".into(), scenario),
        (language.source().into(), fill(source)),
        ("wit/world.wit".into(), wit::world(interfaces)),
    ];
    files
        .extend(wit::CONTRACT.iter().map(|(name, text)| (Path::new("wit/deps/sluice").join(name), (*text).to_owned())));
    files.extend(language.files().iter().map(|(name, text)| (PathBuf::from(name), fill(text))));
    files
}

/// What stands in the holes of templates.
fn words(name: &str, summary: &str, language: Language, has_header: bool) -> [(&'static str, String); 11] {
    let header = r#""header": { "type": "string", "default": "x-endpoint" }"#;
    let schema = |no: &str| {
        let properties = if has_header { format!("{{ {header} }}") } else { "{}".to_owned() };
        format!(r#"{{ "type": "object", "properties": {properties}, "additionalProperties": {no} }}"#)
    };
    [
        ("name", name.to_owned()),
        ("summary", summary.to_owned()),
        ("schema", schema("false")),
        ("schema_python", schema("False")),
        ("schema_c", schema("false").replace('"', "\\\"")),
        ("keys_rust", if has_header { r#"["header"]"# } else { "[\"\"]" }.to_owned()),
        ("install", language.install().to_owned()),
        ("source", language.source().to_owned()),
        ("room", language.room().to_owned()),
        ("componentize_js", COMPONENTIZE_JS.to_owned()),
        ("componentize_py", COMPONENTIZE_PY.to_owned()),
    ]
}

fn summary(selection: bool, routing: bool) -> &'static str {
    match (selection, routing) {
        (true, _) => "The fewest requests in flight for its weight, unless a field of the request names the endpoint",
        (false, true) => "Sends requests with a field of its own to the second upstream",
        (false, false) => "Tells the client which endpoint has answered",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(begins: Start) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("own-name");
        new(&Project { name: "own-name".into(), begins, folder: project.clone() }).unwrap();
        (folder, project)
    }

    fn texts(folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => found.extend(texts(&path)),
                false => found.push(fs::read_to_string(path).unwrap()),
            }
        }
        found
    }

    #[test]
    fn no_hole_is_left_in_any_project() {
        use Begins::{Response, Routing, Selection};
        let hooks = [vec![Routing], vec![Selection], vec![Response], vec![Routing, Selection, Response]];
        let languages = [Language::Rust, Language::Javascript, Language::Python, Language::C];
        let of_hooks = languages.iter().flat_map(|&language| hooks.clone().map(|hooks| Start::Hooks(hooks, language)));
        for begins in of_hooks.chain(examples().map(|(name, _)| Start::Example(name.to_owned()))) {
            let (_folder, project) = made(begins.clone());
            for text in texts(&project) {
                assert!(!text.contains("{{"), "{begins:?}: {text}");
                assert!(!text.lines().any(|line| line.starts_with("@if") || line == "@end"), "{begins:?}: {text}");
            }
        }
    }

    #[test]
    fn nothing_is_written_over_and_names_are_looked_at() {
        let (_folder, project) = made(Start::Example("time-of-day".into()));
        let again = |name: &str, folder: PathBuf| {
            new(&Project { name: name.into(), begins: Start::Example("time-of-day".into()), folder })
        };
        assert!(matches!(again("own-name", project.clone()), Err(NewError::There(_))));
        for wrong in ["", "Upper", "two words", "-a", "a-", "a--b", "1st", "a/b", "ä"] {
            assert!(matches!(again(wrong, project.join("x")), Err(NewError::Name(_))), "{wrong:?}");
        }
        let unknown = Project { name: "a".into(), begins: Start::Example("none".into()), folder: project.join("x") };
        assert!(new(&unknown).unwrap_err().to_string().contains("ab-cookie"));
    }
}
