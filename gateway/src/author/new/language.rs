//! The languages of projects: what its author writes, what its tools are, and how they are installed.

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

impl Language {
    /// The line that installs what a build needs.
    pub(in crate::author) fn install(self) -> &'static str {
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
    pub(super) fn room(self) -> &'static str {
        match self {
            Language::Rust | Language::C => "",
            Language::Javascript | Language::Python => {
                ", `limits = { memory = \"256MiB\", deadline = \"20ms\" }`, `slots = 2`"
            }
        }
    }

    /// The policy of a project that begins with hooks.
    pub(super) fn begins_with(self) -> &'static str {
        match self {
            Language::Rust => include_str!("templates/rust/lib.rs.txt"),
            Language::Javascript => include_str!("templates/javascript/plugin.js.txt"),
            Language::Python => include_str!("templates/python/plugin.py.txt"),
            Language::C => include_str!("templates/c/plugin.c.txt"),
        }
    }

    /// What its tools need beside that.
    pub(super) fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Language::Rust => {
                &[("Cargo.toml", include_str!("templates/rust/Cargo.toml.txt")), (".gitignore", "target\n*.wasm\n")]
            }
            Language::Javascript => &[
                ("package.json", include_str!("templates/javascript/package.json.txt")),
                (".gitignore", "node_modules\n*.wasm\n"),
            ],
            Language::Python => &[
                ("requirements.txt", include_str!("templates/python/requirements.txt")),
                (".gitignore", ".venv\n__pycache__\n*.wasm\n"),
            ],
            Language::C => &[(".gitignore", ".venv\ngenerated\n*.wasm\n")],
        }
    }
}
