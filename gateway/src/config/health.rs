//! When endpoints may be used, from the file's shape to the model.

use std::sync::Arc;

use http::uri::{Authority, PathAndQuery};

use super::key_path::KeyPath;
use super::model::{Check, Ejection, Health, HttpCheck, Statuses, SuccessRate};
use super::problem::Report;
use super::raw::{self, CheckKind};
use super::statuses::StatusRange;

pub(super) fn health(raw: raw::Health, at: &KeyPath, report: &mut Report<'_>) -> Arc<Health> {
    let given = [
        ("path", raw.path.is_some(), &[CheckKind::Http][..]),
        ("host", raw.host.is_some(), &[CheckKind::Http, CheckKind::Grpc]),
        ("status", raw.status.is_some(), &[CheckKind::Http]),
        ("body", raw.body.is_some(), &[CheckKind::Http]),
        ("service", raw.service.is_some(), &[CheckKind::Grpc]),
    ];
    for (key, _, kinds) in given.into_iter().filter(|(_, is_given, kinds)| *is_given && !kinds.contains(&raw.kind)) {
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("{:?}", name(*kind))).collect();
        report.add(&at.key(key), format!("this is for checks of kind {} only", kinds.join(" or ")));
    }
    if let Some(host) = raw.host.as_ref().filter(|host| host.parse::<Authority>().is_err() || host.contains('@')) {
        report.add(&at.key("host"), format!("expected a host, with a port or without, found {host:?}"));
    }
    let check = match raw.kind {
        CheckKind::Tcp => Check::Tcp,
        CheckKind::Grpc => Check::Grpc { service: raw.service.unwrap_or_default(), host: raw.host },
        CheckKind::Http => {
            let path = raw.path.unwrap_or_else(|| "/".to_owned());
            let is_good = path.starts_with('/') && !path.contains('#') && path.parse::<PathAndQuery>().is_ok();
            if !is_good {
                report.add(&at.key("path"), format!("expected a path like \"/healthz\", found {path:?}"));
            }
            Check::Http(HttpCheck {
                path,
                host: raw.host,
                status: statuses(raw.status, 200..=299),
                body: raw.body.filter(|text| !text.is_empty()),
            })
        }
    };
    Arc::new(Health {
        check,
        port: raw.port,
        interval: raw.interval.0,
        jitter_per_mille: raw.jitter.0,
        timeout: raw.timeout.0,
        healthy_after: raw.healthy_after,
        unhealthy_after: raw.unhealthy_after,
    })
}

/// As it stands in the file.
fn name(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::Http => "http",
        CheckKind::Tcp => "tcp",
        CheckKind::Grpc => "grpc",
    }
}

pub(super) fn ejection(raw: raw::Ejection) -> Ejection {
    Ejection {
        consecutive_failures: raw.consecutive_failures,
        consecutive_errors: raw.consecutive_errors,
        error_status: statuses(raw.error_status, 500..=599),
        success_rate: raw.success_rate.map(|rule| SuccessRate {
            interval: rule.interval.0,
            endpoints: rule.endpoints,
            requests: rule.requests,
            deviations_per_mille: rule.deviations.0,
        }),
        period: raw.period.0,
        longest: raw.longest.0,
        at_most_per_mille: raw.at_most.0,
    }
}

fn statuses(given: Option<Vec<StatusRange>>, default: std::ops::RangeInclusive<u16>) -> Statuses {
    Statuses(given.map_or_else(|| vec![default], |given| given.into_iter().map(|StatusRange(range)| range).collect()))
}
