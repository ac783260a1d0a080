//! A scraper that is stricter than the real ones: it takes no exposition that breaks a rule of its format, and answers what a
//! series has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::{Gateway, Raw};

/// What a scraper of OpenMetrics asks for.
pub const OPEN: &str = "application/openmetrics-text; version=1.0.0";
/// What it gets then, and what others get.
pub const OPEN_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
pub const PLAIN_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One exposition.
#[derive(Debug, Default)]
pub struct Scrape {
    /// Of each family, without `_total`.
    types: BTreeMap<String, String>,
    described: BTreeSet<String>,
    samples: BTreeMap<Series, f64>,
}

/// Name and labels.
type Series = (String, BTreeMap<String, String>);

impl Gateway {
    /// Where operators come in.
    pub async fn admin(&self) -> SocketAddr {
        let event = self.log.wait_for("listening", |event| event.0["admin"] == true).await;
        event.text("address").parse().unwrap()
    }

    /// The status line, fields and body that the admin listener answers to those lines with.
    pub async fn ask_admin(&self, lines: &str) -> (String, String) {
        let mut raw = Raw::to(self.admin().await).await;
        raw.say(format!("{lines}\r\n\r\n")).await;
        let heard = raw.hear_all().await;
        let (head, body) = heard.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {heard:?}"));
        (head.to_owned(), body.to_owned())
    }

    /// All figures, in both formats, which must have the same families.
    pub async fn scrape(&self) -> Scrape {
        let (head, plain) = self.ask_admin("GET /metrics HTTP/1.1\r\nhost: localhost").await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains(PLAIN_TYPE), "{head}");
        let plain = Scrape::parse(&plain, false);
        let (head, open) = self.ask_admin(&format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept: {OPEN}")).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains(OPEN_TYPE), "{head}");
        let open = Scrape::parse(&open, true);
        assert_eq!(plain.types, open.types);
        open
    }

    /// Scrapes until all these series have these values.
    pub async fn shows(&self, expected: &[(&str, f64)]) -> Scrape {
        let mut found = Vec::new();
        for _ in 0..1_000 {
            let scrape = self.scrape().await;
            found = expected.iter().map(|(series, _)| scrape.get(series)).collect();
            if expected.iter().zip(&found).all(|((_, value), found)| Some(*value) == *found) {
                return scrape;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("expected {expected:#?}, found {found:?}");
    }
}

impl Scrape {
    /// Reads an exposition; panics at the first rule that it breaks.
    pub fn parse(text: &str, open: bool) -> Self {
        let mut scrape = Self::default();
        let (mut family, mut kind) = (String::new(), String::new());
        let body = match open {
            true => text.strip_suffix("# EOF\n").expect("OpenMetrics ends with its mark"),
            false => text,
        };
        for line in body.split_terminator('\n') {
            if let Some(described) = line.strip_prefix("# HELP ") {
                let name = described.split_once(' ').unwrap().0;
                assert!(scrape.described.insert(name.to_owned()), "{name} is described twice");
                (family, kind) = (name.to_owned(), String::new());
            } else if let Some(typed) = line.strip_prefix("# TYPE ") {
                let (name, of) = typed.split_once(' ').unwrap();
                assert!(name == family && kind.is_empty(), "a type out of place: {line:?}");
                assert!(["counter", "gauge", "histogram"].contains(&of), "{line:?}");
                assert!(open || of != "counter" || name.ends_with("_total"), "{line:?}");
                assert!(!open || !name.ends_with("_total"), "{line:?}");
                kind = of.to_owned();
                scrape.types.insert(name.strip_suffix("_total").unwrap_or(name).to_owned(), kind.clone());
            } else {
                let (series, value) = sample(line);
                let suffix = series.0.strip_prefix(&family).unwrap_or_else(|| panic!("out of its family: {line:?}"));
                let fits = match (kind.as_str(), open) {
                    ("counter", true) => suffix == "_total",
                    ("histogram", _) => ["_bucket", "_sum", "_count"].contains(&suffix),
                    ("counter" | "gauge", _) => suffix.is_empty(),
                    _ => false,
                };
                assert!(fits, "no sample of a {kind}: {line:?}");
                assert!(kind == "gauge" || value >= 0.0, "{line:?}");
                assert_eq!(scrape.samples.insert(series, value), None, "twice: {line:?}");
            }
        }
        scrape.histograms_hold_together();
        scrape
    }

    fn histograms_hold_together(&self) {
        let mut buckets: BTreeMap<Series, Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), count) in &self.samples {
            if let (Some(family), Some(bound)) = (name.strip_suffix("_bucket"), labels.get("le")) {
                let mut labels = labels.clone();
                labels.remove("le");
                buckets.entry((family.to_owned(), labels)).or_default().push((bound.parse().unwrap(), *count));
            }
        }
        for ((family, labels), mut buckets) in buckets {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1), "{family}: {buckets:?}");
            let (bound, all) = buckets[buckets.len() - 1];
            let of = |suffix: &str| self.samples.get(&(format!("{family}{suffix}"), labels.clone())).copied();
            assert_eq!((bound, Some(all)), (f64::INFINITY, of("_count")), "{family} {labels:?}");
            assert!(of("_sum").is_some(), "{family} {labels:?}");
        }
    }

    /// The value of a series as it is written there; the order of labels is no matter.
    pub fn get(&self, series: &str) -> Option<f64> {
        self.samples.get(&sample(&format!("{series} 0")).0).copied()
    }

    /// The same where it must be there.
    pub fn value(&self, series: &str) -> f64 {
        self.get(series).unwrap_or_else(|| panic!("no {series}"))
    }

    /// All series of that name, by one of their labels.
    pub fn by(&self, name: &str, label: &str) -> Vec<(String, f64)> {
        let named = self.samples.iter().filter(|((found, _), _)| found == name);
        named.map(|((_, labels), value)| (labels[label].clone(), *value)).collect()
    }

    /// What the samples of that name add up to.
    pub fn sum(&self, name: &str) -> f64 {
        self.samples.iter().filter(|((found, _), _)| found == name).map(|(_, value)| value).sum()
    }

    /// The names of families, with their kinds.
    pub fn types(&self) -> &BTreeMap<String, String> {
        &self.types
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// `name{label="value"} number`.
fn sample(line: &str) -> (Series, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no sample: {line:?}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line:?}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line:?}"));
            assert!(is_name(label), "{line:?}");
            let (value, after) = quoted(after);
            assert_eq!(labels.insert(label.to_owned(), value), None, "{line:?}");
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = after.strip_prefix('}').unwrap_or_else(|| panic!("{line:?}"));
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').and_then(|value| value.parse().ok());
    ((name.to_owned(), labels), value.unwrap_or_else(|| panic!("no value: {line:?}")))
}

/// Up to the quotation mark, and what is behind it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                other => panic!("{other:?} is nothing to escape in {text:?}"),
            },
            other => value.push(other),
        }
    }
    panic!("no end: {text:?}")
}
