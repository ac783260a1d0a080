//! What bounds traffic, from the file's shape to the model.

use super::key_path::KeyPath;
use super::matcher::is_token;
use super::model::{Endpoint, Queue, Rate, RateKey, Retry, RouteLimits};
use super::problem::Report;
use super::raw::{self, RetryCause};

/// More than that would not be a small body.
const MOST_KEPT: usize = 16 << 20;

pub(super) fn retry(raw: &raw::Retry, at: &KeyPath, report: &mut Report<'_>) -> Retry {
    if raw.body.0 > MOST_KEPT {
        report.add(&at.key("body"), format!("expected at most 16MiB, found {}", raw.body));
    }
    let statuses = raw.on.iter().filter_map(|cause| match cause {
        RetryCause::Status(status) => Some(*status),
        _ => None,
    });
    Retry {
        extra_attempts: raw.extra_attempts,
        on_unsent: raw.on.contains(&RetryCause::Unsent),
        on_reset: raw.on.contains(&RetryCause::Reset),
        on_timeout: raw.on.contains(&RetryCause::TimedOut),
        on_status: statuses.collect(),
        budget_per_mille: raw.budget.0,
        per_try: raw.per_try.map(|time| time.0),
        body: raw.body.0,
    }
}

pub(super) fn limits(raw: raw::RouteLimits, at: &KeyPath, report: &mut Report<'_>) -> RouteLimits {
    let rate = raw.rate.map(|rate| {
        let key = match rate.key {
            raw::RateKey::Address(_) => RateKey::Client,
            raw::RateKey::Field(field) => {
                if !is_token(&field.header) {
                    let message = format!("{:?} is not the name of a header field", field.header);
                    report.add(&at.key("rate").key("key").key("header"), message);
                }
                RateKey::Header(field.header.to_ascii_lowercase())
            }
        };
        let interval = rate.per.0 / rate.requests;
        if interval.is_zero() {
            report.add(&at.key("rate").key("per"), "too short for so many requests: at least 1ns for each");
        }
        Rate { interval, burst: rate.burst.unwrap_or(rate.requests), key }
    });
    RouteLimits { body: raw.body.map(|size| size.0 as u64), rate }
}

/// Nobody ever waits where nothing can be full.
pub(super) fn queue(
    raw: Option<&raw::Queue>,
    max_in_flight: Option<u32>,
    endpoints: &[Endpoint],
    at: &KeyPath,
    report: &mut Report<'_>,
) -> Option<Queue> {
    let raw = raw?;
    if max_in_flight.is_none() && endpoints.iter().any(|endpoint| endpoint.max_in_flight.is_none()) {
        let message = "means nothing without `max-in-flight`, of the upstream or of each of its endpoints";
        report.add(&at.key("queue"), message);
    }
    Some(Queue { length: raw.length, timeout: raw.timeout.0 })
}
