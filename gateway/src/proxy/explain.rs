//! Why an exchange went where it went: what uses said, for those who look later, and in a field of the answer for those who may ask.

use std::net::IpAddr;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::config::model::{Config, Keeps, UseIndex};
use crate::endpoint::Members;
use crate::observe::{Record, Said, Step};
use crate::plugin::{Failure, Routed, Selected};
use crate::state::State;

/// Asks for the explanation, and brings it.
const EXPLAIN: HeaderName = HeaderName::from_static("x-sluice-explain");
/// Asks for a record of the whole exchange as well.
const RECORD: &str = "record";
/// Characters of an explanation.
const LONGEST: usize = 4096;

/// What somebody wants to know of an exchange.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The client wants to be told why.
    pub(super) explains: bool,
    /// It is recorded whole, with secrets or without.
    pub(super) records: Option<Keeps>,
}

/// What is wanted by the configuration, and by the request, if its client may ask: then the question is taken out.
pub(super) fn wanted(headers: &mut HeaderMap, config: &Config, peer: IpAddr) -> Wanted {
    let Some(admin) = &config.admin else { return Wanted::default() };
    let may_ask = || admin.explain_to.iter().any(|network| network.contains(&peer));
    let asked = if may_ask() { headers.remove(EXPLAIN) } else { None };
    let records = match (admin.record, &asked) {
        (Keeps::Steps, Some(asked)) if asked == RECORD => Some(Keeps::Masked),
        (Keeps::Steps, _) => None,
        (records, _) => Some(records),
    };
    Wanted { explains: asked.is_some(), records: records.filter(|_| admin.exchanges > 0) }
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

/// The upstream that was chosen, by name.
pub(super) fn routed_to(answer: &Result<Routed, Failure>, state: &State, place: UseIndex) -> Option<String> {
    let Ok(Routed::Upstream(index, _)) = answer else { return None };
    let upstream = state.settings(place).upstreams.get(*index)?;
    Some(state.upstream(*upstream).1.name.to_string())
}

/// The endpoint that was chosen, by id.
pub(super) fn selected_of(answer: &Result<Selected, Failure>, members: &Members) -> Option<String> {
    let Ok(Selected::Endpoint(index, _)) = answer else { return None };
    Some(members.endpoints.get(*index)?.settings.id.to_string())
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
