//! The figures as docs/operations.md tells them and as the gateway does: every family with its labels and its kind. What
//! docs/monitoring asks for are figures that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::blocks::Document;
use super::events::{quoted, table};
use crate::harness::guests::workspace;
use crate::harness::{Configuration, Gateway, Origin};

/// What plugins declare themselves has names of its own, and a figure in the text beside them.
const OF_PLUGINS: [&str; 2] = ["sluice_use_<name>", "sluice_plugin_metrics_left_out"];

/// The families of the table, without `_total`, each with its kind.
fn told() -> BTreeMap<String, String> {
    let document = Document::read("docs/operations.md");
    let rows = table(&document, "## Metrics");
    let mut told = BTreeMap::new();
    for cells in rows {
        let kinds: Vec<&str> = cells[2].split(", ").collect();
        // In the order in which they stand.
        let names = cells[0].split('`').skip(1).step_by(2);
        for (number, name) in names.enumerate().filter(|(_, name)| !OF_PLUGINS.contains(name)) {
            let kind = kinds.get(number).unwrap_or(&kinds[0]);
            let name = name.strip_suffix("_total").unwrap_or(name).to_owned();
            assert!(told.insert(name, (*kind).to_owned()).is_none(), "{cells:?}");
        }
    }
    told
}

#[tokio::test]
async fn every_figure_is_told_and_no_other() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin])
        .upstream(
            "max-in-flight = 10\nqueue = { length = 1 }\nhealth = { path = \"/\" }\nreported-load = { header = true }",
        )
        .tables("[admin]\naddress = \"127.0.0.1:0\"");
    let gateway = Gateway::start(&configuration).await;
    let mut served = gateway.scrape().await.types().clone();
    served.retain(|name, _| !OF_PLUGINS.contains(&name.as_str()));
    let told = told();
    for name in served.keys().chain(told.keys()) {
        assert_eq!(told.get(name), served.get(name), "{name:?} in docs/operations.md and in the gateway");
    }
}

#[test]
fn what_dashboards_and_alerts_ask_for_is_there() {
    let told = told();
    let mut asked = BTreeSet::new();
    for file in ["alerts.yml", "alerts_test.yml", "grafana.json"] {
        let text = fs::read_to_string(workspace().join("docs/monitoring").join(file)).unwrap();
        let is_of_name = |character: char| character.is_ascii_lowercase() || character == '_';
        let words = text.split(|character: char| !is_of_name(character)).filter(|word| word.starts_with("sluice_"));
        asked.extend(words.map(str::to_owned));
    }
    assert!(asked.len() > 20, "{asked:?}");
    for name in asked {
        let is_there = |suffix: &str| name.strip_suffix(suffix).is_some_and(|family| told.contains_key(family));
        assert!(["", "_total", "_bucket", "_sum", "_count"].into_iter().any(is_there), "nobody tells {name}");
    }
}

/// So that nothing in the table is left out by a slip of its form.
#[test]
fn the_table_of_figures_quotes_names_in_its_first_column() {
    let document = Document::read("docs/operations.md");
    assert!(table(&document, "## Metrics").iter().all(|cells| !quoted(&cells[0]).is_empty() && cells.len() >= 4));
}
