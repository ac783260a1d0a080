//! What has happened lately, for those who ask from outside: the events of the log with the targets `sluice` and `plugin`, from
//! level `info` on, whatever of them is logged. They are rare, so a lock and an allocation for each cost nothing; access lines are
//! none of them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Events of each target that are remembered: plugins that fail say so often, and must not drive out the others.
const REMEMBERED: usize = 256;

/// The targets.
const TARGETS: [&str; 2] = ["sluice", "plugin"];

static JOURNAL: Journal =
    Journal(Mutex::new(Pages { last: 0, pages: [VecDeque::new(), VecDeque::new()], followers: Vec::new() }));

/// Something that has happened.
#[derive(Debug)]
pub struct Happened {
    /// From 1, one more each time.
    pub id: u64,
    /// When.
    pub at: SystemTime,
    /// `info`, `warn` or `error`.
    pub level: &'static str,
    /// `sluice` or `plugin`.
    pub target: &'static str,
    /// As docs/operations.md lists it.
    pub message: String,
    /// Likewise.
    pub fields: Map<String, Value>,
}

/// What is remembered, and who wants to hear of it.
#[derive(Debug)]
pub struct Journal(Mutex<Pages>);

#[derive(Debug)]
struct Pages {
    last: u64,
    /// By target.
    pages: [VecDeque<Arc<Happened>>; TARGETS.len()],
    followers: Vec<mpsc::Sender<Arc<Happened>>>,
}

/// That of this process.
pub fn journal() -> &'static Journal {
    &JOURNAL
}

impl Journal {
    /// What is remembered, the oldest first.
    pub fn recent(&self) -> Vec<Arc<Happened>> {
        self.lock().after(0)
    }

    /// What happens from now on, and of what is remembered all that came after `last`. It ends for a follower who leaves `room`
    /// events behind.
    pub fn follow(&self, last: Option<u64>, room: usize) -> (Vec<Arc<Happened>>, mpsc::Receiver<Arc<Happened>>) {
        let (sender, receiver) = mpsc::channel(room);
        let mut pages = self.lock();
        pages.followers.push(sender);
        (last.map_or_else(Vec::new, |last| pages.after(last)), receiver)
    }

    fn write(&self, happened: Happened) {
        let mut pages = self.lock();
        pages.last += 1;
        let happened = Arc::new(Happened { id: pages.last, ..happened });
        let page = TARGETS.iter().zip(&mut pages.pages).find(|(target, _)| **target == happened.target);
        if let Some((_, page)) = page {
            if page.len() == REMEMBERED {
                page.pop_front();
            }
            page.push_back(happened.clone());
        }
        pages.followers.retain(|follower| follower.try_send(happened.clone()).is_ok());
    }

    /// Held for moments; what is inside is whole between statements.
    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn after(&self, last: u64) -> Vec<Arc<Happened>> {
        let mut found: Vec<_> = self.pages.iter().flatten().filter(|happened| happened.id > last).cloned().collect();
        found.sort_by_key(|happened| happened.id);
        found
    }
}

/// What hands events to the journal.
#[derive(Debug)]
pub(super) struct Scribe;

impl Scribe {
    /// True for what goes into the journal.
    pub(super) fn wants(metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && TARGETS.contains(&metadata.target())
    }
}

impl<S: Subscriber> Layer<S> for Scribe {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut words = Words::default();
        event.record(&mut words);
        let Some(target) = TARGETS.into_iter().find(|target| *target == metadata.target()) else { return };
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => "info",
        };
        let Words { message, fields } = words;
        JOURNAL.write(Happened { id: 0, at: SystemTime::now(), level, target, message, fields });
    }
}

/// Message and fields of an event.
#[derive(Default)]
struct Words {
    message: String,
    fields: Map<String, Value>,
}

impl Words {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(message)) => self.message = message,
            (name, value) => _ = self.fields.insert(name.trim_start_matches("r#").to_owned(), value),
        }
    }
}

impl Visit for Words {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use tracing::{debug, info, warn};
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::prelude::*;

    use super::*;

    /// One test, since the journal is one for all.
    #[test]
    fn it_remembers_what_it_should_and_tells_followers_of_the_rest() {
        let subscriber = tracing_subscriber::registry().with(Scribe.with_filter(filter_fn(Scribe::wants)));
        tracing::subscriber::with_default(subscriber, || {
            warn!(target: "sluice", r#use = "u", count = 7_u64, reason = %"why", "swapped");
            info!(target: "access", "exchange");
            debug!(target: "sluice", "too small");
            let first = JOURNAL.recent();
            let first = &first[0];
            assert_eq!((first.level, first.target, first.message.as_str()), ("warn", "sluice", "swapped"));
            let fields = serde_json::json!({ "use": "u", "count": 7, "reason": "why" });
            assert_eq!(Value::Object(first.fields.clone()), fields);

            let (missed, mut follower) = JOURNAL.follow(Some(first.id - 1), REMEMBERED + 10);
            let (nothing, mut slow) = JOURNAL.follow(None, 2);
            assert_eq!((missed.len(), nothing.len()), (1, 0));
            (0..REMEMBERED + 10).for_each(|number| info!(target: "plugin", number, "failed"));
            let recent = JOURNAL.recent();
            assert_eq!(recent.len(), REMEMBERED + 1, "one page does not drive out the other");
            assert!(recent.is_sorted_by(|one, other| one.id < other.id));
            assert_eq!(follower.try_recv().unwrap().id, first.id + 1);
            assert_eq!([slow.try_recv().is_ok(), slow.try_recv().is_ok()], [true; 2]);
            assert_eq!(
                slow.try_recv().unwrap_err(),
                mpsc::error::TryRecvError::Disconnected,
                "it left too much behind"
            );
        });
    }
}
