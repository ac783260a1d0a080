//! What the bytes of a component say by themselves: imports, exports, memories, and who made it. Nothing is validated here; what cannot
//! be read is left out, and the host says why it does not take it.

use wasmparser::{KnownCustom, Parser, Payload, ProducersSectionReader};

use super::Producer;

/// The package of the contract.
const PACKAGE: &str = "sluice:plugin/";
/// Bytes of a page of memory.
const PAGE: u64 = 64 * 1024;
/// Names of one section: a component that has more was made to be read badly.
const MOST: usize = 1_000;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Of the component itself.
    pub(super) imports: Vec<String>,
    exports: Vec<String>,
    /// Of the component and all that is in it, each once.
    pub(super) producers: Vec<Producer>,
    /// Bytes that all memories begin with.
    pub(super) memory: u64,
}

impl Contents {
    /// Reads as far as it can be read.
    pub(super) fn read(component: &[u8]) -> Self {
        let mut contents = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(component) {
            let Ok(payload) = payload else { break };
            match payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    let names = section.into_iter().flatten().map(|import| import.name.name.to_owned());
                    contents.imports.extend(names.take(MOST));
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    let names = section.into_iter().flatten().map(|export| export.name.name.to_owned());
                    contents.exports.extend(names.take(MOST));
                }
                Payload::MemorySection(section) => {
                    let pages = section.into_iter().flatten().map(|memory| memory.initial);
                    let pages = pages.fold(0, u64::saturating_add);
                    contents.memory = contents.memory.saturating_add(pages.saturating_mul(PAGE));
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Producers(producers) = section.as_known() {
                        contents.made_by(producers);
                    }
                }
                _ => {}
            }
        }
        contents
    }

    fn made_by(&mut self, section: ProducersSectionReader<'_>) {
        for field in section.into_iter().flatten().take(MOST) {
            for value in field.values.into_iter().flatten().take(MOST) {
                let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect();
                let producer =
                    Producer { kind: plain(field.name), name: plain(value.name), version: plain(value.version) };
                if !self.producers.contains(&producer) && self.producers.len() < MOST {
                    self.producers.push(producer);
                }
            }
        }
    }

    /// The interfaces of the contract that it exports.
    pub(super) fn hooks(&self) -> Vec<String> {
        let ours = self.exports.iter().filter_map(|name| name.strip_prefix(PACKAGE)?.split_once('@'));
        ours.map(|(name, _)| name.to_owned()).filter(|name| name != "lifecycle").collect()
    }

    /// The versions of the contract that it names, each once.
    pub(super) fn contract(&self) -> Vec<String> {
        let names = self.exports.iter().chain(&self.imports);
        let mut versions: Vec<String> = names
            .filter_map(|name| name.strip_prefix(PACKAGE)?.split_once('@'))
            .map(|(_, version)| version.to_owned())
            .collect();
        versions.sort();
        versions.dedup();
        versions
    }
}
