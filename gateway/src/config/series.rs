//! A figure in terms of the series that an endpoint shows to Prometheus: `rate(http_requests_total{code="500"})`, or
//! `process_resident_memory_bytes / 2147483648`. A small part of PromQL that means here what it means there, but that series
//! which fit one name are added up.

use std::str::FromStr;

use serde::Deserialize;

/// A figure that is made of series.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Series {
    /// What is shown.
    pub value: Shown,
    /// What it is divided by; none: by nothing.
    pub per: Option<Per>,
}

/// What a figure is divided by.
#[derive(Debug, Clone, PartialEq)]
pub enum Per {
    /// A number, more than 0.
    Number(f64),
    /// What is shown besides.
    Shown(Shown),
}

/// Series of one name, added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Their name.
    pub name: String,
    /// Labels that each of them must have, with their values.
    pub labels: Vec<(String, String)>,
    /// How much it grows in a second is meant, from one scrape to the next.
    pub is_rate: bool,
}

impl FromStr for Series {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (value, rest) = shown(text.trim_start())?;
        let per = match rest.trim().strip_prefix('/') {
            None if rest.trim().is_empty() => None,
            None => return Err(format!("{:?} is too much", rest.trim())),
            Some(per) => Some(divisor(per.trim())?),
        };
        Ok(Series { value, per })
    }
}

fn divisor(text: &str) -> Result<Per, String> {
    if let Ok(number) = text.parse::<f64>() {
        let is_good = number.is_finite() && number > 0.0;
        return if is_good { Ok(Per::Number(number)) } else { Err("it can only be divided by more than 0".to_owned()) };
    }
    let (shown, rest) = shown(text)?;
    if rest.trim().is_empty() { Ok(Per::Shown(shown)) } else { Err(format!("{:?} is too much", rest.trim())) }
}

/// What is shown, and what stands behind it.
fn shown(text: &str) -> Result<(Shown, &str), String> {
    let Some(inner) = text.strip_prefix("rate(") else { return selected(text, false) };
    let (shown, rest) = selected(inner.trim_start(), true)?;
    let rest = rest.trim_start().strip_prefix(')').ok_or("the parenthesis behind `rate(` is missing")?;
    Ok((shown, rest))
}

fn selected(text: &str, is_rate: bool) -> Result<(Shown, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err("it must begin with the name of a series".to_owned());
    }
    let mut shown = Shown { name: name.to_owned(), labels: Vec::new(), is_rate };
    let Some(mut rest) = rest.strip_prefix('{') else { return Ok((shown, rest)) };
    loop {
        rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((shown, rest));
        }
        let (label, value, behind) = label(rest).ok_or("labels are written {name=\"value\", …}, and must be equal")?;
        shown.labels.push((label.to_owned(), value));
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(',') {
            Some(rest) => rest,
            None if behind.starts_with('}') => behind,
            None => return Err("a brace is missing".to_owned()),
        };
    }
}

/// Name and value of the label that a text begins with, and the rest: as it is written in series, and in what an endpoint shows.
pub fn label(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.split_once('=')?;
    let mut value = String::new();
    let mut rest = rest.trim_start().strip_prefix('"')?.chars();
    loop {
        match rest.next()? {
            '"' => return Some((name.trim(), value, rest.as_str())),
            '\\' => value.push(match rest.next()? {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, labels: &[(&str, &str)], is_rate: bool) -> Shown {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Shown { name: name.to_owned(), labels, is_rate }
    }

    #[test]
    fn figures_are_read() {
        let of = |value, per| Ok(Series { value, per });
        let up = || shown("up", &[], false);
        assert_eq!("up".parse(), of(up(), None));
        assert_eq!("node:load1 / 4".parse(), of(shown("node:load1", &[], false), Some(Per::Number(4.0))));
        assert_eq!(" up/0.5 ".parse(), of(up(), Some(Per::Number(0.5))));
        let requests = shown("http_requests_total", &[("code", "500"), ("path", "a\"b\\c}")], true);
        let text = r#"rate(http_requests_total{code="500", path="a\"b\\c}",})"#;
        assert_eq!(text.parse(), of(requests, None));
        let both = r#"used{pool="a"} / rate( all{} )"#.parse();
        assert_eq!(both, of(shown("used", &[("pool", "a")], false), Some(Per::Shown(shown("all", &[], true)))));
    }

    #[test]
    fn what_is_none_is_told() {
        let cases = [
            ("", "it must begin with the name of a series"),
            ("9up", "it must begin with the name of a series"),
            ("{a=\"b\"}", "it must begin with the name of a series"),
            ("up down", "\"down\" is too much"),
            ("up / 2 / 2", "it must begin with the name of a series"),
            ("up / 0", "it can only be divided by more than 0"),
            ("up / inf", "it can only be divided by more than 0"),
            ("up / down / 2", "\"/ 2\" is too much"),
            ("rate(up", "the parenthesis behind `rate(` is missing"),
            ("up{a=b}", "labels are written {name=\"value\", …}, and must be equal"),
            ("up{a=\"b}", "labels are written {name=\"value\", …}, and must be equal"),
            ("up{a=\"b\" c=\"d\"}", "a brace is missing"),
            ("up{a=\"b\"", "a brace is missing"),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Series>(), Err(expected.to_owned()), "{text}");
        }
    }
}
