//! An explanation, for people and for programs.

use std::fmt;

use serde::Serialize;

use crate::observe::recorded::{Call, Recorded};
use crate::proxy::Rehearsed;

/// What would become of a request, and why.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The request, in a line.
    pub request: String,
    /// Names; empty where there is none.
    pub route: String,
    /// See `route`.
    pub upstream: String,
    /// See `route`.
    pub endpoint: String,
    /// The use that chose it, or `fallback`.
    pub chosen_by: String,
    /// Each hook that was asked, with what it saw, said and changed.
    pub calls: Vec<Call>,
    /// The request line that the endpoint gets; null: none gets anything.
    pub onward: Option<String>,
    /// Its fields.
    pub onward_headers: Vec<(String, String)>,
    /// What the client gets.
    pub status: u16,
    /// See `status`.
    pub headers: Vec<(String, String)>,
    /// What did not go by the first word, in order.
    pub why: Vec<String>,
    /// Of an exchange that was recorded: whether every decision is the one that was made then; null: it was not recorded.
    pub same: Option<bool>,
    /// Where it is not.
    pub differs: Vec<String>,
    /// What plugins looked at that the record does not have.
    pub lacks: Vec<String>,
}

impl Explained {
    pub(super) fn of(request: String, told: Rehearsed, before: Option<&Recorded>) -> Self {
        let differs = before.map(|before| differences(before, &told.recorded)).unwrap_or_default();
        let Recorded { routing, rounds, answers, .. } = told.recorded;
        let selection = rounds.into_iter().flat_map(|round| round.calls);
        let response = answers.into_iter().flat_map(|answer| answer.calls);
        let (onward, onward_headers) = told.onward.map_or((None, Vec::new()), |(line, fields)| (Some(line), fields));
        Self {
            request,
            route: told.route.to_string(),
            upstream: told.upstream.to_string(),
            endpoint: told.endpoint.to_string(),
            chosen_by: told.chosen_by.to_string(),
            calls: routing.into_iter().chain(selection).chain(response).collect(),
            onward,
            onward_headers,
            status: told.status,
            headers: told.headers,
            why: told.why,
            same: before.map(|_| differs.is_empty()),
            differs,
            lacks: told.lacks,
        }
    }
}

/// Decisions that are not the same. Of what is changed in heads only the names count: a sealed cookie is never twice the same.
fn differences(before: &Recorded, now: &Recorded) -> Vec<String> {
    let mut differs = Vec::new();
    calls(&before.routing, &now.routing, &mut differs);
    if before.rounds.len() != now.rounds.len() {
        differs.push(format!("{} choices then, {} now", before.rounds.len(), now.rounds.len()));
    }
    for (then, now) in before.rounds.iter().zip(&now.rounds) {
        if then.upstream != now.upstream {
            differs.push(format!("upstream {} then, {} now", then.upstream, now.upstream));
        }
        calls(&then.calls, &now.calls, &mut differs);
        let name = |endpoint: &Option<String>| endpoint.clone().unwrap_or_else(|| "none".to_owned());
        if (&then.endpoint, &then.chosen_by) != (&now.endpoint, &now.chosen_by) {
            differs.push(format!(
                "endpoint {} by {} then, {} by {} now",
                name(&then.endpoint),
                then.chosen_by,
                name(&now.endpoint),
                now.chosen_by
            ));
        }
    }
    if let (Some(then), Some(now)) = (before.answers.last(), now.answers.last()) {
        calls(&then.calls, &now.calls, &mut differs);
    }
    differs
}

fn calls(then: &[Call], now: &[Call], differs: &mut Vec<String>) {
    let said = |call: &Call| {
        let edits = call.edits.iter().map(|edit| edit.name.clone()).collect::<Vec<_>>();
        (call.r#use.clone(), call.said.clone(), call.what.clone(), edits)
    };
    let [then, now] = [then, now].map(|calls| calls.iter().map(said).collect::<Vec<_>>());
    let pairs =
        then.iter().map(Some).chain(std::iter::repeat(None)).zip(now.iter().map(Some).chain(std::iter::repeat(None)));
    for (then, now) in pairs.take_while(|(then, now)| then.is_some() || now.is_some()).filter(|(then, now)| then != now)
    {
        let text = |call: Option<&(String, String, Option<String>, Vec<String>)>| match call {
            Some((name, said, what, _)) => format!("{name} {}", words(said, what.as_deref())),
            None => "nobody".to_owned(),
        };
        differs.push(format!("{} then, {} now", text(then), text(now)));
    }
}

fn words(said: &str, what: Option<&str>) -> String {
    match what {
        Some(what) => format!("{said} {what}"),
        None => said.to_owned(),
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        writeln!(f, "{}", self.request)?;
        writeln!(f, "route      {}", or_none(&self.route))?;
        for call in &self.calls {
            writeln!(f, "{:<10} {}: {}", call.hook, call.r#use, words(&call.said, call.what.as_deref()))?;
            for edit in &call.edits {
                match edit.after.is_empty() {
                    true => writeln!(f, "           - {}", edit.name)?,
                    false => writeln!(f, "           + {}: {}", edit.name, edit.after.join(" | "))?,
                }
            }
        }
        writeln!(f, "upstream   {}", or_none(&self.upstream))?;
        let by = if self.endpoint.is_empty() { String::new() } else { format!(", chosen by {}", self.chosen_by) };
        writeln!(f, "endpoint   {}{by}", or_none(&self.endpoint))?;
        if let Some(line) = &self.onward {
            writeln!(f, "gets       {line}")?;
            for (name, value) in &self.onward_headers {
                writeln!(f, "           {name}: {value}")?;
            }
        }
        writeln!(f, "answer     {}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "           {name}: {value}")?;
        }
        self.why.iter().try_for_each(|why| writeln!(f, "why        {why}"))?;
        match self.same {
            Some(true) => writeln!(f, "recorded   the same decisions")?,
            Some(false) => self.differs.iter().try_for_each(|differs| writeln!(f, "recorded   {differs}"))?,
            None => {}
        }
        self.lacks.iter().try_for_each(|lacks| writeln!(f, "lacks      {lacks}"))
    }
}
