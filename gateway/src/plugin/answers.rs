//! What hooks are told and what they answer, in the proxy's words. Every answer of a guest is checked here before anyone
//! acts on it; what the questions are and who asks them stands in `slot`.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::Failure;
use super::bindings::exports::sluice::plugin::{feedback, routing, selection};
use super::edits::Reply;
use super::witness::Watching;
use crate::endpoint::Endpoint;

/// What a hook is told of the moment.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Fresh for each call.
    pub random: u64,
    /// Microseconds since 1970, never going back.
    pub now_us: u64,
    /// Watches the call; none: nobody does.
    pub watching: Option<&'a Watching>,
}

impl Moment<'_> {
    /// With nobody who watches.
    pub fn new(random: u64, now_us: u64) -> Self {
        Self { random, now_us, watching: None }
    }
}

/// A routing plugin's answer.
#[derive(Debug)]
pub enum Routed {
    /// No opinion.
    Pass(u64),
    /// Position among the upstreams of the use.
    Upstream(usize, u64),
    /// The gateway answers.
    Reply(StatusCode, Reply),
}

/// A selection plugin's answer.
#[derive(Debug)]
pub enum Selected {
    /// No opinion.
    Pass(u64),
    /// This member.
    Endpoint(usize, u64),
    /// The gateway answers.
    Reject(StatusCode),
}

/// How an attempt ended, for `feedback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// An answer below 500.
    Success,
    /// 500 and above.
    ServerError,
    /// No connection.
    ConnectFailed,
    /// No response head in time.
    TimedOut,
    /// The connection broke.
    Reset,
    /// The client went away.
    Cancelled,
}

/// One attempt, for `feedback`.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Who was chosen.
    pub endpoint: Arc<Endpoint>,
    /// What the use attached.
    pub tag: u64,
    /// How it ended.
    pub kind: OutcomeKind,
    /// 0 where there was none.
    pub status: u16,
    /// To the response head, or to the failure.
    pub latency: Duration,
}

/// What a version got from the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inherited {
    /// One of the two takes no part in that.
    Nothing,
    /// State of so many bytes.
    State(usize),
    /// It did not want what the other one had, for this reason.
    Refused(String),
}

/// What a responding plugin is told of the exchange.
#[derive(Debug, Clone)]
pub struct Ended {
    /// What the use attached.
    pub tag: u64,
    /// Attempts made.
    pub attempts: u32,
    /// From the choice to the response head.
    pub upstream: Duration,
}

impl Routed {
    /// `upstreams`: how many the use may choose from.
    pub(super) fn check(decision: routing::Decision, upstreams: usize) -> Result<Self, Failure> {
        match decision {
            routing::Decision::Pass(tag) => Ok(Self::Pass(tag)),
            routing::Decision::Upstream(choice) => match choice.upstream as usize {
                index if index < upstreams => Ok(Self::Upstream(index, choice.tag)),
                index => Err(Failure::Invalid(format!("upstream {index} of {upstreams}"))),
            },
            routing::Decision::Reply(status @ 200..=599) => Ok(Self::Reply(to_status(status)?, Reply::default())),
            routing::Decision::Reply(status) => Err(Failure::Invalid(format!("a reply with status {status}"))),
        }
    }
}

impl Selected {
    /// `endpoints`: how many the use may choose from.
    pub(super) fn check(decision: selection::Decision, endpoints: usize) -> Result<Self, Failure> {
        match decision {
            selection::Decision::Pass(tag) => Ok(Self::Pass(tag)),
            selection::Decision::Endpoint(choice) => match choice.endpoint as usize {
                index if index < endpoints => Ok(Self::Endpoint(index, choice.tag)),
                index => Err(Failure::Invalid(format!("endpoint {index} of {endpoints}"))),
            },
            selection::Decision::Reject(status @ 400..=599) => Ok(Self::Reject(to_status(status)?)),
            selection::Decision::Reject(status) => Err(Failure::Invalid(format!("a rejection with status {status}"))),
        }
    }
}

fn to_status(status: u16) -> Result<StatusCode, Failure> {
    StatusCode::from_u16(status).map_err(|_| Failure::Invalid(format!("status {status}")))
}

impl Outcome {
    pub(super) fn for_guest(&self, endpoint: u32) -> feedback::Outcome {
        feedback::Outcome {
            endpoint,
            tag: self.tag,
            kind: match self.kind {
                OutcomeKind::Success => feedback::OutcomeKind::Success,
                OutcomeKind::ServerError => feedback::OutcomeKind::ServerError,
                OutcomeKind::ConnectFailed => feedback::OutcomeKind::ConnectFailed,
                OutcomeKind::TimedOut => feedback::OutcomeKind::TimedOut,
                OutcomeKind::Reset => feedback::OutcomeKind::Reset,
                OutcomeKind::Cancelled => feedback::OutcomeKind::Cancelled,
            },
            status: self.status,
            latency_us: u32::try_from(self.latency.as_micros()).unwrap_or(u32::MAX),
        }
    }
}
