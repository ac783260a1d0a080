//! The last exchanges, with what was decided on their way.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::recorded::Recorded;
use crate::observe::{Said, Step, Told};

/// `GET /api/v1/exchanges`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct ExchangesView {
    /// How many are kept, `[admin] exchanges`; as many again of those where something did not go by the first word.
    most: usize,
    /// The newest first.
    exchanges: Vec<ExchangeView>,
}

/// An exchange: the fields of the access line, and the steps on its way.
#[derive(Debug, Serialize, JsonSchema)]
struct ExchangeView {
    /// When it began.
    at: f64,
    /// What the client got; 0: it went away before.
    status: u16,
    method: String,
    host: String,
    /// Without the query.
    path: String,
    client: Option<String>,
    route: String,
    upstream: String,
    endpoint: String,
    /// The use that chose it, or `fallback`.
    chosen_by: String,
    attempts: u32,
    duration_us: u64,
    upstream_us: u64,
    queued_us: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// Its trace, 32 hexadecimal digits, where a collector is told of it.
    trace: Option<String>,
    /// What did not go by the first word, in order.
    why: Vec<String>,
    /// What was decided and tried, in order.
    steps: Vec<StepView>,
    /// All of it, for `sluice explain --exchange`; null where it was not recorded whole.
    record: Option<Recorded>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "step")]
enum StepView {
    /// A use was asked.
    Asked {
        r#use: String,
        hook: &'static str,
        /// `pass`, `chose`, `answered`, `retry`, `failed`.
        said: &'static str,
        /// Of the answer that it gave.
        status: Option<u16>,
        /// The kind of its failure.
        failure: Option<&'static str>,
    },
    /// An endpoint got the request.
    Tried {
        endpoint: String,
        took_us: u64,
        /// Of its answer; null: none came.
        status: Option<u16>,
    },
}

impl ExchangesView {
    pub(in crate::control::admin) fn of(most: usize, mut told: Vec<Told>) -> Self {
        told.sort_by_key(|exchange| std::cmp::Reverse(exchange.started));
        Self { most, exchanges: told.into_iter().map(exchange).collect() }
    }
}

fn exchange(told: Told) -> ExchangeView {
    let us = |duration: std::time::Duration| duration.as_micros() as u64;
    ExchangeView {
        at: told.started as f64 / 1e6,
        status: told.status,
        method: told.method.to_string(),
        host: told.host,
        path: told.path,
        client: told.client.map(|client| client.to_string()),
        route: told.route.to_string(),
        upstream: told.upstream.to_string(),
        endpoint: told.endpoint.to_string(),
        chosen_by: told.chosen_by.to_string(),
        attempts: told.attempts,
        duration_us: us(told.duration),
        upstream_us: us(told.upstream_time),
        queued_us: us(told.queued),
        bytes_in: told.received,
        bytes_out: told.sent,
        trace: told.trace.map(|trace| format!("{trace:032x}")),
        why: told.why,
        steps: told.steps.into_iter().map(step).collect(),
        record: told.recorded.map(Arc::unwrap_or_clone),
    }
}

fn step(step: Step<Arc<str>>) -> StepView {
    match step {
        Step::Asked { name, hook, said } => {
            let (word, status, failure) = match said {
                Said::Pass => ("pass", None, None),
                Said::Chose => ("chose", None, None),
                Said::Answered(status) => ("answered", Some(status), None),
                Said::Retry => ("retry", None, None),
                Said::Failed(kind) => ("failed", None, Some(kind)),
            };
            StepView::Asked { r#use: name.to_string(), hook, said: word, status, failure }
        }
        Step::Tried { endpoint, took, status } => StepView::Tried {
            endpoint: endpoint.to_string(),
            took_us: took.as_micros() as u64,
            status: Some(status).filter(|status| *status > 0),
        },
    }
}
