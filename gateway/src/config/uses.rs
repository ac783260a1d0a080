//! Where plugins stand: turns the entries of chains into uses. An entry is the name of a `[[use]]`, the name of a plugin, or a
//! table of its own. What a plugin makes of its configuration, and which hooks it has, is not known here.

use std::collections::HashMap;
use std::sync::Arc;

use super::Unused;
use super::key_path::KeyPath;
use super::model::{OnError, Plugin, UpstreamIndex, Use, UseIndex};
use super::plugins::Plugins;
use super::problem::{Report, did_you_mean};
use super::raw;

/// All uses, growing while routes and upstreams are gone through.
pub(super) struct Uses<'a> {
    plugins: Plugins<'a>,
    tables: Vec<raw::Use>,
    /// The tables that stand somewhere, with the upstreams they see from there.
    shared: HashMap<(usize, Sees), UseIndex>,
    uses: Vec<Use>,
}

/// The upstreams that a use is made for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Sees {
    /// Whose endpoints it selects.
    pub(super) upstream: Option<UpstreamIndex>,
    /// What it may choose as a routing plugin.
    pub(super) upstreams: Vec<UpstreamIndex>,
}

/// Where a chain stands.
pub(super) struct Standing<'a> {
    /// The route or upstream.
    pub(super) owner: &'a str,
    pub(super) hook: &'static str,
    pub(super) sees: Sees,
    pub(super) at: KeyPath,
}

#[expect(clippy::indexing_slicing, reason = "positions that this table has given out")]
impl<'a> Uses<'a> {
    /// Looks at every `[[use]]`, whether it stands anywhere or not.
    pub(super) fn new(tables: Vec<raw::Use>, plugins: Plugins<'a>, report: &mut Report<'_>) -> Uses<'a> {
        for (index, table) in tables.iter().enumerate() {
            let at = KeyPath::root().key("use").index(index);
            let name = &table.name.0;
            if plugins.knows(name) {
                report.add(&at.key("name"), format!("{name:?} is the name of a plugin; a use needs one of its own"));
            } else if tables.iter().take(index).any(|other| other.name == table.name) {
                report.add(&at.key("name"), format!("another use is called {name:?}"));
            }
            if !plugins.knows(&table.plugin) {
                report.add(&at.key("plugin"), plugins.unknown(&table.plugin));
            }
        }
        Uses { plugins, tables, shared: HashMap::new(), uses: Vec::new() }
    }

    pub(super) fn chain(
        &mut self,
        entries: Vec<raw::UseHere>,
        standing: &Standing<'_>,
        report: &mut Report<'_>,
    ) -> Vec<UseIndex> {
        let mut chain = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let at = standing.at.index(index);
            let placed = match entry {
                raw::UseHere::Named(name) => match self.tables.iter().position(|table| table.name.0 == name) {
                    Some(table) => self.shared(table, &standing.sees),
                    None => {
                        if !self.plugins.knows(&name) {
                            report.add(&at, self.unknown(&name));
                        }
                        let bare = raw::InlineUse { plugin: name, config: None, on_error: None };
                        self.own(bare, &chain, standing, &at)
                    }
                },
                raw::UseHere::Inline(inline) => {
                    if !self.plugins.knows(&inline.plugin) {
                        report.add(&at.key("plugin"), self.no_plugin(&inline.plugin));
                    }
                    self.own(inline, &chain, standing, &at)
                }
            };
            // None: its plugin is not known, which has been said.
            let Some(placed) = placed else { continue };
            if chain.contains(&placed) {
                let message = format!("{:?} stands twice in this chain", self.uses[placed].name);
                report.add(&at, message);
            } else {
                chain.push(placed);
            }
        }
        chain
    }

    /// The plugins that are needed, the uses, and what is declared besides.
    pub(super) fn finish(self) -> (Vec<Plugin>, Vec<Use>, Unused) {
        let stands = |table| self.shared.keys().any(|(other, _)| *other == table);
        let tables = KeyPath::root().key("use");
        let uses = (0..self.tables.len()).filter(|table| !stands(*table)).map(|table| tables.index(table)).collect();
        let (needed, plugins) = self.plugins.finish();
        (needed, self.uses, Unused { plugins, uses })
    }

    /// The use of a `[[use]]` table: one for all places that see the same upstreams.
    fn shared(&mut self, table: usize, sees: &Sees) -> Option<UseIndex> {
        let key = (table, sees.clone());
        if let Some(known) = self.shared.get(&key) {
            return Some(*known);
        }
        let raw::Use { name, plugin, config, on_error } = &self.tables[table];
        let here = raw::InlineUse { plugin: plugin.clone(), config: config.clone(), on_error: *on_error };
        let name = name.0.clone();
        let placed = self.push(name, here, sees, &KeyPath::root().key("use").index(table))?;
        self.shared.insert(key, placed);
        Some(placed)
    }

    /// A use that belongs to its place in a chain, of which `before` are the uses that stand before it.
    fn own(
        &mut self,
        inline: raw::InlineUse,
        before: &[UseIndex],
        standing: &Standing<'_>,
        at: &KeyPath,
    ) -> Option<UseIndex> {
        let name = format!("{}/{}/{}", standing.owner, standing.hook, inline.plugin);
        let is_same = |other: &UseIndex| self.uses[*other].name.split('#').next() == Some(name.as_str());
        let name = match before.iter().filter(|other| is_same(other)).count() {
            0 => name,
            before => format!("{name}#{}", before + 1),
        };
        self.push(name, inline, &standing.sees, at)
    }

    fn push(&mut self, name: String, used: raw::InlineUse, sees: &Sees, at: &KeyPath) -> Option<UseIndex> {
        self.uses.push(Use {
            name: Arc::from(name),
            plugin: self.plugins.need(&used.plugin)?,
            config: self.plugins.config(&used.plugin, used.config.unwrap_or_default()),
            place: at.clone(),
            on_error: used.on_error.map(on_error),
            upstream: sees.upstream,
            upstreams: sees.upstreams.clone(),
        });
        Some(self.uses.len() - 1)
    }

    fn unknown(&self, name: &str) -> String {
        let uses = self.tables.iter().map(|table| table.name.0.as_str());
        format!("no use and no plugin is called {name:?}{}", did_you_mean(name, self.plugins.names().chain(uses)))
    }

    fn no_plugin(&self, name: &str) -> String {
        if self.tables.iter().any(|table| table.name.0 == name) {
            format!("{name:?} is a use, not a plugin; name it without a table around it")
        } else {
            self.plugins.unknown(name)
        }
    }
}

fn on_error(raw: raw::OnError) -> OnError {
    match raw {
        raw::OnError::Fallback => OnError::Fallback,
        raw::OnError::Pass => OnError::Pass,
        raw::OnError::Fail => OnError::Fail,
    }
}
