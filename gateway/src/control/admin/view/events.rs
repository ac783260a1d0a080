//! What has happened, what became of the files, and what came of an order.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::seconds;
use crate::config::Problem;
use crate::control::admin::Desk;
use crate::control::orders::Outcome;
use crate::observe::{Happened, journal};

/// `GET /api/v1/history`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct HistoryView {
    /// The last ones, the oldest first.
    events: Vec<EventView>,
}

/// Something that has happened: an event of the log, as docs/operations.md lists them.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct EventView {
    /// Grows.
    id: u64,
    at: f64,
    /// `info`, `warn`, `error`.
    level: &'static str,
    /// `sluice`, or `plugin` for what plugins do.
    target: &'static str,
    message: String,
    fields: Map<String, Value>,
}

/// `GET /api/v1/reload`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct ReloadView {
    /// When what serves was read; at first, the start.
    served_at: f64,
    served: u64,
    refused: u64,
    /// When the files were found to be no good; null where they are what serves.
    refused_at: Option<f64>,
    /// What is wrong with them.
    problems: Vec<ProblemView>,
}

/// Something that is wrong with the configuration or a file that it names.
#[derive(Debug, Serialize, JsonSchema)]
struct ProblemView {
    file: String,
    /// From 1; null if it belongs to no line.
    line: Option<usize>,
    /// As in `route[0].upstream`; empty if it belongs to none.
    key: String,
    message: String,
}

/// What came of an order.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::control::admin) struct OutcomeView {
    /// `done`; `unchanged`: it was so already; `refused`: all is as it was.
    outcome: &'static str,
    /// Why it was refused.
    problems: Vec<ProblemView>,
}

pub(in crate::control::admin) fn history(_: &Desk) -> HistoryView {
    HistoryView { events: journal().recent().iter().map(|happened| EventView::of(happened)).collect() }
}

pub(in crate::control::admin) fn reload(desk: &Desk) -> ReloadView {
    let done = desk.figures.done();
    let (refused_at, problems) =
        done.refused.map_or((None, Vec::new()), |(at, problems)| (Some(seconds(at)), problems));
    ReloadView {
        served_at: seconds(done.read_at),
        served: done.reloads_served,
        refused: done.reloads_refused,
        refused_at,
        problems: problems.into_iter().map(ProblemView::of).collect(),
    }
}

impl EventView {
    pub(in crate::control::admin) fn of(happened: &Happened) -> Self {
        Self {
            id: happened.id,
            at: seconds(happened.at),
            level: happened.level,
            target: happened.target,
            message: happened.message.clone(),
            fields: happened.fields.clone(),
        }
    }
}

impl ProblemView {
    fn of(Problem { file, line, key, message }: Problem) -> Self {
        Self { file, line: Some(line).filter(|line| *line > 0), key, message }
    }
}

impl OutcomeView {
    pub(in crate::control::admin) fn of(outcome: Outcome) -> Self {
        let (outcome, problems) = match outcome {
            Outcome::Done => ("done", Vec::new()),
            Outcome::Unchanged => ("unchanged", Vec::new()),
            Outcome::Refused(problems) => ("refused", problems),
            Outcome::NoPlugin(_) => ("refused", Vec::new()),
        };
        Self { outcome, problems: problems.into_iter().map(ProblemView::of).collect() }
    }
}
