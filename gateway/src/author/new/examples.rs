//! Policies that people ask for, each in one of the languages, each with its scenario.

use super::Language;

/// One of them.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) name: &'static str,
    pub(super) language: Language,
    pub(super) summary: &'static str,
    /// What it imports beside what every plugin does, and what it exports.
    pub(super) world: &'static [(&'static str, &'static str)],
    pub(super) source: &'static str,
    pub(super) scenario: &'static str,
}

/// The words of a world.
const SELECTS: [(&str, &str); 3] = [("import", "members"), ("import", "endpoints"), ("export", "selection")];
const ROUTES: [(&str, &str); 2] = [("import", "upstreams"), ("export", "routing")];

macro_rules! example {
    ($name:literal, $language:ident, $file:literal, $summary:literal, $world:expr) => {
        Example {
            name: $name,
            language: Language::$language,
            summary: $summary,
            world: $world,
            source: include_str!(concat!("examples/", $name, "/", $file)),
            scenario: include_str!(concat!("examples/", $name, "/scenario.toml")),
        }
    };
}

/// All of them.
pub(super) const ALL: &[Example] = &[
    example!(
        "ab-cookie",
        Javascript,
        "plugin.js",
        "Half of the visitors get the second upstream, by cookie",
        &[ROUTES[0], ROUTES[1], ("export", "response")]
    ),
    example!(
        "gpu-memory",
        Python,
        "plugin.py",
        "The fewest requests in flight for the memory of its GPU, which a label of the endpoint tells",
        &SELECTS
    ),
    example!(
        "prefix-affinity",
        Python,
        "plugin.py",
        "Prompts that begin alike go to the same LLM backend, unless it is too busy",
        &[ROUTES[0], ROUTES[1], SELECTS[0], SELECTS[1], SELECTS[2]]
    ),
    example!(
        "rate-aware",
        Rust,
        "lib.rs.txt",
        "The endpoint that should be done first, by the rate at which it answers",
        &[SELECTS[0], SELECTS[1], SELECTS[2], ("export", "feedback"), ("export", "timer"), ("export", "state")]
    ),
    example!(
        "tenant-breaker",
        Javascript,
        "plugin.js",
        "A circuit breaker for each tenant",
        &[ROUTES[0], ROUTES[1], ("export", "response")]
    ),
    example!("time-of-day", C, "plugin.c", "The second upstream at night", &ROUTES),
];

/// The one of that name.
pub(super) fn find(name: &str) -> Option<&'static Example> {
    ALL.iter().find(|example| example.name == name)
}
