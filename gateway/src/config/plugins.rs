//! The plugins that a configuration can name: the built-in ones, whose names come from outside, and those of its `[[plugin]]`
//! tables. Only what some use needs becomes part of the model, but every table is looked at.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::key_path::KeyPath;
use super::model::{Plugin, PluginIndex, PluginLimits, PluginSource};
use super::problem::{Report, did_you_mean};
use super::raw;
use super::resolve::existing_file;

/// A second name of a built-in plugin, which stands for it with a key of its own.
pub(super) const IP_HASH: &str = "ip-hash";
pub(super) const IP_HASH_IS: &str = "consistent-hash";

/// The plugins by name, and those of them that were needed so far.
pub(super) struct Plugins<'a> {
    built_in: &'a [&'static str],
    declared: Vec<Plugin>,
    needed: Vec<Plugin>,
}

impl<'a> Plugins<'a> {
    pub(super) fn new(
        tables: Vec<raw::Plugin>,
        built_in: &'a [&'static str],
        base_dir: &Path,
        report: &mut Report<'_>,
    ) -> Plugins<'a> {
        let mut plugins = Plugins { built_in, declared: Vec::new(), needed: Vec::new() };
        for (index, table) in tables.into_iter().enumerate() {
            let at = KeyPath::root().key("plugin").index(index);
            let name = &table.name.0;
            if plugins.built_in(name).is_some() {
                report.add(&at.key("name"), format!("{name:?} is the name of a built-in plugin"));
            } else if plugins.knows(name) {
                report.add(&at.key("name"), format!("another plugin is called {name:?}"));
            }
            plugins.declared.push(declared(table, base_dir, &at, report));
        }
        plugins
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.built_in(name).is_some() || self.declared.iter().any(|plugin| plugin.name == name)
    }

    /// All names that a use may give as its plugin.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let alias = self.built_in(IP_HASH).map(|_| IP_HASH);
        self.built_in.iter().copied().chain(alias).chain(self.declared.iter().map(|plugin| plugin.name.as_str()))
    }

    /// What to say about a name that is not known.
    pub(super) fn unknown(&self, name: &str) -> String {
        format!("no plugin is called {name:?}{}", did_you_mean(name, self.names()))
    }

    /// Makes the plugin part of the model; none if it is not known.
    pub(super) fn need(&mut self, name: &str) -> Option<PluginIndex> {
        let plugin = match self.built_in(name) {
            Some(component) => built_in(component),
            None => self.declared.iter().find(|plugin| plugin.name == name)?.clone(),
        };
        let known = self.needed.iter().position(|other| other.name == plugin.name);
        Some(known.unwrap_or_else(|| {
            self.needed.push(plugin);
            self.needed.len() - 1
        }))
    }

    /// The configuration of a use of this plugin, as JSON text, with what the plugin's name stands for.
    pub(super) fn config(&self, name: &str, mut given: Map<String, Value>) -> String {
        if name == IP_HASH && self.built_in(name).is_some() {
            given.entry("key").or_insert_with(|| json!(["client-ip"]));
        }
        Value::Object(given).to_string()
    }

    /// Those that were needed, and those that were declared and not needed.
    pub(super) fn finish(mut self) -> (Vec<Plugin>, Vec<Plugin>) {
        self.declared.retain(|plugin| !self.needed.contains(plugin));
        (self.needed, self.declared)
    }

    /// The component that the gateway brings under this name.
    fn built_in(&self, name: &str) -> Option<&'static str> {
        let name = if name == IP_HASH { IP_HASH_IS } else { name };
        self.built_in.iter().find(|component| **component == name).copied()
    }
}

/// A plugin that the gateway brings.
pub fn built_in(component: &'static str) -> Plugin {
    Plugin {
        name: component.to_owned(),
        source: PluginSource::BuiltIn(component),
        limits: limits(&raw::PluginLimits::default()),
        slots: None,
        place: None,
    }
}

fn declared(table: raw::Plugin, base_dir: &Path, at: &KeyPath, report: &mut Report<'_>) -> Plugin {
    check_limits(&table.limits, &at.key("limits"), report);
    Plugin {
        name: table.name.0,
        source: PluginSource::File {
            path: existing_file(&table.path, base_dir, &at.key("path"), report),
            sha256: table.sha256.map(|digest| digest.0),
        },
        limits: limits(&table.limits),
        slots: table.slots,
        place: Some(at.clone()),
    }
}

fn check_limits(raw: &raw::PluginLimits, at: &KeyPath, report: &mut Report<'_>) {
    let sizes = [
        ("memory", raw.memory, 64 << 10, 4 << 30, "64KiB to 4GiB"),
        ("host-call", raw.host_call, 4 << 10, 64 << 20, "4KiB to 64MiB"),
        ("output", raw.output, 1 << 10, 1 << 20, "1KiB to 1MiB"),
    ];
    for (key, size, least, most, range) in sizes {
        if !(least..=most).contains(&(size.0 as u64)) {
            report.add(&at.key(key), format!("expected {range}, found {size}"));
        }
    }
    if !(1..=10_000).contains(&raw.deadline.0.as_millis()) {
        report.add(&at.key("deadline"), format!("expected 1ms to 10s, found {}", raw.deadline));
    }
    if raw.worker_share.0 == 0 {
        report.add(&at.key("worker-share"), "expected more than 0%, up to 100%".to_owned());
    }
}

fn limits(raw: &raw::PluginLimits) -> PluginLimits {
    PluginLimits {
        memory: raw.memory.0,
        deadline: raw.deadline.0,
        worker_share_per_mille: raw.worker_share.0,
        host_call: raw.host_call.0,
        output: raw.output.0,
    }
}
