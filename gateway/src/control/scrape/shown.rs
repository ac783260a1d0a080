//! What an endpoint shows to Prometheus, line by line: `name{label="value"} 1.5 timestamp`. Pure, and read by hand: of a page of
//! thousands of series a handful of names is looked for, and nothing else of it is kept or even looked at.

use crate::config::model::{Shown, label};

/// Of each of these, all series that fit added up; none where there is none.
///
/// # Errors
/// At the first line of one of these names that is not well-formed.
pub(super) fn sums(page: &str, wanted: &[&Shown]) -> Result<Vec<Option<f64>>, Malformed> {
    let mut sums = vec![None; wanted.len()];
    for line in page.lines() {
        let end = line.find(['{', ' ', '\t']).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        if !wanted.iter().any(|shown| shown.name == name) {
            continue;
        }
        let (labels, value) = read(rest).ok_or(Malformed)?;
        for (shown, sum) in wanted.iter().zip(&mut sums) {
            let has = |(name, value): &(String, String)| {
                labels.iter().any(|(other, found)| *other == name.as_str() && found == value)
            };
            if shown.name == name && shown.labels.iter().all(has) {
                *sum = Some(sum.unwrap_or(0.0) + value);
            }
        }
    }
    Ok(sums)
}

/// A line begins with a name that is looked for, and is no series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Labels and value, of what stands behind a name. What comes behind the value, a time or an example, is none of it.
fn read(text: &str) -> Option<(Vec<(&str, String)>, f64)> {
    let mut labels = Vec::new();
    let mut rest = text.trim_start();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start();
        while !rest.starts_with('}') {
            let (name, value, behind) = label(rest)?;
            labels.push((name, value));
            let behind = behind.trim_start();
            rest = behind.strip_prefix(',').map_or(behind, str::trim_start);
        }
        rest = rest.strip_prefix('}')?;
    }
    let value = rest.split_ascii_whitespace().next()?;
    Some((labels, value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Series;

    fn of(page: &str, wanted: &[&str]) -> Result<Vec<Option<f64>>, Malformed> {
        let wanted: Vec<Shown> = wanted.iter().map(|text| text.parse::<Series>().unwrap().value).collect();
        sums(page, &wanted.iter().collect::<Vec<_>>())
    }

    const PAGE: &str = r#"# HELP requests_total All of them.
# TYPE requests_total counter
requests_total{code="200",path="/a\"}b"} 7 1700000000000
requests_total{code="500",path="/"} 2
requests_total{code="200",path="/",} 1.5e1 # {trace="x"} 1 1

load1 0.25
load15	3
  load 9
requests_total_created 5
broken{ 1
bad nonsense
empty
"#;

    #[test]
    fn series_that_fit_are_added_up() {
        let found = of(
            PAGE,
            &["requests_total", r#"requests_total{code="200"}"#, r#"requests_total{path="/a\"}b", code="200"}"#],
        );
        assert_eq!(found, Ok(vec![Some(24.0), Some(22.0), Some(7.0)]));
        let found = of(PAGE, &["load1", "load15", "load", r#"requests_total{code="404"}"#, r#"load1{a="b"}"#]);
        assert_eq!(found, Ok(vec![Some(0.25), Some(3.0), None, None, None]));
        assert_eq!(of("", &["load1"]), Ok(vec![None]));
        assert!(of("a NaN\na +Inf", &["a"]).unwrap()[0].unwrap().is_nan());
    }

    #[test]
    fn lines_that_are_none_matter_where_they_are_asked_for() {
        for name in ["broken", "bad", "empty"] {
            assert_eq!(of(PAGE, &[name]), Err(Malformed), "{name}");
        }
    }
}
