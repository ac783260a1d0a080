//! Why an exchange went where it went: what uses said, for those who look later, and in a field of the answer for those who may ask.

use std::net::IpAddr;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::config::model::Config;
use crate::observe::{Record, Said, Step};
use crate::plugin::{Failure, Routed, Selected};
use crate::state::State;

/// Asks for the explanation, and brings it.
const EXPLAIN: HeaderName = HeaderName::from_static("x-sluice-explain");
/// Characters of an explanation.
const LONGEST: usize = 4096;

/// Takes the question out of a request; true if it is to be answered.
pub(super) fn is_asked(headers: &mut HeaderMap, config: &Config, peer: IpAddr) -> bool {
    let Some(admin) = &config.admin else { return false };
    admin.explain_to.iter().any(|network| network.contains(&peer)) && headers.remove(EXPLAIN).is_some()
}

/// Answers it.
pub(super) fn answer(record: &Record, state: &State, headers: &mut HeaderMap) {
    let mut text =
        format!("route={}; upstream={}; endpoint={}", record.traffic.route, record.upstream, record.endpoint);
    for step in record.steps() {
        text += &match step {
            Step::Asked { name, hook, said } => format!("; {} {hook}={}", state.settings(*name).name, word(*said)),
            Step::Tried { endpoint, took, status } => format!("; tried {endpoint}={status} in {}us", took.as_micros()),
        };
    }
    if !record.why.is_empty() {
        text += &format!("; why={}", record.why.join(", "));
    }
    // Names and reasons may have any characters.
    let visible = |byte: u8| if (b' '..=b'~').contains(&byte) { byte } else { b'?' };
    let bytes: Vec<u8> = text.bytes().take(LONGEST).map(visible).collect();
    if let Ok(value) = HeaderValue::from_bytes(&bytes) {
        headers.insert(EXPLAIN, value);
    }
}

/// In one word.
fn word(said: Said) -> String {
    match said {
        Said::Pass => "pass".to_owned(),
        Said::Chose => "chose".to_owned(),
        Said::Answered(status) => format!("answered {status}"),
        Said::Retry => "retry".to_owned(),
        Said::Failed(kind) => format!("failed {kind}"),
    }
}

pub(super) fn routed(answer: &Result<Routed, Failure>) -> Said {
    match answer {
        Ok(Routed::Pass(_)) => Said::Pass,
        Ok(Routed::Upstream(..)) => Said::Chose,
        Ok(Routed::Reply(status, _)) => answered(*status),
        Err(failure) => Said::Failed(failure.kind().as_str()),
    }
}

pub(super) fn selected(answer: &Result<Selected, Failure>) -> Said {
    match answer {
        Ok(Selected::Pass(_)) => Said::Pass,
        Ok(Selected::Endpoint(..)) => Said::Chose,
        Ok(Selected::Reject(status)) => answered(*status),
        Err(failure) => Said::Failed(failure.kind().as_str()),
    }
}

pub(super) fn responded(answer: &Result<bool, Failure>) -> Said {
    match answer {
        Ok(false) => Said::Pass,
        Ok(true) => Said::Retry,
        Err(failure) => Said::Failed(failure.kind().as_str()),
    }
}

fn answered(status: StatusCode) -> Said {
    Said::Answered(status.as_u16())
}
