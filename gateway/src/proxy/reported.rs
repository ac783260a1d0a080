//! Load that an endpoint reports in fields of its answer, or behind it: kept for plugins, and taken off, since it is meant for who
//! balances and not for who asks.

use std::time::Instant;

use http::HeaderMap;

use crate::config::model::ReportFields;
use crate::endpoint::{Endpoint, Report};

/// Takes the report in, if there is one among these.
pub(super) fn take(fields: &mut HeaderMap, endpoint: &Endpoint, how: &ReportFields, now: Instant) {
    match Report::take_from(fields, &how.named, how.pass_on) {
        None => {}
        Some(Ok(report)) => endpoint.reports(report, now, how.expire),
        Some(Err(reason)) => {
            endpoint.report_refused();
            tracing::debug!(target: "sluice", endpoint = %endpoint.settings.id, %reason, "report refused");
        }
    }
}
