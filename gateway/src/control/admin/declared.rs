//! The figures that plugins declare themselves, put into families: one for each name, over all uses that have it.
//!
//! Plugins know nothing of each other, so names may clash: two uses that mean different kinds by one name, or a gauge that is
//! called as a histogram calls its sum. Who comes first in the configuration keeps the name; what clashes with it is left out,
//! since a scraper would refuse the whole text otherwise, and the number of those is a figure of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::observe::metrics::{Kind, Metric};

/// Metrics of one name, kind and meaning.
#[derive(Debug)]
pub(super) struct Family {
    /// `sluice_use_` and what the plugin says; without `_total`.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// In the words of the first use; fit to stand in a line of its own.
    pub(super) help: String,
    /// The uses that have it, by name, each once.
    pub(super) members: Vec<(Arc<str>, Arc<Metric>)>,
}

/// All families, and how many metrics are left out. `uses` are the names of uses with what each declares.
pub(super) fn families(uses: impl Iterator<Item = (Arc<str>, Vec<(String, Arc<Metric>)>)>) -> (Vec<Family>, usize) {
    let mut families: Vec<Family> = Vec::new();
    let (mut taken, mut left_out) = (BTreeSet::new(), 0);
    for (owner, metrics) in uses {
        for (name, metric) in metrics {
            let kind = metric.kind();
            let name = if kind == Kind::Counter { name.strip_suffix("_total").unwrap_or(&name) } else { &name };
            let name = format!("sluice_use_{name}");
            if let Some(family) = families.iter_mut().find(|family| family.name == name && family.kind == kind) {
                // All of a use come one after the other.
                match family.members.last().is_some_and(|(last, _)| *last == owner) {
                    true => left_out += 1,
                    false => family.members.push((owner.clone(), metric)),
                }
                continue;
            }
            let names = names(&name, kind);
            if names.iter().any(|name| taken.contains(name)) {
                left_out += 1;
                continue;
            }
            taken.extend(names);
            families.push(Family { name, kind, help: line(metric.help()), members: vec![(owner.clone(), metric)] });
        }
    }
    (families, left_out)
}

/// Names that nobody else may have then: the family's, and those of its samples.
fn names(family: &str, kind: Kind) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        Kind::Counter => &["", "_total", "_created"],
        Kind::Gauge => &[""],
        Kind::Histogram => &["", "_bucket", "_count", "_sum", "_created"],
    };
    suffixes.iter().map(|suffix| format!("{family}{suffix}")).collect()
}

/// A plugin's text where a line break would begin a line of its making, and a quotation mark has to be escaped by some and must
/// not be by others.
fn line(help: &str) -> String {
    let fit = |character: char| match character {
        control if control.is_control() => ' ',
        '"' => '\'',
        other => other,
    };
    help.chars().map(fit).collect::<String>().replace('\\', "\\\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::Registry;

    fn declared(uses: &[(&str, &[(Kind, &str)])]) -> (Vec<(String, Kind, Vec<String>)>, usize) {
        let all = uses.iter().map(|(owner, metrics)| {
            let registry = Registry::default();
            for (kind, name) in *metrics {
                registry.open(*kind, name, "").expect("a good name");
            }
            (Arc::from(*owner), registry.all())
        });
        let (families, left_out) = families(all);
        let members = |family: &Family| family.members.iter().map(|(owner, _)| owner.to_string()).collect();
        (families.iter().map(|family| (family.name.clone(), family.kind, members(family))).collect(), left_out)
    }

    #[test]
    fn uses_share_a_family_unless_their_names_clash() {
        use Kind::{Counter, Gauge, Histogram};
        let family = |name: &str, kind: Kind, uses: &[&str]| {
            (format!("sluice_use_{name}"), kind, uses.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        };
        // One name, one kind.
        let found = declared(&[("a", &[(Counter, "hits")]), ("b", &[(Counter, "hits"), (Gauge, "mood")])]);
        assert_eq!(found, (vec![family("hits", Counter, &["a", "b"]), family("mood", Gauge, &["b"])], 0));
        // One name, two kinds: the first has it, and those who mean the same join it all the same.
        let found = declared(&[("a", &[(Gauge, "x")]), ("b", &[(Histogram, "x")]), ("c", &[(Gauge, "x")])]);
        assert_eq!(found, (vec![family("x", Gauge, &["a", "c"])], 1));
        // The suffix of counters is the gateway's to write; twice in one use is once too often.
        let found =
            declared(&[("a", &[(Counter, "hits"), (Counter, "hits_total")]), ("b", &[(Counter, "hits_total")])]);
        assert_eq!(found, (vec![family("hits", Counter, &["a", "b"])], 1));
        // Names of samples are taken too, whoever comes first.
        for (first, second) in [
            ((Counter, "x"), (Gauge, "x_total")),
            ((Histogram, "x"), (Gauge, "x_sum")),
            ((Histogram, "x"), (Counter, "x_count")),
        ] {
            assert_eq!(declared(&[("a", &[first]), ("b", &[second])]).1, 1, "{first:?} {second:?}");
            assert_eq!(declared(&[("a", &[second]), ("b", &[first])]).1, 1, "{second:?} {first:?}");
        }
    }

    #[test]
    fn a_help_text_stays_in_its_line() {
        assert_eq!(line("a \"b\"\n# EOF\r\\n"), "a 'b' # EOF \\\\n");
    }
}
