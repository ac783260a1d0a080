//! What is told of exchanges to a collector of traces, from the file's shape to the model.

use std::path::Path;

use http::HeaderValue;

use super::key_path::KeyPath;
use super::matcher::is_token;
use super::model::{TraceParent, Traces};
use super::problem::Report;
use super::raw;
use super::resolve::existing_file;

/// Fields that frame a request, or that the gateway writes.
const OURS: [&str; 7] =
    ["connection", "content-encoding", "content-length", "content-type", "host", "te", "transfer-encoding"];

pub(super) fn traces(raw: raw::Traces, base_dir: &Path, report: &mut Report<'_>) -> Traces {
    let at = KeyPath::root().key("traces");
    let mut names: Vec<String> = Vec::new();
    let mut field = |name: String, at: &KeyPath, report: &mut Report<'_>| {
        let name_in_lower_case = name.to_ascii_lowercase();
        if !is_token(&name) {
            report.add(at, format!("{name:?} is not the name of a header field"));
        } else if OURS.contains(&name_in_lower_case.as_str()) {
            report.add(at, "the gateway says that itself");
        } else if names.contains(&name_in_lower_case) {
            report.add(at, "this field is there already");
        }
        names.push(name_in_lower_case.clone());
        name_in_lower_case
    };
    let mut headers = Vec::with_capacity(raw.headers.len());
    for (name, value) in raw.headers {
        let at = at.key("headers").key(&name);
        if HeaderValue::from_str(&value).is_err() {
            report.add(&at, "expected one line of visible characters");
        }
        headers.push((field(name, &at, report), value));
    }
    let mut header_files = Vec::with_capacity(raw.header_files.len());
    for (name, file) in raw.header_files {
        let at = at.key("header-files").key(&name);
        let file = existing_file(&file, base_dir, &at, report);
        header_files.push((field(name, &at, report), file));
    }
    if raw.ca.is_some() && !raw.endpoint.secure {
        report.add(&at.key("ca"), "means nothing without `https`");
    }
    if raw.service_name.trim().is_empty() {
        report.add(&at.key("service-name"), "expected a name");
    }
    let ca = raw.ca.map(|file| existing_file(&file, base_dir, &at.key("ca"), report));
    Traces {
        secure: raw.endpoint.secure,
        authority: raw.endpoint.authority,
        address: raw.endpoint.address,
        target: raw.endpoint.target,
        headers,
        header_files,
        ca,
        sample_per_mille: raw.sample.0,
        parent: match raw.parent {
            raw::TraceParent::Trusted => TraceParent::Trusted,
            raw::TraceParent::All => TraceParent::All,
            raw::TraceParent::None => TraceParent::None,
        },
        service_name: raw.service_name,
        resource: raw.resource.into_iter().collect(),
        queue: raw.queue,
        interval: raw.interval.0,
        timeout: raw.timeout.0,
    }
}
