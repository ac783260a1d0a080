//! A project for a plugin, in one of four languages: a policy that works, its scenario, and the contract, which is all that it needs
//! of Sluice. It builds with the ordinary tools of its language.

mod template;
mod wit;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use template::{Flags, filled};

/// Which of its makers' versions a project asks for.
const COMPONENTIZE_JS: &str = "0.23.0";
const COMPONENTIZE_PY: &str = "0.25.1";

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// By cargo, for `wasm32-wasip2`.
    Rust,
    /// By npm and componentize-js.
    Javascript,
    /// By pip and componentize-py.
    Python,
    /// By wit-bindgen, zig and wasm-tools.
    C,
}

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

/// What is to be made.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its name: lower case, words joined by `-`.
    pub name: String,
    /// Its hooks; at least one.
    pub hooks: Vec<Begins>,
    /// In which language.
    pub language: Language,
    /// The folder to make. It must not be there.
    pub folder: PathBuf,
}

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// Not a name for a plugin.
    #[error("{0:?} is not a name like `least-busy`: lower case letters and digits, words joined by `-`, a letter first")]
    Name(String),
    /// Something is there.
    #[error("{}: is there already", .0.display())]
    There(PathBuf),
    /// A file cannot be written.
    #[error("{}: {1}", .0.display())]
    File(PathBuf, io::Error),
}

/// Makes a project, and says what to do next.
///
/// # Errors
/// If the name is none, or the folder is there or cannot be written.
pub fn new(project: &Project) -> Result<String, NewError> {
    let Project { name, folder, language, .. } = project;
    let word = |word: &str| {
        let mut letters = word.bytes();
        letters.next().is_some_and(|first| first.is_ascii_alphanumeric())
            && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    let begins = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    if !begins || name.len() > 64 || !name.split('-').all(word) || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(NewError::Name(name.clone()));
    }
    if folder.exists() {
        return Err(NewError::There(folder.clone()));
    }
    for (file, text) in files(project) {
        let file = folder.join(file);
        let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, text));
        written.map_err(|error| NewError::File(file, error))?;
    }
    let folder = folder.display();
    Ok(format!("{folder}: made. Next:\n  cd {folder}\n  {}\n  sluice plugin build", language.install()))
}

/// Every file of the project, by its place.
fn files(project: &Project) -> Vec<(PathBuf, String)> {
    let Project { name, hooks, language, .. } = project;
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
    let header = r#""header": { "type": "string", "default": "x-endpoint" }"#;
    let schema = |no: &str| {
        let properties = if selection { format!("{{ {header} }}") } else { "{}".to_owned() };
        format!(r#"{{ "type": "object", "properties": {properties}, "additionalProperties": {no} }}"#)
    };
    let words = [
        ("name", name.clone()),
        ("summary", summary(selection, routing).to_owned()),
        ("schema", schema("false")),
        ("schema_python", schema("False")),
        ("schema_c", schema("false").replace('"', "\\\"")),
        ("keys_rust", if selection { r#"["header"]"# } else { "[\"\"]" }.to_owned()),
        ("install", language.install().to_owned()),
        ("source", language.source().to_owned()),
        ("room", language.room().to_owned()),
        ("componentize_js", COMPONENTIZE_JS.to_owned()),
        ("componentize_py", COMPONENTIZE_PY.to_owned()),
    ];
    let fill = |text: &str| filled(text, flags, &words);
    let mut files: Vec<(PathBuf, String)> = vec![
        ("README.md".into(), fill(include_str!("templates/README.md.txt"))),
        ("scenario.toml".into(), fill(include_str!("templates/scenario.toml.txt"))),
        ("wit/world.wit".into(), wit::world(routing, selection, response)),
    ];
    files.extend(wit::CONTRACT.iter().map(|(name, text)| (Path::new("wit/deps/sluice").join(name), (*text).to_owned())));
    files.extend(language.files().iter().map(|(name, text)| (PathBuf::from(name), fill(text))));
    files
}

fn summary(selection: bool, routing: bool) -> &'static str {
    match (selection, routing) {
        (true, _) => "The fewest requests in flight for its weight, unless a field of the request names the endpoint",
        (false, true) => "Sends requests with a field of its own to the second upstream",
        (false, false) => "Tells the client which endpoint has answered",
    }
}

impl Language {
    /// The line that installs what a build needs.
    pub(super) fn install(self) -> &'static str {
        match self {
            Language::Rust => "rustup target add wasm32-wasip2",
            Language::Javascript => "npm install",
            Language::Python => "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
            Language::C => {
                "cargo install --locked wit-bindgen-cli wasm-tools && python3 -m venv .venv && .venv/bin/pip install ziglang"
            }
        }
    }

    /// The file that its author writes.
    pub(super) fn source(self) -> &'static str {
        match self {
            Language::Rust => "src/lib.rs",
            Language::Javascript => "plugin.js",
            Language::Python => "plugin.py",
            Language::C => "plugin.c",
        }
    }

    /// What an interpreter needs more in a `[[plugin]]` table.
    fn room(self) -> &'static str {
        match self {
            Language::Rust | Language::C => "",
            Language::Javascript | Language::Python => {
                ", `limits = { memory = \"256MiB\", deadline = \"20ms\" }`, `slots = 2`"
            }
        }
    }

    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Language::Rust => &[
                ("Cargo.toml", include_str!("templates/rust/Cargo.toml.txt")),
                ("src/lib.rs", include_str!("templates/rust/lib.rs.txt")),
                (".gitignore", "target\n*.wasm\n"),
            ],
            Language::Javascript => &[
                ("package.json", include_str!("templates/javascript/package.json.txt")),
                ("plugin.js", include_str!("templates/javascript/plugin.js.txt")),
                (".gitignore", "node_modules\n*.wasm\n"),
            ],
            Language::Python => &[
                ("requirements.txt", include_str!("templates/python/requirements.txt")),
                ("plugin.py", include_str!("templates/python/plugin.py.txt")),
                (".gitignore", ".venv\n__pycache__\n*.wasm\n"),
            ],
            Language::C => &[
                ("plugin.c", include_str!("templates/c/plugin.c.txt")),
                (".gitignore", ".venv\ngenerated\n*.wasm\n"),
            ],
        }
    }
}
