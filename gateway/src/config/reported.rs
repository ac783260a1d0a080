//! How endpoints report their own load, from the file's shape to the model.

use std::sync::Arc;

use http::uri::{Authority, PathAndQuery};

use super::key_path::KeyPath;
use super::model::{ReportFields, ReportedLoad, Scrape};
use super::problem::Report;
use super::raw;
use super::units::Size;

/// Named figures of an upstream.
const MOST_NAMED: usize = 16;
/// Bytes of what an endpoint shows.
const SIZES: std::ops::RangeInclusive<usize> = 1 << 10..=16 << 20;

/// None: nothing is to be had of what it says.
pub(super) fn reported_load(raw: raw::ReportedLoad, at: &KeyPath, report: &mut Report<'_>) -> Option<ReportedLoad> {
    let expire = raw.expire.0;
    match (raw.header, raw.scrape) {
        (false, None) => {
            report.add(at, "it says neither `header = true` nor `scrape`");
            None
        }
        (true, Some(_)) => {
            report.add(
                &at.key("scrape"),
                "endpoints report by `header` or here, not by both: the last word would be anybody's",
            );
            None
        }
        (true, None) => {
            if raw.named.len() > MOST_NAMED {
                let message = format!("expected at most {MOST_NAMED} entries, found {}", raw.named.len());
                report.add(&at.key("named"), message);
            }
            for (number, name) in raw.named.iter().enumerate() {
                if raw.named.iter().take(number).any(|other| other == name) {
                    report.add(&at.key("named").index(number), format!("{name:?} stands twice"));
                }
                check_name(name, &at.key("named").index(number), report);
            }
            let named = raw.named.into_iter().map(Arc::from).collect();
            Some(ReportedLoad::Header(Arc::new(ReportFields { pass_on: raw.pass_on, named, expire })))
        }
        (false, Some(scrape)) => {
            for (key, is_given) in [("pass-on", raw.pass_on), ("named", !raw.named.is_empty())] {
                if is_given {
                    report.add(&at.key(key), "means nothing without `header`");
                }
            }
            Some(ReportedLoad::Scrape(Arc::new(resolve(scrape, expire, &at.key("scrape"), report))))
        }
    }
}

fn resolve(raw: raw::Scrape, expire: std::time::Duration, at: &KeyPath, report: &mut Report<'_>) -> Scrape {
    let is_good = raw.path.starts_with('/') && !raw.path.contains('#') && raw.path.parse::<PathAndQuery>().is_ok();
    if !is_good {
        report.add(&at.key("path"), format!("expected a path like \"/metrics\", found {:?}", raw.path));
    }
    if let Some(host) = raw.host.as_ref().filter(|host| host.parse::<Authority>().is_err() || host.contains('@')) {
        report.add(&at.key("host"), format!("expected a host, with a port or without, found {host:?}"));
    }
    if !SIZES.contains(&raw.size.0) {
        let (least, most) = (Size(*SIZES.start()), Size(*SIZES.end()));
        report.add(&at.key("size"), format!("expected {least} to {most}, found {}", raw.size));
    }
    let series = raw.series;
    let known = [
        ("cpu_utilization", series.cpu),
        ("mem_utilization", series.memory),
        ("application_utilization", series.utilization),
        ("rps_fractional", series.requests_per_second),
        ("eps", series.errors_per_second),
    ];
    let mut figures: Vec<_> = known.into_iter().filter_map(|(name, series)| Some((name.to_owned(), series?))).collect();
    let at_named = at.key("series").key("named");
    if series.named.len() > MOST_NAMED {
        report.add(&at_named, format!("expected at most {MOST_NAMED} entries, found {}", series.named.len()));
    }
    let mut named: Vec<Arc<str>> = Vec::with_capacity(series.named.len());
    for (name, series) in series.named {
        check_name(&name, &at_named.key(&name), report);
        figures.push((format!("named_metrics.{name}"), series));
        named.push(name.into());
    }
    if figures.is_empty() {
        report.add(&at.key("series"), "nothing is read: expected at least one figure");
    }
    Scrape {
        path: raw.path,
        host: raw.host,
        port: raw.port,
        interval: raw.interval.0,
        jitter_per_mille: raw.jitter.0,
        timeout: raw.timeout.0,
        size: raw.size.0,
        figures,
        named: named.into(),
        expire,
    }
}

/// It stands in labels, and is compared with what endpoints write.
fn check_name(name: &str, at: &KeyPath, report: &mut Report<'_>) {
    if !(1..=64).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        report.add(at, format!("expected 1 to 64 visible ASCII characters, found {name:?}"));
    }
}
