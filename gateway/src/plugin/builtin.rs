//! The default plugins: components like any other, embedded by `build.rs`.

/// Name and bytes of each, by name.
pub const BUILT_IN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// Their names, as the configuration may use them.
pub fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).collect()
}

/// The component of that name.
pub fn bytes(name: &str) -> Option<&'static [u8]> {
    BUILT_IN.iter().find(|(found, _)| *found == name).map(|(_, bytes)| *bytes)
}
